"""Blocks, one after another: the processes of the next ones are prepared while one is measured."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from pricebench.load import LoadMeter
from pricebench.paired.processes import Crew, Starter
from pricebench.paired.records import Block
from pricebench.paired.slices import NOTHING, Case, Experiment, measure_block
from pricebench.paired.worker import Process


def blocks(
    crew: Crew,
    processes: Callable[[], Sequence[Process]],
    choose: Callable[[], Sequence[Case]],
    *,
    modules: Sequence[str],
    seed: int,
    experiment: Experiment = NOTHING,
    first: int = 0,
    ahead: int = 0,
) -> Iterator[Block]:
    """Measure while something is left to measure.

    Args:
        crew: What the processes share.
        processes: Asked for the arms of a block when it is prepared, while the one before it is measured.
        choose: Asked for the cases of a block when the one before it was taken in; none ends it. What a case names an
            arm for that was not started is left out.
        modules: Imported once a block, before the arms are forked; none, and each arm imports for itself.
        seed: Of orders and hashes.
        experiment: What is done to the arms.
        first: Number of the first block.
        ahead: Of so many next blocks the arms are forked too, and do what they do before they say what they collected,
            on all cores; while a block is measured, on those that do not measure. With 0, only the imports of the next
            block are begun; without such cores nothing is, for it would run beside the slices.

    Raises:
        ThreadError: The arms cannot be forked after these imports.
        WorkerError: A process died or hung.
    """
    at_once = bool(ahead and crew.spare)
    depth = ahead if at_once else 1
    upcoming: deque[Starter] = deque()
    unprepared = count(first)
    number = first

    def start(number: int) -> Starter:
        hashes = random.Random(f"{seed} {number}").randrange(1, 2**32)  # noqa: S311 - no secret
        return Starter(crew, processes(), modules=modules, seed=hashes, at_once=at_once)

    def fill() -> None:
        while len(upcoming) < depth:
            upcoming.append(start(next(unprepared)))

    def begin_next() -> None:
        fill()
        for starter in upcoming:
            starter.use(crew.spare)

    try:
        fill()
        while cases := choose():
            fill()
            meter, before = LoadMeter(), sum(starter.cpu_seconds() for starter in upcoming)
            with upcoming.popleft() as current:
                workers = current.fork()
                if crew.spare and not at_once:
                    begin_next()
                for arm in [arm for arm in workers if not any(case.on(arm) for case in cases)]:
                    workers.pop(arm).close()
                block = measure_block(
                    workers,
                    cases,
                    number=number,
                    seed=seed + number,
                    cores=crew.measuring,
                    experiment=experiment,
                    collected=begin_next if at_once else lambda: None,
                )
            shares = meter.shares(own=sum(starter.cpu_seconds() for starter in upcoming) - before)
            if at_once:
                for starter in upcoming:
                    starter.use(crew.cores)
            number += 1
            yield replace(block, others=None if shares is None else sum(shares))
    finally:
        for starter in upcoming:
            starter.end()
