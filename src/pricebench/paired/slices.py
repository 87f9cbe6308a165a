"""Leading the arms of one block in lockstep: the same case on all of them, short slices in balanced random order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pricebench.load import busy_seconds
from pricebench.paired.records import Block, Company
from pricebench.paired.worker import EndedError, Worker
from pricebench.units import Second

_ROUNDS = 8  # slices of each arm; even, for every order is followed by its reverse
_SLICE: Second = 0.02
MOST: Second = 2.0  # of an arm's slices of one case


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured on several arms.

    Attributes:
        name: In a block's records.
        ids: What an arm's process calls it, by arm. An arm that is not named does not take part.
        estimate: Seconds per call, for a case that allows so few calls that it cannot be calibrated.
        most: Seconds of an arm's slices; of longer calls there are fewer rounds.
    """

    name: str
    ids: Mapping[str, str]
    estimate: Second = 0.0
    most: Second = MOST

    def on(self, arm: str) -> str | None:
        """Its id on an arm; None where the arm does not take part."""
        return self.ids.get(arm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is done to the arms on purpose.

    Attributes:
        planted: Slowdowns by arm, as shares of a call: a control's, and another arm's to see whether it is found.
        before_slice: Called before each slice, with its arm.
    """

    planted: Mapping[str, float] = field(default_factory=dict)
    before_slice: Callable[[str], None] = lambda _: None


NOTHING = Experiment()


def planned(
    estimate: Second, *, rounds: int | None = None, iterations: int = 1, most: Second = MOST
) -> tuple[int, int]:
    """How many slices an arm gets, and of how many calls each.

    Args:
        estimate: Seconds per call.
        rounds: That the case allows; None where it allows any number.
        iterations: Calls that are one of these rounds.
        most: Seconds of an arm's slices.
    """
    if rounds is not None:
        num_rounds = min(_ROUNDS, rounds)
        fitting = int(most / max(estimate * iterations * num_rounds, 1e-9))
        return num_rounds, max(1, min(rounds // num_rounds, fitting))
    num_calls = max(1, round(_SLICE / max(estimate, 1e-9)))
    return min(_ROUNDS, max(2, int(most / max(estimate * num_calls, 1e-9)) // 2 * 2)), num_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slices:
    calls: int
    seconds: Mapping[str, tuple[Second, ...]]
    company: Mapping[str, Company]


def measure_block(
    workers: Mapping[str, Worker],
    cases: Sequence[Case],
    *,
    number: int,
    seed: int,
    cores: Sequence[int],
    experiment: Experiment = NOTHING,
    collected: Callable[[], None] = lambda: None,
) -> Block:
    """Lead the workers through the cases.

    An arm that does not take part in a case goes on to its next one at once, and waits there.

    Args:
        workers: By arm, which have not collected yet.
        cases: In the order to run them.
        number: Of the block.
        seed: Of the order of slices.
        cores: Where slices run.
        experiment: What is done to the arms.
        collected: Called when all workers have prepared themselves, before the first case.

    Raises:
        WorkerError: A process died or hung.
    """
    started = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    _give_out(workers, cases, collected)
    measured: dict[str, _Slices] = {}
    failures: dict[str, dict[str, str]] = {}
    for case in cases:
        present = {arm: worker for arm, worker in workers.items() if arm in case.ids}
        failed: dict[str, str] = {}
        limits: list[_Limit] = []
        reached = {}
        for arm, worker in present.items():
            message = worker.hear()
            if "reached" in message:
                reached[arm] = worker
                if message["rounds"]:
                    limits.append(_Limit(rounds=message["rounds"], iterations=message["iterations"]))
            else:
                failed[arm] = _ended(worker, message)
        if reached and not failed:
            limit = min(limits, key=lambda limit: limit.rounds, default=None)
            try:
                measured[case.name] = _measure(reached, chance, cores, limit, case, experiment)
            except EndedError as ended:
                failed[ended.arm] = str(ended)
                del reached[ended.arm]
        for worker in reached.values():
            worker.say(do="finish")
        for arm, worker in reached.items():
            message = worker.hear()
            if message.get("outcome") != "passed":
                failed[arm] = _ended(worker, message)
        if failed:
            failures[case.name] = failed
    return Block(
        number=number,
        seconds={name: slices.seconds for name, slices in measured.items()},
        calls={name: slices.calls for name, slices in measured.items()},
        company={name: slices.company for name, slices in measured.items()},
        failures=failures,
        wall=time.monotonic() - started,
    )


def _give_out(workers: Mapping[str, Worker], cases: Sequence[Case], collected: Callable[[], None]) -> None:
    """Tell each worker its cases, when all have collected theirs."""
    for worker in workers.values():
        worker.hear()
    collected()
    for arm, worker in workers.items():
        worker.say(run=[case.ids[arm] for case in cases if arm in case.ids])


def _ended(worker: Worker, message: Mapping[str, Any]) -> str:
    """How a case ended that was not measured to its end."""
    if "ended" not in message:
        raise worker.left_early()
    return f"{message['outcome']}: {message['reason']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """What a case allows that says so itself."""

    rounds: int
    iterations: int


def _measure(
    workers: Mapping[str, Worker],
    chance: random.Random,
    cores: Sequence[int],
    limit: _Limit | None,
    case: Case,
    experiment: Experiment,
) -> _Slices:
    """The slices of every arm of one case."""
    arms = list(workers)
    estimates = {}
    for arm in chance.sample(arms, len(arms)):
        estimates[arm] = float(workers[arm].ask(do="calibrate", cores=list(cores))["seconds"])
    # The slowest arm's: its slices are not longer than planned.
    estimate = max(estimates.values())
    if limit is not None:
        # These calls cannot be calibrated.
        num_rounds, num_calls = planned(case.estimate, rounds=limit.rounds, iterations=limit.iterations, most=case.most)
    else:
        num_rounds, num_calls = planned(estimate, most=case.most)
    watched = {arm: _Watched(workers[arm], num_calls) for arm in arms}
    spins = dict.fromkeys(arms, 0.0)
    for arm in experiment.planted.keys() & spins.keys():
        # What a call takes has to be known well here. A case with limited rounds has none to spare for that.
        spins[arm] = experiment.planted[arm] * (case.estimate if limit is not None else watched[arm].rehearse())
    order: list[str] = []
    for number in range(num_rounds):
        # Every random order is followed by its reverse: what drifts evenly cancels.
        order = order[::-1] if number % 2 else chance.sample(arms, len(arms))
        for arm in order:
            experiment.before_slice(arm)
            watched[arm].slice(spins[arm])
    return _Slices(
        calls=num_calls,
        seconds={arm: tuple(watch.seconds) for arm, watch in watched.items()},
        company={arm: company for arm, watch in watched.items() if (company := watch.company())},
    )


class _Watched:
    """One arm's slices of one case, and who else ran meanwhile."""

    def __init__(self, worker: Worker, num_calls: int) -> None:
        self._worker = worker
        self._num_calls = num_calls
        self.seconds: list[Second] = []
        self._waited = self._wall = self._busy = self._used = 0.0
        self._is_told = True

    def rehearse(self) -> Second:
        """Seconds per call of a slice that is not counted."""
        answer = self._worker.ask(do="slice", calls=self._num_calls, spin=0.0)
        return float(answer["seconds"]) / self._num_calls

    def slice(self, spin: Second) -> None:
        """Measure one."""
        started, busy = time.monotonic(), busy_seconds()
        answer = self._worker.ask(do="slice", calls=self._num_calls, spin=spin)
        busy_after = busy_seconds()
        self._wall += time.monotonic() - started
        if busy is None or busy_after is None:
            self._is_told = False
        else:
            self._busy += busy_after - busy
        self._waited += float(answer["waited"])
        self._used += float(answer["used"])
        self.seconds.append(float(answer["seconds"]) / self._num_calls)

    def company(self) -> Company | None:
        """None where the system does not tell. Ticks of 10 ms: good over many slices, not in one."""
        if not self._is_told or not self._wall:
            return None
        others = (self._busy - self._used) / self._wall
        return Company(waited=self._waited / self._wall, others=max(0.0, others))
