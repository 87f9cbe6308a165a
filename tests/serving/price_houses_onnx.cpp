// Prices houses without Python and without torch: OpenVINO reads the graph that `pricebench export --mode onnx` wrote.
// Reads five raw features per house from standard input, prints a line of dollars per house. test_exported.py says how
// it is compiled.

#include <openvino/openvino.hpp>

#include <cstdio>
#include <iostream>
#include <vector>

int main(int num_arguments, char** arguments) {
  if (num_arguments != 2) {
    std::cerr << "usage: price_houses_onnx GRAPH < houses\n";
    return 2;
  }
  ov::Core core;
  ov::InferRequest pricer =
      core.compile_model(arguments[1], "CPU", ov::hint::inference_precision(ov::element::f32)).create_infer_request();

  std::vector<double> values;
  for (double value; std::cin >> value;) values.push_back(value);
  const size_t num_houses = values.size() / 5;
  pricer.set_input_tensor(ov::Tensor(ov::element::f64, {num_houses, 5}, values.data()));

  pricer.infer();
  const float* dollars = pricer.get_output_tensor().data<float>();
  for (size_t row = 0; row < num_houses; ++row) std::printf("%.2f\n", dollars[row]);
}
