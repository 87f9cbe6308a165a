"""Leading the arms of one block in lockstep: the same benchmark on all sides, short slices in balanced random order."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pricebench.gate.processes import Worker
from pricebench.gate.records import Arm, Block
from pricebench.units import Second

_ROUNDS = 8  # slices of each arm; even, for every order is followed by its reverse
_SLICE: Second = 0.02
_MOST: Second = 2.0  # an arm's slices of one benchmark; longer calls have fewer rounds
CONTROL_SHARE = 0.15  # of a call: the slowdown that is planted in the control arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A benchmark on both sides.

    Attributes:
        base: Its id in base's suite.
        head: Its id in head's: another one only where a reviewed line says that it was renamed.
    """

    base: str
    head: str

    def on(self, arm: Arm) -> str:
        """Its id on an arm."""
        return self.head if arm is Arm.HEAD else self.base


def measure_block(
    workers: Mapping[Arm, Worker],
    pairs: Sequence[Pair],
    *,
    number: int,
    seed: int,
    cores: Sequence[int],
    estimates: Mapping[str, Second],
    control: Pair | None = None,
) -> Block:
    """Lead the workers through the benchmarks.

    Args:
        workers: An arm each, which have not collected yet.
        pairs: In the order to run them.
        number: Of the block.
        seed: Of the order of slices.
        cores: Where slices run.
        estimates: Seconds per call by id on base, for benchmarks that cannot be calibrated.
        control: The benchmark that the control arm runs, slowed down.

    Raises:
        WorkerError: A process died or hung.
    """
    started = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    for arm, worker in workers.items():
        worker.hear()
        run = [pair for pair in pairs if arm is not Arm.CONTROL or pair == control]
        worker.say(run=[pair.on(arm) for pair in run])
    seconds: dict[str, dict[Arm, tuple[Second, ...]]] = {}
    calls: dict[str, int] = {}
    failures: dict[str, dict[Arm, str]] = {}
    for pair in pairs:
        present = {arm: worker for arm, worker in workers.items() if arm is not Arm.CONTROL or pair == control}
        failed: dict[Arm, str] = {}
        rounds: list[int] = []
        reached = {}
        for arm, worker in present.items():
            message = worker.hear()
            if "reached" in message:
                reached[arm] = worker
                rounds += [message["rounds"]] if message["rounds"] else []
            else:
                failed[arm] = f"{message['outcome']}: {message['reason']}"
        if not failed:
            calls[pair.head], seconds[pair.head] = _slices(
                reached, chance, cores, min(rounds, default=None), estimates[pair.base]
            )
        for worker in reached.values():
            worker.say(do="finish")
        for arm, worker in reached.items():
            message = worker.hear()
            if message["outcome"] != "passed":
                failed[arm] = f"{message['outcome']}: {message['reason']}"
        if failed:
            failures[pair.head] = failed
    return Block(number=number, seconds=seconds, calls=calls, failures=failures, wall=time.monotonic() - started)


def _slices(
    workers: Mapping[Arm, Worker], chance: random.Random, cores: Sequence[int], most_rounds: int | None, rehearsed: Second
) -> tuple[int, dict[Arm, tuple[Second, ...]]]:
    """Calls per slice, and the slices of every arm in seconds per call."""
    arms = list(workers)
    estimates = {}
    for arm in chance.sample(arms, len(arms)):
        workers[arm].say(do="calibrate", cores=list(cores))
        estimates[arm] = float(workers[arm].hear()["seconds"])
    # The slowest arm's: its slices are not longer than planned.
    estimate = max(estimates.values())
    if most_rounds is not None:
        num_rounds = min(_ROUNDS, most_rounds)
        num_calls = most_rounds // num_rounds
    else:
        num_calls = max(1, round(_SLICE / max(estimate, 1e-9)))
        num_rounds = min(_ROUNDS, max(2, int(_MOST / max(estimate * num_calls, 1e-9)) // 2 * 2))
    spin = 0.0
    if Arm.CONTROL in workers:
        # What a call takes has to be known well here. A benchmark with limited rounds has none to spare for that.
        seconds = rehearsed if most_rounds is not None else _slice(workers[Arm.CONTROL], num_calls)
        spin = CONTROL_SHARE * seconds
    found: dict[Arm, list[Second]] = {arm: [] for arm in arms}
    order: list[Arm] = []
    for number in range(num_rounds):
        # Every random order is followed by its reverse: what drifts evenly cancels.
        order = order[::-1] if number % 2 else chance.sample(arms, len(arms))
        for arm in order:
            found[arm].append(_slice(workers[arm], num_calls, spin if arm is Arm.CONTROL else 0.0))
    return num_calls, {arm: tuple(slices) for arm, slices in found.items()}


def _slice(worker: Worker, num_calls: int, spin: Second = 0.0) -> Second:
    worker.say(do="slice", calls=num_calls, spin=spin)
    return float(worker.hear()["seconds"]) / num_calls
