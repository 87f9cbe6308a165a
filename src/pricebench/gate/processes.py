"""The gate's arms as processes: pytest in a tree, with the gate's plugin beside the tree's own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pricebench.gate import starting
from pricebench.gate.records import Arm
from pricebench.paired import answering
from pricebench.paired.processes import Crew, copied, own_folders
from pricebench.paired.worker import Process

# Their folder holds nothing else, and these are no one else's names: no module of ours hides one of the suite's.
_PLUGIN, _STARTING, _ANSWERING = "pricebench_gate_lockstep", "pricebench_gate_starting", "pricebench_answering"
# Not imported here: it imports pytest.
_FILES = {
    _PLUGIN: Path(__file__).with_name("lockstep.py"),
    _STARTING: Path(starting.__file__),
    _ANSWERING: Path(answering.__file__),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Where and how an arm runs.

    Attributes:
        arm: Which one.
        tree: Its checkout.
        python: Of its environment.
        suite: Files and folders with benchmarks, those that the tree has.
        select: pytest's -k, or empty.
    """

    arm: Arm
    tree: Path
    python: Path
    suite: tuple[str, ...] = ()
    select: str = ""


def process(crew: Crew, side: Side) -> Process:
    """What runs as a side's arm."""
    folder = crew.workspace.folder
    for name, file in _FILES.items():
        copied(file, folder / "plugin" / f"{name}.py")
    return Process(
        arm=side.arm,
        folder=side.tree,
        python=side.python,
        target=f"{_STARTING}:run_pytest",
        arguments={"plugin": _PLUGIN, "select": side.select, "suite": list(side.suite)},
        path=(*import_paths(side.tree), str(folder / "plugin")),
        environment=own_folders(folder, side.tree.name),
        name=f"pytest on {side.arm}",
        remedy="Leave out what ends it or takes so long: -k.",
    )


def import_paths(tree: Path) -> list[str]:
    """As `python -m pytest` in the tree, and where its package is if it has the src layout."""
    source = tree / "src"
    return [str(tree), *([str(source)] if source.is_dir() else [])]
