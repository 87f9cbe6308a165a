"""`pricebench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import ArtifactsOption, talk


def export(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    mode: Annotated[str, typer.Option(help="Whose portable artifact: torchscript.")] = "torchscript",
    artifacts: ArtifactsOption = Path("artifacts"),
) -> None:
    """Write the trained model, raw features to dollars, as a file that a program without Python loads."""
    from pricebench.artifacts import Artifacts
    from pricebench.serving import export as write_export

    write_export(Artifacts.load(artifacts), out, mode=mode)
    talk.print(f"wrote {out}", markup=False)
