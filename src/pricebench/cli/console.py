"""What every command shares: where text goes, common options, the exit code of Ctrl-C.

The result goes to stdout, talk and progress to stderr.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

INTERRUPTED = 130  # what every shell gives a program that Ctrl-C ended

talk = Console(stderr=True, soft_wrap=True, highlight=False)
result = Console(soft_wrap=True, highlight=False)

ArtifactsOption = Annotated[Path, typer.Option("--artifacts", metavar="DIR", help="Folder that train wrote.")]
ExportedOption = Annotated[
    Path | None,
    typer.Option("--exported", metavar="FILE", help="Run this file of export: it is code, so name only your own."),
]
TransformsOption = Annotated[
    str, typer.Option("--transforms", metavar="NAME,NAME,...", help="Changes of the graph before the mode takes it.")
]
DeviceOption = Annotated[str, typer.Option(help="Where the model runs: cpu or cuda.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
HOUSE_PRICES = "pricebench.workload:house_prices"
WorkloadOption = Annotated[
    str, typer.Option("--workload", metavar="NAME", help="Your model: module:function or path/to/file.py:function.")
]
ReportsOption = Annotated[Path, typer.Option("--reports", metavar="DIR", help="Folder of stored runs and reports.")]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="FOLDER|URL", help="Any folder of pytest-benchmark files instead of DIR/history."),
]


def names_in(text: str) -> list[str]:
    """Names with commas between.

    >>> names_in("a, b"), names_in("")
    (['a', 'b'], [])
    """
    return [name for word in text.split(",") if (name := word.strip())]


@contextmanager
def budget_bar(
    state: Callable[[Any], tuple[float, float, str]],
) -> Iterator[tuple[Callable[[str], None], Callable[[Any], None]]]:
    """What happens, and how far it is: `say` and `show`; lines where stderr is no terminal.

    Args:
        state: What `show` is given -> total, completed, words.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def say(words: str) -> None:
            bar.update(task, description=words)
            if not talk.is_terminal:
                talk.print(words, markup=False)

        def show(progress: Any) -> None:
            total, completed, words = state(progress)
            bar.update(task, total=total, completed=completed, description=words)

        yield say, show


def seconds_of(option: str, text: str) -> float | None:
    """A time such as 600s, 10m or 1h in seconds; None for 0, which is no limit."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found:
        raise typer.BadParameter(f"{option} is '{text}', expected a time such as 600s, 10m or 1h; 0 for no limit.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] or None
