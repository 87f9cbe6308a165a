"""A bulk job: shards that are not priced yet go to an engine, and the manifest says what is done.

Every row is priced once: a shard is done when its whole file is in its place, and a job that was killed does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace

from pricebench.errors import DataError
from pricebench.scaling.engines import Price
from pricebench.scaling.manifest import FILE, Finished, Manifest, Options
from pricebench.scaling.pricing import BAD_ROWS, bad_rows_file
from pricebench.scaling.shards import PRICES, Shard, cut, find
from pricebench.scaling.stores import joined, shown, store_of
from pricebench.serving.bulk import BAD_ROWS_HEADER, bad_rows_csv

# Between two manifests while shards are finished: what is written since is priced again after a kill.
_SAVE_EVERY = 1.0  # seconds
# How a file begins that a killed process was writing: see `files.atomic_write`.
_HALVES = tuple(f".{name}" for name in (PRICES, BAD_ROWS, FILE))


def plan(patterns: Sequence[str], options: Options) -> Manifest:
    """A job at its beginning.

    Raises:
        DataError: There are no such files, or they cannot be read.
    """
    files = find(patterns)
    return Manifest(inputs=tuple(files), options=options, shards=tuple(cut(files, options.shard_rows)), finished={})


def begin(job: Manifest, out: str, *, is_resumed: bool) -> Manifest:
    """What is there of a job: nothing yet, or what was begun; nothing is written.

    Raises:
        DataError: Another job, or something else, is there; or the folder cannot be read.
    """
    name, there = shown(out), store_of(out).sizes(out)
    prices = sorted(file for file in there if file.startswith(PRICES))
    if FILE not in there:
        # A manifest is written before any prices: those without one are somebody else's.
        if prices:
            raise DataError(f"{name}: expected a folder without prices, found {prices[0]}. Price into a new folder.")
        return job
    if not is_resumed:
        if prices:
            raise DataError(f"{name}: expected a new folder, found the prices of a job. Go on with it: --resume.")
        return job
    begun = Manifest.load(out)
    difference = begun.difference(job)
    if difference:
        raise DataError(
            f"{name}: expected the job that was begun there, found other {difference}. Price into a new folder."
        )
    whole = {index: done for index, done in begun.finished.items() if there.get(done.file) == done.size}
    return replace(begun, finished=whole, is_complete=begun.is_complete and len(whole) == len(begun.shards))


def run(
    job: Manifest,
    out: str,
    engine: AbstractContextManager[Price],
    *,
    bad_rows: str | None = None,
    show: Callable[[Finished], object] = lambda _: None,
) -> Manifest:
    """Price what is left of a job, and say in the manifest how far it is, also where it is stopped.

    The manifest is written before any prices: a folder that cannot be written is found out before a house is priced.

    Args:
        job: As `begin` gave it.
        out: Folder or URL of the prices.
        engine: Prices shards; what it needs is there before anything is written.
        bad_rows: File or URL for the lines about bad rows, which are put together at the end.
        show: Is told about each shard that is finished.
    """
    finished = dict(job.finished)
    job = replace(job, finished=finished)
    left = [shard for shard in job.shards if shard.index not in finished]
    if left:
        _price(job, left, out, finished, engine, show)
    assert len(finished) == len(job.shards), "an engine that ends has priced all"
    with_bad = [shard for shard in job.shards if finished[shard.index].bad]
    if bad_rows is not None:
        _put_together(with_bad, out, bad_rows)
    job = replace(job, is_complete=True)
    job.save(out)
    for shard in with_bad:
        store_of(out).remove(joined(out, bad_rows_file(shard)))
    return job


def _price(
    job: Manifest,
    left: Sequence[Shard],
    out: str,
    finished: dict[int, Finished],
    engine: AbstractContextManager[Price],
    show: Callable[[Finished], object],
) -> None:
    """Fill `finished`, which the job's manifest is saved with."""
    num_saved = len(finished)
    try:
        with engine as price:
            job.save(out)
            saved_at, num_saved = time.monotonic(), len(finished)
            with closing(price(left)) as priced:
                for done in priced:
                    finished[done.index] = done
                    show(done)
                    if time.monotonic() - saved_at > _SAVE_EVERY:
                        job.save(out)
                        saved_at, num_saved = time.monotonic(), len(finished)
    finally:
        # Nobody writes any more: the engine has ended.
        _remove_halves(out)
        if len(finished) > num_saved:
            # Where it cannot be saved, what stopped the job is what is told.
            with suppress(OSError, DataError):
                job.save(out)


def _remove_halves(out: str) -> None:
    """Of actors that were ended, now or in a job that was killed."""
    store = store_of(out)
    for file in store.sizes(out):
        if file.startswith(_HALVES):
            store.remove(joined(out, file))


def _put_together(shards: Iterable[Shard], out: str, bad_rows: str) -> None:
    store = store_of(out)
    with store_of(bad_rows).written(bad_rows) as file:
        file.write(bad_rows_csv([BAD_ROWS_HEADER]))
        for shard in shards:
            with store.open(joined(out, bad_rows_file(shard))) as lines:
                file.write(lines.read())
