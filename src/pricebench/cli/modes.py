"""`pricebench modes`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricebench.cli.console import HOUSE_PRICES, JsonOption, TransformsOption, names_in, result, talk

if TYPE_CHECKING:
    from pricebench.modes import ExecutionMode
    from pricebench.workload import Workload

_WIDE = 120  # columns from which a table has room for sentences


def modes(
    *,
    show: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="Print what a mode made of the model instead: code, graph, kernels, guards."),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Try each mode on your model: module:function or path/to/file.py:function."),
    ] = None,
    transforms: TransformsOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the execution modes: what each does and needs, and why one cannot run here or cannot take your model."""
    from pricebench.modes import ALL_MODES, mode_named

    if show:
        from pricebench.errors import ModeError

        mode = mode_named(show)
        if mode.code is None:
            having = ", ".join(other.name for other in ALL_MODES if other.code is not None)
            raise ModeError(f"Mode {show} makes no source to show. Try: {having}.")
        shown = _loaded(workload or HOUSE_PRICES)
        module, inputs = shown.module, shown.inputs("full")
        if transforms:
            from pricebench.transforms import primitives, products_told, transformed

            module, told = transformed(module, inputs, names_in(transforms), calibration=inputs)
            ran = products_told(primitives(lambda: inputs.clone().call(module)))
            for words in [*told, *([ran] if ran else [])]:
                talk.print(words, markup=False)
        result.print(mode.show(module, inputs), markup=False)
        return
    if transforms:
        raise typer.BadParameter("--transforms says what to show: name a mode with --show too.")
    tried = _loaded(workload) if workload else None
    rows = [
        {
            "mode": mode.name,
            "runs here": mode.missing() is None,
            "reason": mode.missing(),
            "does": mode.summary,
            "needs": mode.needs,
            "deprecation": mode.deprecation,
            **(_trial(mode, tried) if tried else {}),
        }
        for mode in ALL_MODES
    ]
    if as_json:
        result.print_json(json.dumps(rows))
        return
    console = Console(highlight=False)
    console.print(_table(rows) if console.width >= _WIDE else _blocks(rows))


def _loaded(name: str) -> Workload:
    from pricebench.workload import load_workload

    found = load_workload(name)
    for words in found.notes:
        talk.print(f"{found.name}: {words}", markup=False)
    return found


def _trial(mode: ExecutionMode, workload: Workload) -> dict[str, object]:
    """Whether a mode takes the model. Nothing is compiled: torch.compile only captures it, and tells its breaks."""
    from pricebench.errors import ModeError
    from pricebench.modes.base import reason_of
    from pricebench.modes.graph_breaks import graph_breaks

    facts: dict[str, object] = {"workload": workload.name, "takes it": None, "remark": None}
    if mode.missing() is not None:
        return facts
    inputs = workload.inputs("full")
    try:
        if mode.name == "compile":
            breaks = graph_breaks(workload.module, inputs)
            words = f"{len(breaks)} graph breaks: " if len(breaks) > 1 else "1 graph break: "
            return {**facts, "takes it": True, "remark": words + "; ".join(map(str, breaks)) if breaks else None}
        inputs.clone().call(mode.prepare_inference(workload.module, inputs))
    except ModeError as error:
        return {**facts, "takes it": False, "remark": str(error)}
    # A compiler, and the module's own code in it, may raise anything: that is the row's reason.
    except Exception as error:
        words = f"{mode.name} cannot take {workload.name}: {reason_of(error)}. Use another mode."
        return {**facts, "takes it": False, "remark": words}
    return {**facts, "takes it": True}


def _facts(row: Mapping[str, object]) -> dict[str, str]:
    """What is said of a mode, by title; what there is nothing to say about is left out."""
    facts = {
        "runs here": "yes" if row["runs here"] else f"no: {row['reason']}",
        "what it does": str(row["does"]),
        "needs": str(row["needs"]),
        "notice": str(row["deprecation"] or ""),
    }
    if row.get("takes it") is not None:
        remark = str(row["remark"] or "")
        told = f"yes{', with ' + remark if remark else ''}" if row["takes it"] else f"no: {remark}"
        facts[f"takes {row['workload']}"] = told
    return {title: words for title, words in facts.items() if words}


def _table(rows: Sequence[Mapping[str, object]]) -> Table:
    facts = [_facts(row) for row in rows]
    titles = list(dict.fromkeys(title for fact in facts for title in fact))
    table = Table("mode", *titles)
    for row, fact in zip(rows, facts, strict=True):
        # Reasons may hold what a model or torch wrote: never markup.
        table.add_row(Text(str(row["mode"])), *(Text(fact.get(title, "")) for title in titles))
    return table


def _blocks(rows: Sequence[Mapping[str, object]]) -> Table:
    """One below the other: five columns of sentences have no room on a narrow terminal."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for number, row in enumerate(rows):
        if number:
            grid.add_row()
        grid.add_row(Text(str(row["mode"]), style="bold"), "")
        for title, words in _facts(row).items():
            grid.add_row(Text(f"  {title}"), Text(words))
    return grid
