// Prices houses without Python or a compiler: loads the package that `pricebench export --mode aot` wrote, reads five
// raw features per house from standard input, prints a line of dollars per house. test_exported.py says how it is
// compiled.

#include <ATen/Functions.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdio>
#include <iostream>
#include <vector>

int main(int num_arguments, char** arguments) {
  if (num_arguments != 2) {
    std::cerr << "usage: price_houses_aot PACKAGE < houses\n";
    return 2;
  }
  // The package has a model for any number of rows, which this is, and others, such as rows_8, for one number.
  torch::inductor::AOTIModelPackageLoader pricer(arguments[1], "model");

  std::vector<double> values;
  for (double value; std::cin >> value;) values.push_back(value);
  at::Tensor houses = at::tensor(values, at::kDouble).reshape({-1, 5});

  at::Tensor dollars = pricer.run({houses}).at(0);
  for (int64_t row = 0; row < dollars.size(0); ++row) {
    std::printf("%.2f\n", dollars[row].item<double>());
  }
}
