"""Where the rivals find the model: environment variables, which every way to start a server hands on."""

ARTIFACTS = "PRICEBENCH_ARTIFACTS"
ONNX_FILE = "PRICEBENCH_ONNX"
