// Prices houses without Python: loads the file that `pricebench export` wrote, reads five raw features per house from
// standard input, prints a line of dollars per house. test_export.py says how it is compiled.

#include <ATen/Functions.h>
// torch/script.h would do as well, and compile three times as long.
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdio>
#include <iostream>
#include <vector>

int main(int num_arguments, char** arguments) {
  if (num_arguments != 2) {
    std::cerr << "usage: price_houses EXPORTED_FILE < houses\n";
    return 2;
  }
  torch::jit::Module pricer = torch::jit::load(arguments[1]);

  std::vector<double> values;
  for (double value; std::cin >> value;) values.push_back(value);
  at::Tensor houses = at::tensor(values, at::kDouble).reshape({-1, 5});

  at::Tensor dollars = pricer.forward({houses}).toTensor();
  for (int64_t row = 0; row < dollars.size(0); ++row) {
    std::printf("%.2f\n", dollars[row].item<double>());
  }
}
