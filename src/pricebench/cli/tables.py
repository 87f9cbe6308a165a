"""A table as text for a terminal or as GitHub Markdown. Its words come from files that anybody may have written.

On a terminal they are no markup and move no cursor; in Markdown they are code, which starts no link, mention or tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricebench.section import Section

_UNBOUNDED = 10_000  # columns, where no terminal limits them: a pipe gets whole lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells under titles.

    Attributes:
        titles: Of the columns.
        rows: Cells as text.
        words: Titles of the columns that hold words from files; the others hold numbers that we formatted.
        caption: Above the table, or empty.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[str] = field(default_factory=frozenset)
    caption: str = ""


def printable(text: str) -> str:
    r"""What moves the cursor, rings or turns the writing direction becomes visible.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def code(text: str) -> str:
    r"""A Markdown code span that `text` cannot leave, safe inside a table.

    >>> code("a`b|c")
    '``a`b\\|c``'
    """
    if not text:
        return ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{printable(text)}{space}{fence}".replace("|", "\\|")


def as_markdown(grid: Grid) -> str:
    """The table in GitHub's dialect."""
    words = [title in grid.words for title in grid.titles]
    lines = [f"**{code(grid.caption)}**\n"] if grid.caption else []
    lines.append(f"| {' | '.join(map(_title, grid.titles))} |")
    lines.append(f"|{'|'.join('---' if is_words else '---:' for is_words in words)}|")
    for row in grid.rows:
        cells = [code(cell) if is_words else cell for cell, is_words in zip(row, words, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _title(title: str) -> str:
    # Most are our own; the name of an event or of the reference comes from a file.
    return title if re.fullmatch(r"[A-Za-z0-9 /()_-]*", title) else code(title)


def print_grid(grid: Grid) -> None:
    """Print the table on stdout; words are folded, never cut."""
    table = Table(title=Text(printable(grid.caption)) if grid.caption else None, title_justify="left")
    for title in grid.titles:
        is_words = title in grid.words
        table.add_column(
            Text(printable(title)), justify="left" if is_words else "right", overflow="fold", no_wrap=not is_words
        )
    for row in grid.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_UNBOUNDED)
    console.print(table)


def print_sections(sections: Iterable[Section], sentences: Iterable[str], *, markdown: bool) -> None:
    """Print the tables of a report on stdout, and what must be known to read them."""
    console = Console(highlight=False)
    for section in sections:
        if markdown:
            typer.echo(f"### {section.title}\n\n{section.markdown()}\n")
            continue
        # Titles, cells and notes may hold what a workload or torch wrote: never markup.
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        for number, name in enumerate(section.header):
            table.add_column(Text(name), justify="right" if number else "left", no_wrap=not number)
        for row in section.rows:
            table.add_row(*map(Text, row))
        console.print(section.title, style="bold", markup=False)
        console.print(table)
        for note in section.notes:
            console.print(f"  {note}", markup=False)
        console.print()
    for sentence in sentences:
        if markdown:
            typer.echo(f"- {sentence}")
        else:
            console.print(sentence, markup=False)
