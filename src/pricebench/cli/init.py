"""`pricebench init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import result, talk


def init(
    workload: Annotated[
        str,
        typer.Argument(
            metavar="WORKLOAD",
            help="module:function or path/to/file.py:function, which returns (module, example) or a Workload.",
        ),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
) -> None:
    """Give your repository benchmarks of a model, settings, and a workflow for the gate; what exists is left alone."""
    from pricebench.gate.trees import repository
    from pricebench.scaffold import ScaffoldError, plan, write
    from pricebench.workload import load_workload

    here = Path.cwd().resolve()
    if not any((folder / ".git").exists() for folder in (here, *here.parents)):
        raise ScaffoldError(f"{here}: expected a git repository, for the gate compares its commits. Run: git init")
    root = repository(here).resolve()
    if here != root:
        raise ScaffoldError(f"this is {here}, expected the root of the repository, for its settings. Run: cd {root}")
    found = load_workload(workload)
    steps = plan(root, workload, found)
    for note in found.notes:
        talk.print(f"{workload}: {note}", markup=False)
    if dry_run:
        for step in steps:
            # A heading that no TOML, YAML or Python begins with.
            result.print(f"==> {step.says}" if step.left else f"==> {step.path}\n{step.text}", markup=False)
        return
    write(root, steps)
    for step in steps:
        result.print(step.says, markup=False)
    result.print("next: pytest benchmarks", markup=False)
    result.print("once it is committed: pricebench gate --base main", markup=False)
