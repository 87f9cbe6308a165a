"""`pricebench limits`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import JsonOption, ReportsOption, names_in, result, talk


def limits(
    *,
    threads: Annotated[
        str, typer.Option(metavar="N,...", help="Numbers of threads to measure (default: 1 and torch's own).")
    ] = "",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Also kernels that Inductor compiles: minutes the first time.")
    ] = False,
    read: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="Show stored limits instead.")] = None,
    reports: ReportsOption = Path("reports"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print GitHub Markdown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what this machine can do: matrix products by every library that is here, memory, calls."""
    from pricebench.limits.records import FOLDER, Limits

    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown both print the result. Choose one.")
    if read:
        found = Limits.load(read)
    else:
        numbers = _numbers(threads)
        from pricebench.limits.measure import measure

        with talk.status("measuring"):
            found = measure(threads=numbers, compiled=compiled, say=lambda words: talk.print(words, markup=False))
        path = reports / FOLDER / f"{found.fingerprint}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        found.save(path)
        talk.print(f"wrote {path}", markup=False)
    if as_json:
        result.print_json(json.dumps(asdict(found)))
        return
    from pricebench.cli.tables import print_sections
    from pricebench.limits.table import sections, sentences

    said = [*sentences(found), *(f"Warning: {words}." for words in found.warnings)]
    print_sections(sections(found), said, markdown=markdown)


def _numbers(text: str) -> list[int]:
    """Numbers of threads, ascending; 1 and torch's own by default."""
    if not text:
        import torch

        return sorted({1, torch.get_num_threads()})
    words = names_in(text)
    if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise typer.BadParameter(f"--threads is '{text}', expected numbers from 1 on, such as 1,2.")
    return sorted({int(word) for word in words})
