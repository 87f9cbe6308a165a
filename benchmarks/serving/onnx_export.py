"""The model as ONNX, raw features to dollars, any number of rows: `python -m benchmarks.serving.onnx_export A B`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.rivals import write_onnx
from pricebench.artifacts import Artifacts

if __name__ == "__main__":
    write_onnx(Artifacts.load(Path(sys.argv[1])), Path(sys.argv[2]))
