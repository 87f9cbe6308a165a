"""The model as ONNX, raw features to dollars, any number of rows: `python -m benchmarks.serving.onnx_export A B`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES
from pricebench.serving.predictor import Pricer


def export(folder: Path, target: Path) -> None:
    """Write it."""
    pricer = Pricer(Artifacts.load(folder)).eval()
    # Two rows: an example of one would make the number of rows a constant.
    example = torch.ones(2, len(FEATURES), dtype=torch.float64)
    rows = ({0: torch.export.Dim("rows")},)
    program = torch.onnx.export(pricer, (example,), dynamo=True, dynamic_shapes=rows, verbose=False)
    assert program is not None
    program.save(target)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
