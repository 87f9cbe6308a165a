"""A whole folder of stored runs, opened: its runs, its files that are none, and the series of every benchmark.

Tables are Arrow's, so that opening imports no pandas; `runs`, `benchmarks` and `series` give them as data frames.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pricebench.errors import unknown_name
from pricebench.history.cache import IndexCache
from pricebench.history.changepoints import MIN_POINTS
from pricebench.history.changes import Change, changes_of
from pricebench.history.comparison import Comparison, compare, usual_change
from pricebench.history.index import Index, build_index, rows_at, to_numpy
from pricebench.history.measurements import Measurements
from pricebench.history.places import SUFFIXES, Place, place_at
from pricebench.history.reader import parse_run, unpacked
from pricebench.history.records import HistoryError, Run
from pricebench.history.series import SeriesKey, rows_by_series

if TYPE_CHECKING:
    import pandas as pd

_SUFFIX = "|".join(re.escape(end) + "$" for end in SUFFIXES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = re.compile(r"last(?:~(?P<back>\d+))?")
# What a point of a series tells about its run.
_OF_RUN = ("run", "stored_at", "commit", "branch", "fingerprint")


class Unreadable(NamedTuple):
    """A file that is no run.

    Attributes:
        path: Below the place.
        reason: What was expected and what was found, in one line.
    """

    path: str
    reason: str


def open_history(where: str | Path, *, cache_home: Path | None = None, use_cache: bool = True) -> History:
    """Open the runs below a folder or an fsspec URL, however nested, plain or gzipped.

    A file that cannot be read is listed in `unreadable` and stops nothing.

    Args:
        where: Folder, `file://` or any URL that fsspec opens (extra `remote`).
        cache_home: Folder of caches instead of the user's.
        use_cache: Without it every file is read, and nothing is written.

    Raises:
        HistoryError: There is no such folder.
    """
    place = place_at(where)
    return History(place, build_index(place, IndexCache.of(place.key, cache_home) if use_cache else None))


class History:
    """What the runs of one place say; made by `open_history`.

    Attributes:
        name: The folder or URL, for people.
        unreadable: Files that are no runs, sorted by path.
        num_read: Files that had to be read because the cache did not know them.
        run_table: A row per run, oldest first: `run` (its id), `path`, `stored_at`, `datetime`, `fingerprint`, `facts`
            (JSON), `commit`, `branch`, `commit_time`, `is_dirty`, `version`, `data`, `warnings`, `num_benchmarks`.
    """

    def __init__(self, place: Place, index: Index) -> None:
        self._place = place
        self._usable: dict[str | None, npt.NDArray[np.bool_]] = {}
        self.name = place.name
        self.num_read = index.num_read
        files = rows_at(index.rows.drop_columns(["benchmarks", "cases"]), index.valid)
        self._stamps = files.select(["path", "stamp"])
        is_run = np.array([reason is None for reason in files["reason"].to_pylist()], dtype=bool)
        broken = rows_at(files, np.flatnonzero(~is_run))
        self.unreadable = tuple(map(Unreadable, broken["path"].to_pylist(), broken["reason"].to_pylist()))
        runs = rows_at(files, np.flatnonzero(is_run)).drop_columns(["stamp", "reason"])
        runs = runs.add_column(0, "run", pc.replace_substring_regex(runs["path"], _SUFFIX, ""))
        # A run without a readable time comes first: it never counts as the latest.
        order = np.lexsort((np.array(runs["path"].to_pylist(), dtype=object), _age_keys(runs["stored_at"])))
        self._measured = rows_at(index.rows.select(["cases", "benchmarks"]), index.valid[is_run][order])
        lengths = pc.list_value_length(self._measured["benchmarks"])
        self.run_table: pa.Table = rows_at(runs, order).append_column("num_benchmarks", lengths)

    @cached_property
    def run_rows(self) -> list[dict[str, Any]]:
        """`run_table` as records; Arrow's own way to a time imports pandas."""
        times = self.run_table["stored_at"].cast(pa.int64()).to_pylist()
        moments = [None if at is None else _EPOCH + timedelta(microseconds=at) for at in times]
        others = self.run_table.drop_columns(["stored_at"]).to_pylist()
        return [{**row, "stored_at": moment} for row, moment in zip(others, moments, strict=True)]

    @cached_property
    def state(self) -> str:
        """A digest over all files and their stamps: another one when a run is added, replaced or taken away."""
        listed = "\n".join(chain(*(column.to_pylist() for column in self._stamps.columns)))
        return hashlib.sha256(listed.encode()).hexdigest()

    @cached_property
    def measurements(self) -> Measurements:
        """The numbers of all runs, by benchmark and then by age, without raw samples."""
        return Measurements.of(self._measured)

    @cached_property
    def measurement_table(self) -> pa.Table:
        """`measurements` as one table, base units.

        `run_index` (row of `run_table`), `benchmark` (full name), `function`, `params`, `group`, `mode`, `shape`,
        `device`, `timer`, `workload`, `rows`, `rounds`, `iterations`, `median`, `iqr`, `min`, `max`, `mean`,
        `stddev`, `q1`, `q3`.
        """
        return self.measurements.table()

    @cached_property
    def series_rows(self) -> dict[SeriesKey, npt.NDArray[np.int64]]:
        """Rows of `measurements` by series, oldest run first."""
        return rows_by_series(self.measurements, self.run_table["fingerprint"].to_pylist())

    @property
    def runs(self) -> pd.DataFrame:
        """`run_table` as a data frame."""
        frame: pd.DataFrame = self.run_table.to_pandas()
        return frame

    @cached_property
    def benchmarks(self) -> pd.DataFrame:
        """A row per series: `fingerprint`, `benchmark`, `workload`, and what its latest run says: `function`, `params`,
        `group`, `mode`, `shape`, `rows`, `median`; `num_runs` is its length.
        """  # noqa: D205 - one sentence
        series = self.series_rows
        last = self.measurement_table.select(["function", "params", "group", "mode", "shape", "rows", "median"])
        last = rows_at(last, np.array([rows[-1] for rows in series.values()], dtype=np.int64))
        frame: pd.DataFrame = last.to_pandas()
        frame.insert(0, "workload", [key.workload for key in series])
        frame.insert(0, "benchmark", [key.benchmark for key in series])
        frame.insert(0, "fingerprint", [key.fingerprint for key in series])
        frame["num_runs"] = [len(rows) for rows in series.values()]
        return frame

    @cached_property
    def runs_by_workload(self) -> dict[str | None, npt.NDArray[np.int64]]:
        """Rows of `run_table` that measured a workload; the workload that was measured last comes first.

        Of those that the same run measured, the one of most benchmarks in it is first; None is "not stated".
        """
        measured = self.measurements
        workloads = list(dict.fromkeys(case["workload"] for case in measured.cases))
        of_case = np.array([workloads.index(case["workload"]) for case in measured.cases], dtype=np.int64)
        of_row = of_case[measured.case]
        runs: dict[str | None, npt.NDArray[np.int64]] = {}
        last = {}
        for position, workload in enumerate(workloads):
            rows, nums = np.unique(measured.run_index[of_row == position], return_counts=True)
            runs[workload], last[workload] = rows, (int(rows[-1]), int(nums[-1]))
        return {workload: runs[workload] for workload in sorted(runs, key=last.__getitem__, reverse=True)}

    def series(self, benchmark: str, fingerprint: str | None, workload: str | None = None) -> pd.DataFrame:
        """One series, oldest run first: `run`, `stored_at`, `commit`, `branch`, `fingerprint`, and what was measured.

        Args:
            benchmark: Full name.
            fingerprint: None where files state nothing about their machine.
            workload: None where files do not state it.

        Raises:
            HistoryError: There is no such series.
        """
        rows = self.series_rows.get(SeriesKey(fingerprint, benchmark, workload))
        if rows is None:
            raise HistoryError(
                f"{self.name}: "
                + unknown_name("benchmark", benchmark, sorted({key.benchmark for key in self.series_rows}))
            )
        points = rows_at(self.measurement_table, rows)
        told = self.run_table.select(list(_OF_RUN)).take(points["run_index"])
        for position, name in enumerate(_OF_RUN):
            points = points.add_column(position, name, told[name])
        frame: pd.DataFrame = points.to_pandas()
        return frame

    def numbers_at(self, rows: npt.NDArray[np.int64], names: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """Some columns of some rows of `measurements`, NaN where unknown; without the cost of a frame."""
        picked = rows_at(self.measurements.numbers.select(list(names)), rows)
        return {
            name: to_numpy(pc.fill_null(picked[name].cast(pa.float64()), float("nan"))) for name in picked.column_names
        }

    def resolve(self, text: str) -> str:
        """The id of the run that a person names: an id, the start of a file's name or of a commit, `last`, `last~1`.

        Raises:
            HistoryError: None or several are meant.
        """
        ids: list[str] = self.run_table["run"].to_pylist()
        if text in ids:
            return text
        last = _LAST.fullmatch(text)
        if last:
            back = int(last["back"] or 0)
            if back < len(ids):
                return ids[-1 - back]
            raise HistoryError(f"{self.name}: expected at least {back + 1} runs for '{text}', found {len(ids)}.")
        commits = self.run_table["commit"].to_pylist()
        meant = [
            run
            for run, commit in zip(ids, commits, strict=True)
            if text and (run.rpartition("/")[2].startswith(text) or commit.startswith(text))
        ]
        if len(meant) == 1:
            return meant[0]
        if meant:
            shown = ", ".join(meant[-5:])
            raise HistoryError(f"{self.name}: expected one run, '{text}' names {len(meant)}; the latest: {shown}.")
        raise HistoryError(f"{self.name}: {unknown_name('run', text, ids[-5:] or ['none'])}")

    def changes(self, branch: str | None = None) -> tuple[Change, ...]:
        """The steps of all series, newest first; advisory.

        Args:
            branch: Only runs of this branch; None takes all.
        """
        found = [change for key in self.series_rows for change in self._changes(key, branch)]
        return tuple(sorted(found, key=lambda change: (change.stored_at, change.benchmark), reverse=True))

    def series_changes(self, key: SeriesKey, branch: str | None = None) -> tuple[Change, ...]:
        """The steps of one series, oldest first; empty for one that is not there."""
        return self._changes(key, branch) if key in self.series_rows else ()

    def _changes(self, key: SeriesKey, branch: str | None) -> tuple[Change, ...]:
        rows = self.series_rows[key]
        rows = rows[self._usable_runs(branch)[self.measurements.run_index[rows]]]
        if len(rows) < 2 * MIN_POINTS:  # so that no record of a run is made in vain
            return ()
        runs = [self.run_rows[run] for run in self.measurements.run_index[rows]]
        return changes_of(key, runs, self.measurements.median[rows])

    def _usable_runs(self, branch: str | None) -> npt.NDArray[np.bool_]:
        """Which rows of `run_table` have a readable time, and are of a branch if one is given."""
        if branch not in self._usable:
            self._usable[branch] = np.array(
                [run["stored_at"] is not None and branch in (None, run["branch"]) for run in self.run_rows], dtype=bool
            )
        return self._usable[branch]

    def compare(self, before: str, after: str) -> Comparison:
        """Two runs beside each other, with what their series usually do from one run to the next.

        Raises:
            HistoryError: No such run, or two fingerprints.
        """
        first, second = self.run(before), self.run(after)
        workloads = {benchmark.fullname: benchmark.workload for benchmark in second.benchmarks}
        usual = {
            key.benchmark: change
            for key, rows in self.series_rows.items()
            if key.fingerprint == second.machine
            and key.workload == workloads.get(key.benchmark)
            and (change := usual_change(self.measurements.median[rows])) is not None
        }
        return compare(first, second, usual)

    def run(self, run_id: str) -> Run:
        """A run with its raw samples, read from its file.

        Args:
            run_id: As in `run_table`, or anything that `resolve` takes.

        Raises:
            HistoryError: There is no such run, or its file is gone or was changed into none.
        """
        path = self.path(run_id)
        try:
            return parse_run(self._content(path))
        except HistoryError as error:
            raise HistoryError(f"{self.name}/{path}: {error}") from error

    def raw(self, run_id: str) -> bytes:
        """A run's JSON as it was written, unpacked.

        Raises:
            HistoryError: There is no such run, or its file is gone.
        """
        return unpacked(self._content(self.path(run_id)))

    def _content(self, path: str) -> bytes:
        ((_, content),) = self._place.read([path])
        if isinstance(content, str):
            raise HistoryError(content)
        return content

    def path(self, run_id: str) -> str:
        """A run's file below the place."""
        row = self.run_table["run"].index(self.resolve(run_id)).as_py()
        return str(self.run_table["path"][row])


def _age_keys(stored_at: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.array([-(2**63) if at is None else at for at in stored_at.cast(pa.int64()).to_pylist()], dtype=np.int64)
