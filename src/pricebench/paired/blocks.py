"""Blocks, one after another: the processes of the next one are prepared while one is measured."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

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
    prepare_ahead: bool = False,
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
        prepare_ahead: The arms of the next block are forked too while one is measured, and do what they do before they
            say what they collected, on the cores that do not measure; what is left of that when the measurement is
            over, on all cores. Without spare cores this does nothing.

    Raises:
        ThreadError: The arms cannot be forked after these imports.
        WorkerError: A process died or hung.
    """

    def start(number: int) -> Starter:
        hashes = random.Random(f"{seed} {number}").randrange(1, 2**32)  # noqa: S311 - no secret
        at_once = prepare_ahead and bool(crew.spare)
        return Starter(crew, processes(), modules=modules, seed=hashes, at_once=at_once)

    number = first
    upcoming: Starter | None = start(number)

    def begin_next() -> None:
        nonlocal upcoming
        upcoming = start(number + 1)

    try:
        while cases := choose():
            assert upcoming is not None
            current, upcoming = upcoming, None
            with current:
                meter, before = LoadMeter(), current.cpu_seconds()
                workers = current.fork()
                if prepare_ahead:
                    current.spread()  # nothing is measured until they are prepared
                else:
                    upcoming = start(number + 1)
                for arm in [arm for arm in workers if not any(case.on(arm) for case in cases)]:
                    workers.pop(arm).close()
                block = measure_block(
                    workers,
                    cases,
                    number=number,
                    seed=seed + number,
                    cores=crew.measuring,
                    experiment=experiment,
                    collected=begin_next if prepare_ahead else lambda: None,
                )
            assert upcoming is not None
            shares = meter.shares(own=upcoming.cpu_seconds() - before)
            yield replace(block, others=None if shares is None else sum(shares))
            number += 1
    finally:
        if upcoming is not None:
            upcoming.end()
