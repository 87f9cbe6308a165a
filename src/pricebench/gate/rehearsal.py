"""One run of a suite before anything is compared: what there is, whether it works, and what its processes can share.

It also fills the caches: bytecode, compiled graphs, whatever the suite's fixtures keep in the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pricebench.gate.installed import copies
from pricebench.gate.processes import Side, process
from pricebench.gate.records import GateError
from pricebench.paired.processes import Crew, started
from pricebench.paired.worker import EndedError, Worker, WorkerError
from pricebench.units import Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What one tree's suite did.

    Attributes:
        estimates: Seconds per call of every benchmark that worked, in the suite's order.
        rounds: Of those that say how many they have.
        failed: By id why a benchmark failed, or never used its fixture.
        skipped: By id why it was skipped.
        broken: By the file's id why it could not be imported; what is in it nobody knows.
        unwanted: By the file's id why it skipped itself as a whole.
        machine: What the process said of machine and libraries.
        modules: Files of all modules by name, in the order in which they were imported.
        folders: Where the modules of its environment lie.
        plugins: Names of modules that came with a pytest plugin.
    """

    estimates: Mapping[str, Second]
    rounds: Mapping[str, int]
    failed: Mapping[str, str]
    skipped: Mapping[str, str]
    machine: Mapping[str, object]
    modules: Mapping[str, str]
    broken: Mapping[str, str] = field(default_factory=dict)
    unwanted: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    plugins: tuple[str, ...] = ()

    @classmethod
    def of_nothing(cls, machine: Mapping[str, object]) -> Self:
        """Of a tree that does not have the suite."""
        return cls(estimates={}, rounds={}, failed={}, skipped={}, machine=machine, modules={})

    @property
    def found(self) -> list[str]:
        """All benchmarks."""
        return [*self.estimates, *self.failed, *self.skipped]


def rehearse(crew: Crew, side: Side, *, seed: int) -> Rehearsal:
    """Run the suite of one tree, untimed but for an estimate.

    Raises:
        WorkerError: pytest ended before it was through, at a conftest that cannot be imported for instance.
        GateError: The suite used code of another tree.
    """
    with started(crew, [process(crew, side)], modules=(), seed=seed) as workers:
        return _lead(crew, workers[side.arm])


def _lead(crew: Crew, worker: Worker) -> Rehearsal:
    first = worker.hear()
    worker.say(run=first["collected"])
    estimates: dict[str, Second] = {}
    rounds: dict[str, int] = {}
    failed: dict[str, str] = {}
    skipped: dict[str, str] = {}
    while "finished" not in (message := worker.hear()):
        if "reached" in message:
            name = message["reached"]
            if message["rounds"]:
                rounds[name] = message["rounds"]
            try:
                estimates[name] = _estimate(worker, is_limited=bool(message["rounds"]))
            except EndedError as ended:
                (skipped if ended.outcome == "skipped" else failed)[name] = ended.reason
            else:
                worker.say(do="finish")
        elif message["outcome"] == "skipped":
            skipped[message["ended"]] = message["reason"]
        elif message["outcome"] == "failed":
            failed[message["ended"]] = message["reason"]
        elif message["ended"] not in estimates:
            failed[message["ended"]] = "it has the fixture `benchmark` and never called it"
    if lost := set(first["collected"]) - estimates.keys() - failed.keys() - skipped.keys():
        raise WorkerError(
            f"pytest on {worker.process.arm} ended before {len(lost)} of its tests had run, {min(lost)} for one. "
            "Leave out what ends it: -k."
        )
    for name in failed.keys() | skipped.keys():
        estimates.pop(name, None)
    _refuse_foreign_code(crew, worker, message["modules"])
    return Rehearsal(
        estimates=estimates,
        rounds=rounds,
        failed=failed,
        skipped=skipped,
        broken={name: reason for name, (outcome, reason) in first["uncollected"].items() if outcome != "skipped"},
        unwanted={name: reason for name, (outcome, reason) in first["uncollected"].items() if outcome == "skipped"},
        machine=first["machine"],
        modules=message["modules"],
        folders=tuple(map(Path, message["folders"])),
        plugins=tuple(message["plugins"]),
    )


def _estimate(worker: Worker, *, is_limited: bool) -> Second:
    """Seconds per call."""
    seconds = float(worker.ask(do="calibrate", cores=[])["seconds"])
    if is_limited and not seconds:
        # Without rounds for warming up: one of those that count.
        seconds = float(worker.ask(do="slice", calls=1, spin=0.0)["seconds"])
    return seconds


def _refuse_foreign_code(crew: Crew, worker: Worker, modules: Mapping[str, str]) -> None:
    """Code of the original checkout, or of a copy of the project: both sides would measure the same code."""
    environment = worker.process.python.parent.parent
    foreign = [
        f"{name} ({file})"
        for name, file in modules.items()
        if crew.root and Path(file).is_relative_to(crew.root) and not Path(file).is_relative_to(environment)
    ]
    if foreign:
        raise GateError(
            f"pytest on {worker.process.arm} imported {foreign[0]} from the original checkout instead of its own tree. "
            "Put the package below src/ or beside pyproject.toml, or install it editable."
        )
    for name, file in copies(modules, [root for root in (crew.root, worker.process.folder) if root]).items():
        raise GateError(
            f"pytest on {worker.process.arm} imported {name} from where the project is installed ({file}), not from "
            "its tree: both sides would run the same code. Install it editable."
        )


def is_in(benchmark: str, file: str) -> bool:
    """Whether an id is one of a file's, or of a package's whose `__init__` is meant.

    >>> is_in("bench/a.py::test_b", "bench/a.py"), is_in("bench/a.py::test_b", "bench/__init__.py")
    (True, True)
    """
    folder = file.removesuffix("/__init__.py")
    return benchmark.startswith((f"{file}::", f"{folder}/"))


def shareable(base: Rehearsal, head: Rehearsal, trees: Iterable[Path]) -> list[str]:
    """Modules that can be imported once for all arms: of the environment, not of a tree, and of no pytest plugin.

    pytest rewrites the assertions in all modules of a distribution that has a plugin, and warns of one that is there.
    Both sides were run by one Python, which is what said where its modules lie.
    """
    plugins = {"conftest", *base.plugins, *head.plugins}
    trees = list(trees)
    return [
        name
        for name, file in base.modules.items()
        if name in head.modules
        and name.partition(".")[0] not in plugins
        and any(Path(file).is_relative_to(folder) for folder in base.folders)
        and not any(Path(file).is_relative_to(tree) for tree in trees)
    ]
