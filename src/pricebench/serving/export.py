"""Writing the trained model, raw features to dollars, as a file that needs no Python."""

from __future__ import annotations

from pathlib import Path

from pricebench.artifacts import Artifacts
from pricebench.errors import ModeError, unknown_name
from pricebench.files import atomic_write
from pricebench.modes import torchscript
from pricebench.serving.predictor import Pricer

EXPORTERS = {"torchscript": torchscript.save}


def export(artifacts: Artifacts, path: Path, *, mode: str) -> None:
    """Write the portable artifact of a mode: `forward(float (N, 5)) -> float32 (N, 1)` dollars.

    Raises:
        ModeError: The mode has no portable artifact.
    """
    if mode not in EXPORTERS:
        raise ModeError(unknown_name("export mode", mode, EXPORTERS))
    with atomic_write(path) as file:
        EXPORTERS[mode](Pricer(artifacts), file)
