"""From a base and a head to blocks: trees, environments, a rehearsal of each suite, then fresh processes per block."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pricebench.gate import trees
from pricebench.gate.partition import ids_of
from pricebench.gate.plan import Plan
from pricebench.gate.processes import Side, process
from pricebench.gate.pythons import require
from pricebench.gate.records import Arm, GateError, Pair
from pricebench.gate.rehearsal import Rehearsal, rehearse, shareable
from pricebench.gate.reviewed import Accepted
from pricebench.gate.trees import Tree
from pricebench.paired.blocks import blocks
from pricebench.paired.processes import Crew, forkable
from pricebench.paired.records import Block
from pricebench.paired.slices import Case, Experiment
from pricebench.paired.workspace import Workspace

# Of an arm's tree and caches; of one length, so that paths are as long on all arms.
_TREES = ("base", "head", "null")
_CACHES = ("inductor", "triton")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be compared.

    Attributes:
        root: The checkout.
        base: A git ref.
        head: A git ref, or None for the checkout as it lies there.
        suite: Files and folders with benchmarks.
        select: pytest's -k, or empty.
        carry: Paths that git ignores and both trees need, such as a trained model; relative to the checkout.
        accepted: Where head keeps its file of accepted changes; relative.
        threads: Of every process.
        python: Of an environment for head, which need not hold pricebench; else the one that runs this.
        base_python: Of an environment for base; else head's where it fits, else one made from base's lock.
        can_share: Fork the arms from one process, where that is possible.
        environment: Variables for all processes.
        seed: Of all orders and hashes.
        num_shards: Into which the benchmarks are parted; 0 where one runner measures all.
        shard: Which of them is measured, from 1; 0 where they are only planned.
        plan: Who measures what; None where the names alone say it.
    """

    root: Path
    base: str
    head: str | None = None
    suite: tuple[str, ...]
    select: str = ""
    carry: Sequence[str] = ()
    accepted: str = ""
    threads: int = 1
    python: Path | None = None
    base_python: Path | None = None
    can_share: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    num_shards: int = 0
    shard: int = 0
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Both sides, ready for blocks.

    Attributes:
        crew: What the processes share.
        sides: Base, head, the second copy of base, and the control.
        base: Its tree.
        head: Its tree.
        on_base: What base's suite did.
        on_head: What head's did.
        accepted: What head's reviewers accepted.
        pairs: Benchmarks that work on both sides, in head's order.
        modules: Imported once a block; empty where each arm imports everything itself.
        contents: Digest of head's tree; empty where nobody else measures a part.
    """

    crew: Crew
    sides: tuple[Side, ...]
    base: Tree
    head: Tree
    on_base: Rehearsal
    on_head: Rehearsal
    accepted: Accepted
    pairs: tuple[Pair, ...]
    modules: tuple[str, ...]
    contents: str = ""

    @property
    def owners(self) -> dict[str, str]:
        """All that a finding can be about, in this shard or another, and the name under which shards are dealt it."""
        return ids_of(self.on_base, self.on_head, self.accepted.renamed)

    @property
    def control(self) -> Pair:
        """The benchmark that is slowed down on purpose: the one with the shortest calls, so the cheapest."""
        rounds = self.on_base.rounds
        return min(self.pairs, key=lambda pair: (rounds.get(pair.base, 0) == 1, self.on_base.estimates[pair.base]))


def prepare(
    request: Request,
    workspace: Workspace,
    say: Callable[[str], None] = lambda _: None,
    after_rehearsal: Callable[[Path], None] = lambda _: None,
) -> Prepared:
    """Check out, rehearse, and find out what the arms can share.

    Args:
        request: What is to be compared.
        workspace: Where everything is made.
        say: Is told what happens.
        after_rehearsal: Called with head's folder when both suites have run; what it begins may go on beside the rest.

    Raises:
        GateError: Something is not what it should be; the message says what to do.
    """
    root = request.root
    python = request.python or Path(sys.executable)
    require(workspace, python, "--python")
    if request.base_python:
        require(workspace, request.base_python, "--base-python")
    say("checking out")
    base = trees.check_out(workspace, root, trees.resolve(root, request.base), _TREES[0])
    if request.head is None:
        head = trees.check_out_as_it_is(workspace, root, _TREES[1])
    else:
        head = trees.check_out(workspace, root, trees.resolve(root, request.head), _TREES[1])
    base_python = request.base_python
    if base_python is None:
        base_python = python
        if trees.needs(base.folder) != trees.needs(head.folder):
            say("making an environment for base, whose dependencies differ")
            base_python = trees.make_environment(workspace, base, python)
            require(workspace, base_python, "--base-python")
    accepted = Accepted.load(head.folder / request.accepted)
    contents = trees.contents(head) if request.num_shards else ""
    for tree in (base, head):
        _carry(request, tree)
    crew = Crew(
        workspace=workspace,
        root=root,
        threads=request.threads,
        environment=request.environment,
        unforked="Run again with --processes spawn.",
    )
    sides = tuple(
        Side(arm=arm, tree=tree.folder, python=own, suite=_present(request.suite, tree), select=request.select)
        for arm, tree, own in ((Arm.BASE, base, base_python), (Arm.HEAD, head, python))
    )
    if not sides[1].suite:
        raise GateError(f"head has no {' and no '.join(request.suite)}. Name the suite behind --.")
    if nowhere := set(request.suite) - set(sides[0].suite) - set(sides[1].suite):
        raise GateError(f"neither base nor head has {min(nowhere)}. Name files and folders of the checkout.")
    say("rehearsing both suites")
    pool = ThreadPoolExecutor(len(sides))
    try:
        on_base, on_head = pool.map(
            # A suite that base does not have yet has nothing to rehearse; all of head's is new then.
            lambda side: rehearse(crew, side, seed=request.seed) if side.suite else None,
            sides,
        )
        assert on_head is not None
        on_base = on_base or Rehearsal.of_nothing(on_head.machine)
    finally:
        # Not waited for: leaving the workspace ends what still runs.
        pool.shutdown(wait=False, cancel_futures=True)
    _refuse_two_machines(on_base, on_head, same_environment=base_python == python)
    pairs = _pairs(on_base, on_head, accepted.renamed)
    after_rehearsal(head.folder)
    second = trees.copy(base, workspace.folder / _TREES[2])
    for cache in _CACHES:
        made = workspace.folder / f"{cache}-{_TREES[0]}"
        if made.is_dir():
            shutil.copytree(made, workspace.folder / f"{cache}-{_TREES[2]}")
    modules: list[str] = []
    # macOS's own libraries do not survive a fork after they were used.
    if request.can_share and base_python == python and sys.platform == "linux":
        say("importing what the arms share")
        modules = forkable(crew, process(crew, sides[0]), shareable(on_base, on_head, (base.folder, head.folder)))
    sides += tuple(replace(sides[0], arm=arm, tree=second.folder) for arm in (Arm.NULL, Arm.CONTROL))
    return Prepared(
        crew=crew,
        sides=sides,
        base=base,
        head=head,
        on_base=on_base,
        on_head=on_head,
        accepted=accepted,
        pairs=pairs,
        modules=tuple(modules),
        contents=contents,
    )


def measure(
    prepared: Prepared,
    choose: Callable[[], tuple[Sequence[Pair], bool]],
    *,
    seed: int,
    experiment: Experiment,
    first: int = 0,
) -> Iterator[Block]:
    """Blocks, one after another, while something is left to measure.

    The processes of the next block import while one is measured.

    Args:
        prepared: Both sides.
        choose: Asked before each block: which benchmarks, and whether with the control; none ends it.
        seed: Of orders and hashes.
        experiment: What is done to the arms.
        first: Number of the first block.

    Raises:
        WorkerError: A process died or hung.
    """
    crew, estimates = prepared.crew, prepared.on_base.estimates
    processes = [process(crew, side) for side in prepared.sides]

    def cases() -> list[Case]:
        pairs, with_control = choose()
        control = prepared.control if with_control else None
        if control and control not in pairs:
            pairs = [control, *pairs]
        return [pair.case(estimates[pair.base], with_control=pair == control) for pair in pairs]

    return blocks(
        crew, lambda: processes, cases, modules=prepared.modules, seed=seed, experiment=experiment, first=first
    )


def _present(suite: Sequence[str], tree: Tree) -> tuple[str, ...]:
    """What of a suite is there, test ids included: pytest refuses a path that is not."""
    return tuple(path for path in suite if (tree.folder / path.partition("::")[0]).exists())


def _carry(request: Request, tree: Tree) -> None:
    for name in request.carry:
        source, target = request.root / name, tree.folder / name
        if not source.exists() or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)


def _refuse_two_machines(base: Rehearsal, head: Rehearsal, *, same_environment: bool) -> None:
    """Versions may differ where the environments do: that is then part of what is compared."""
    names = base.machine.keys() | head.machine.keys()
    if not same_environment:
        names &= {"cpu", "architecture", "logical_cores", "system", "threads"}
    differing = [
        f"{name} {base.machine.get(name)} against {head.machine.get(name)}"
        for name in sorted(names)
        if base.machine.get(name) != head.machine.get(name)
    ]
    if differing:
        raise GateError(f"base and head ran on two fingerprints: {'; '.join(differing)}. Give both the same Python.")


def _pairs(base: Rehearsal, head: Rehearsal, renamed: Mapping[str, str]) -> tuple[Pair, ...]:
    """Benchmarks that work on both sides."""
    if not base.found and not head.found:
        for side, reasons in (("head", head.broken), ("base", base.broken)):
            for file, reason in reasons.items():
                raise GateError(
                    f"nothing can be compared: pytest on {side} cannot import {file}: {reason}. "
                    "Install what it needs where the suite runs, or name other files behind --."
                )
        raise GateError(
            "the suite has no benchmark: no test that was chosen uses the fixture `benchmark`. "
            "Name the suite behind --, or choose with -k."
        )
    # Once base knows the new name, the line has done its work.
    before = {new: old for old, new in renamed.items() if old in base.found and new not in base.found}
    return tuple(
        Pair(base=before.get(name, name), head=name)
        for name in head.estimates
        if before.get(name, name) in base.estimates
    )
