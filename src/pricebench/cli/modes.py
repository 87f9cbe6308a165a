"""`pricebench modes`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pricebench.cli.console import JsonOption, result


def modes(
    *,
    show: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="Print what a mode made of the model instead: code, graph, kernels, guards."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the execution modes: what each does and needs, and why one cannot run here."""
    from pricebench.modes import MODES, mode_named

    if show:
        from pricebench.errors import ModeError
        from pricebench.workload import FULL_ROWS, house_prices

        mode = mode_named(show)
        if mode.code is None:
            having = ", ".join(other.name for other in MODES if other.code is not None)
            raise ModeError(f"Mode {show} makes no source to show. Try: {having}.")
        workload = house_prices()
        result.print(mode.code(workload.module, workload.inputs(FULL_ROWS)), markup=False)
        return
    rows = [
        {
            "mode": mode.name,
            "runs here": mode.missing() is None,
            "reason": mode.missing(),
            "does": mode.summary,
            "needs": mode.needs,
            "deprecation": mode.deprecation,
        }
        for mode in MODES
    ]
    if as_json:
        result.print_json(json.dumps(rows))
        return
    table = Table("mode", "runs here", "what it does", "needs", "notice")
    for row in rows:
        table.add_row(
            str(row["mode"]),
            "yes" if row["runs here"] else f"no: {row['reason']}",
            str(row["does"]),
            str(row["needs"]),
            str(row["deprecation"] or ""),
        )
    Console().print(table)
