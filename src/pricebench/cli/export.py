"""`pricebench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import ArtifactsOption, TransformsOption, names_in, talk


def export(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    mode: Annotated[str, typer.Option(help="Whose file: torchscript, onnx, or aot.")] = "torchscript",
    sizes: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="aot: batch sizes to compile for, beside any.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="aot: that the file runs on.")] = 1,
    transforms: TransformsOption = "",
    artifacts: ArtifactsOption = Path("artifacts"),
) -> None:
    """Write the trained model, raw features to dollars, as a file that a program without Python loads.

    predict --exported FILE and serve --exported FILE load it too. docs/serving.md says how C++ does.
    """
    import torch

    from pricebench.artifacts import Artifacts
    from pricebench.serving import export as write_export

    torch.set_num_threads(threads)
    if mode == "aot":
        talk.print("compiling; a minute or two where the cache does not have it")
    said = write_export(
        Artifacts.load(artifacts),
        out,
        mode=mode,
        sizes=_sizes(sizes) if sizes else None,
        transforms=names_in(transforms),
    )
    rows = f"quickest for {', '.join(map(str, said.sizes))} rows, " if said.sizes else ""
    place = f"for this kind of CPU and torch {said.torch}" if said.cpu else "for any CPU"
    talk.print(f"wrote {out}: {out.stat().st_size / 1e6:.1f} MB, {rows}{place}", markup=False)


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(word) for word in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 1:
        raise typer.BadParameter(f"--sizes is '{text}', expected numbers of rows such as 1,8,64.")
    return sizes
