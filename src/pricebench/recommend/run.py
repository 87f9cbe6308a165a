"""A whole recommendation: the workload, the life of each mode, blocks until the ranking is decided, the answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pricebench.load import LoadMeter
from pricebench.paired.blocks import blocks
from pricebench.paired.environment import bytecode_warnings
from pricebench.paired.processes import Crew, ThreadError
from pricebench.paired.records import Block
from pricebench.paired.slices import MOST, Case
from pricebench.paired.worker import Process, WorkerError
from pricebench.paired.workspace import Workspace
from pricebench.recommend import lives
from pricebench.recommend.conclusion import conclude
from pricebench.recommend.decision import LOOKS, barred, decide
from pricebench.recommend.evidence import EAGER, NULL, Evidence, Tried, case
from pricebench.recommend.need import Goal, Need, RecommendError, make_need
from pricebench.recommend.report import Report
from pricebench.units import Second
from pricebench.zygote.process import CAN_FORK

_AHEAD = 2  # preparing a block takes a core ten seconds and more; the measurement of one, seconds
_MOST_ASIDE: Second = 0.5  # an arm's slices of a case that decides nothing
_ARM = "pricebench.recommend.arm:main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked.

    Attributes:
        workload: `module:function` or `file.py:function`.
        goal: See `need.Need`, as the next ones.
        sizes: Batches and shares.
        calls_per_day: None for the goal's default.
        restarts_per_day: The same.
        cache: "cold" or "warm".
        no_python: Nowhere to run Python.
        no_compiler: Nowhere to compile.
        threads: Of every process.
        device: "cpu" or "cuda".
        budget: Seconds for all of it.
        num_blocks: Exactly so many, whatever is decided before; None for as many as it takes.
        seed: Of orders and hashes.
    """

    workload: str
    goal: Goal = Goal.LATENCY
    sizes: Sequence[tuple[int, float]] = ()
    calls_per_day: float | None = None
    restarts_per_day: float | None = None
    cache: str = "cold"
    no_python: bool = False
    no_compiler: bool = False
    threads: int = 1
    device: str = "cpu"
    budget: Second = 300.0
    num_blocks: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        spent: Seconds since it began.
        expected: Seconds until it may end: that of the next look, or the budget.
        words: What is going on.
    """

    spent: Second
    expected: Second
    words: str


def recommend(
    request: Request,
    *,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Measure, and answer.

    Args:
        request: What is asked.
        say: Is told what happens.
        show: Is told how far it is.

    Raises:
        RecommendError: The workload or the need is not what it should be.
        WorkerError: A process died or hung.
    """
    started, clock, meter = datetime.now(UTC), time.monotonic(), LoadMeter()
    with Workspace() as workspace:
        setting = lives.Setting(
            workspace=workspace, workload=request.workload, threads=request.threads, device=request.device
        )
        say("looking at the workload")
        facts = lives.facts(setting)
        need = _need(request, facts)
        for note in facts["notes"]:
            say(note)
        tried = lives.tried(setting, facts, need, facts["modes"], say)
        evidence = Evidence(tried=tried, blocks=())
        run = _Run(request, setting, facts, need, evidence, clock=clock, say=say, show=show)
        if run.able("inference") or run.able("training"):
            evidence = run.measured()
    warnings = [*meter.warnings(), *bytecode_warnings(os.environ), *run.warnings]
    return conclude(
        evidence,
        need,
        started=started.isoformat(timespec="seconds"),
        facts=facts,
        source=request.workload,
        conditions={
            "threads": request.threads,
            "device": request.device,
            "budget": None if request.budget == float("inf") else request.budget,
            "num_blocks": request.num_blocks,
            "looks": list(LOOKS),
            "day": lives.day(need, facts["shapes"], facts["batch"]),
            "seconds": time.monotonic() - clock,
            "parameters": facts["parameters"],
            "shared_imports": run.num_modules,
            "seed": request.seed,
        },
        warnings=tuple(warnings),
    )


def _need(request: Request, facts: Mapping[str, Any]) -> Need:
    if request.goal is Goal.TRAINING and not facts["has_loss"]:
        raise RecommendError(
            f"--for training, but {facts['name']} has no loss. Give the workload loss and targets, or ask for another "
            "goal."
        )
    return make_need(
        goal=request.goal,
        shapes=facts["shapes"],
        batch=facts["batch"],
        sizes=request.sizes,
        restarts_per_day=request.restarts_per_day,
        calls_per_day=request.calls_per_day,
        no_python=request.no_python,
        no_compiler=request.no_compiler,
        cache=request.cache,
    )


class _Run:
    """The paired part: blocks until the ranking is decided or the time is spent."""

    def __init__(
        self,
        request: Request,
        setting: lives.Setting,
        facts: Mapping[str, Any],
        need: Need,
        evidence: Evidence,
        *,
        clock: Second,
        say: Callable[[str], None],
        show: Callable[[Progress], None],
    ) -> None:
        self._request = request
        self._setting = setting
        self._facts = facts
        self._need = need
        self._evidence = evidence
        self._clock = clock
        self._say = say
        self._show = show
        self._traffic = {case(need.kind, share.shape) for share in need.traffic}
        self._has_all_cases = True
        self._walls: list[Second] = []
        self._ended = clock
        self.num_modules = 0
        self.warnings: list[str] = []

    def able(self, kind: str) -> list[str]:
        """Modes that can be measured on a kind of call; a mode that the need excludes is measured all the same."""
        return [tried.mode for tried in self._evidence.tried if not tried.failed(kind)]

    def measured(self) -> Evidence:
        """The evidence with blocks; with first answers in rounds where these are the goal."""
        need, setting = self._need, self._setting
        if need.goal is Goal.STARTUP:
            modes = [mode for mode in self.able("inference") if mode not in barred(self._evidence, need)]
            modes = list(dict.fromkeys([EAGER, *modes]))
            deadline = self._clock + self._request.budget
            found = lives.starts(setting, self._facts, need, modes, deadline, self._say)
            self._evidence = replace(self._evidence, starts=found)
        cases = self._cases()
        crew = Crew(workspace=setting.workspace, threads=self._request.threads, environment=dict(setting.environment))
        processes = self._processes(cases)
        modules = _shared(self._facts, self._evidence.tried) if CAN_FORK else []
        self._say("measuring blocks; each imports what its arms share")
        self._ended = time.monotonic()
        while True:
            self.num_modules = len(modules)
            try:
                self._measure(crew, processes, cases, modules)
            except ThreadError as error:
                # What starts a thread when it is imported is left to each arm.
                package = error.module.partition(".")[0]
                modules = [name for name in modules if name.partition(".")[0] != package]
                continue
            except WorkerError as error:
                if len(self._evidence.blocks) < LOOKS[0]:
                    raise
                self.warnings.append(f"the measurement ended early: {error}")
            return self._evidence

    def _measure(self, crew: Crew, processes: Sequence[Process], cases: Sequence[Case], modules: Sequence[str]) -> None:
        """Blocks until nothing is left: all cases up to the first look if there is time, then those that are priced."""

        def choose() -> Sequence[Case]:
            if self._has_all_cases and not self._affords_all_cases():
                self._has_all_cases = False
                self._walls.clear()  # what comes is shorter
            if not self._goes_on():
                return ()
            return [each for each in cases if self._has_all_cases or each.name in self._traffic]

        for block in blocks(crew, lambda: processes, choose, modules=modules, seed=self._request.seed, ahead=_AHEAD):
            self._add(block)

    def _affords_all_cases(self) -> bool:
        """Whether the first look is reached in time with them: a first block may take as long as all of the lives."""
        spent, budget = time.monotonic() - self._clock, self._request.budget
        if not self._walls:
            return spent <= budget / 2
        left = LOOKS[0] - len(self._evidence.blocks)
        return left > 0 and spent + left * max(self._walls) <= budget

    def _cases(self) -> list[Case]:
        """The traffic first; then the workload's other shapes; then training, or the other way round."""
        need, facts = self._need, self._facts
        traffic = {share.shape for share in need.traffic}
        shapes = [share.shape for share in need.traffic] + [name for name in facts["shapes"] if name not in traffic]
        wanted = [("inference", shape) for shape in shapes]
        if facts["has_loss"]:
            # A step of the other goals is measured on full batches alone.
            steps = [share.shape for share in need.traffic] if need.kind == "training" else ["full"]
            training = [("training", shape) for shape in steps]
            wanted = training + wanted if need.kind == "training" else wanted + training
        found = []
        for kind, shape in wanted:
            modes = self.able(kind)
            arms = [*modes, *([NULL] if EAGER in modes else [])]
            name = case(kind, shape)
            if EAGER in modes:
                most = MOST if name in self._traffic else _MOST_ASIDE
                found.append(Case(name=name, ids=dict.fromkeys(arms, name), most=most))
        return found

    def _processes(self, cases: Sequence[Case]) -> list[Process]:
        setting, need = self._setting, self._need
        sizes = {name: dict(found) for name, found in self._facts["shapes"].items()}
        sizes |= {share.shape: dict(share.sizes) for share in need.traffic}
        arms = list(dict.fromkeys(arm for each in cases for arm in each.ids))
        return [
            Process(
                arm=arm,
                folder=Path.cwd(),
                python=Path(sys.executable),
                target=_ARM,
                arguments={
                    "arguments": {
                        "workload": setting.workload,
                        "dims": self._facts["dims"],
                        "threads": setting.threads,
                        "device": setting.device,
                        "mode": EAGER if arm == NULL else arm,
                        "cases": [
                            {
                                "name": each.name,
                                "kind": each.name.partition("[")[0],
                                "sizes": sizes[each.name.partition("[")[2].removesuffix("]")],
                                "is_traffic": each.name in self._traffic,
                            }
                            for each in cases
                            if arm in each.ids
                        ],
                    }
                },
                environment={
                    "TORCHINDUCTOR_CACHE_DIR": str(setting.cache(EAGER if arm == NULL else arm)),
                    "TRITON_CACHE_DIR": str(setting.cache(EAGER if arm == NULL else arm) / "triton"),
                },
                name=f"mode {EAGER if arm == NULL else arm}",
            )
            for arm in arms
        ]

    def _goes_on(self) -> bool:
        number = len(self._evidence.blocks)
        longest = max(self._walls[-3:], default=0.0)
        spent = time.monotonic() - self._clock
        wanted = self._request.num_blocks
        if wanted is not None:
            self._tell(number, wanted, spent)
            return number < wanted
        if number and spent + longest > self._request.budget:
            return False
        if number in LOOKS:
            decision = decide(self._evidence, self._need)
            if number == LOOKS[-1] or decision is None or decision.is_decided:
                return False
        self._tell(number, next(look for look in LOOKS if look > number), spent)
        return True

    def _tell(self, number: int, look: int, spent: Second) -> None:
        pace = sum(self._walls) / len(self._walls) if self._walls else 0.0
        expected = min(self._request.budget, spent + pace * (look - number)) if pace else self._request.budget
        words = f"block {number + 1}, next look at the ranking after {look}"
        self._show(Progress(spent=spent, expected=expected, words=words))

    def _add(self, block: Block) -> None:
        now = time.monotonic()
        self._walls.append(now - self._ended)
        self._ended = now
        for name, reasons in block.failures.items():
            told = "; ".join(f"{arm}: {reason}" for arm, reason in reasons.items())
            self.warnings.append(f"{name} failed in block {block.number} ({told})")
        self._evidence = replace(self._evidence, blocks=(*self._evidence.blocks, block))


def _shared(facts: Mapping[str, Any], tried: Sequence[Tried]) -> list[str]:
    """Modules that the arms would import each for itself."""
    compiles = any(each.mode == "compile" and each.cold for each in tried)
    # torch's optimizers import its compiler too, whatever the mode.
    compiler = ["torch._dynamo", "torch._inductor.compile_fx"] if compiles else ["torch._dynamo"] * facts["has_loss"]
    return [*facts["modules"], *compiler]
