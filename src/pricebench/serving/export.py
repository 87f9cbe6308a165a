"""Writing the trained model, raw features to dollars, as a file that needs no Python."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from pricebench.artifacts import Artifacts
from pricebench.errors import ModeError, unknown_name
from pricebench.files import atomic_write
from pricebench.inputs import Inputs
from pricebench.serving.exported import Says
from pricebench.serving.predictor import Predictor, Pricer
from pricebench.serving.readiness import check
from pricebench.transforms import mode_with

EXPORT_MODES = {"torchscript": "torchscript", "onnx": "onnxruntime", "aot": "aot"}
"""What a user calls a file's mode, and the mode's name: a graph of ONNX runs in other programs too."""


def export(
    artifacts: Artifacts,
    path: Path,
    *,
    mode: str,
    sizes: Sequence[int] | None = None,
    transforms: Sequence[str] = (),
) -> Says:
    """Write the portable file of a mode: float64 features, `(N, F)`, to float32 dollars, `(N, 1)`.

    Args:
        artifacts: The trained model with its statistics.
        path: Of the file.
        mode: One of `EXPORT_MODES`.
        sizes: Batch sizes that it is to be quickest for, where the mode has any; ascending. None: the mode's own.
        transforms: Changes of the graph before it is written, by name.

    Returns:
        What the file says of itself. Its prices were compared with those of float64.

    Raises:
        ModeError: The mode has no portable file, cannot run here, prices wrongly, or has no sizes; or there is no such
            transformation.
    """
    name = EXPORT_MODES.get(mode)
    if name is None:
        raise ModeError(unknown_name("export mode", mode, EXPORT_MODES))
    chosen = mode_with(name, transforms, calibration=artifacts.calibration)
    assert chosen.portable is not None
    if sizes and not chosen.sizes:
        raise ModeError(f"A file of {mode} is for any number of rows, found sizes {_listed(sizes)}. Give none.")
    says = Says.of(artifacts, chosen, sizes=chosen.sizes if sizes is None else sizes, transforms=transforms)
    example = Inputs.of(torch.zeros(1, len(artifacts.stats.feature_names), dtype=torch.float64))
    pricer = copy.deepcopy(Pricer(artifacts)).eval().requires_grad_(requires_grad=False)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"draft{chosen.portable.suffix}"
        with draft.open("wb") as file:
            chosen.portable.save(pricer, example, says.sizes, file, says.to_json())
        # Without padding, as other programs call it.
        check(Predictor(artifacts, exported=draft, sizes=()), artifacts, sorted({1, 3, *says.sizes}))
        content = draft.read_bytes()
    with atomic_write(path) as file:
        file.write(content)
    return says


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))
