"""pytest plugin: stores benchmark runs per fingerprint, compares within one, and shows modes beside each other.

Switched on by this project's own pyproject (`-p pricebench.pytest_plugin`). Nothing is stored until a conftest calls
`keep_history`, and torch is not imported before that.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from _pytest.config import ConftestImportFailure  # pytest has no public name for it
from rich.console import Console
from rich.table import Table

from pricebench.errors import unknown_name
from pricebench.extras import MissingPackageError, explained, require
from pricebench.files import read_file
from pricebench.history import Benchmark, Fingerprint, Group, cells, side_by_side, stored_runs
from pricebench.limits.benchmarks import limit_of, told
from pricebench.limits.records import Limits, LimitsError, newest_for
from pricebench.load import LoadMeter
from pricebench.units import counted

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from pytest_benchmark.session import BenchmarkSession

_SCHEMA = 1
_MODE_NAME = "execution_mode_name"
_HOUSE_PRICES = "pricebench.workload:house_prices"
# They change from run to run or name the machine's owner; a fingerprint's folder would warn at every comparison.
_VOLATILE = ("node", "release", "python_build", "python_compiler")
_VOLATILE_CPU = ("hz_actual", "hz_actual_friendly", "hz_advertised", "hz_advertised_friendly")


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What a run that is stored carries from hook to hook."""

    fingerprint: Fingerprint
    folder: Path
    meter: LoadMeter
    reports: Path
    limits: Limits | None = None
    comparison: str = ""
    ending: str = ""
    notes: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


_kept_key = pytest.StashKey[_Kept]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the benchmark suite."""
    group = parser.getgroup("pricebench")
    group.addoption(
        "--workload",
        metavar="MODULE:FUNCTION",
        default=_HOUSE_PRICES,
        help="what to measure, also path/to/file.py:function (default: %(default)s)",
    )
    group.addoption(
        "--modes",
        metavar="NAMES",
        help="all, or names with commas between, such as eager,fx+fold_normalization (default: those that are compared "
        "everywhere, none made ahead of time)",
    )
    group.addoption("--transforms", metavar="NAMES", help="what to do to the graph before every mode, commas between")
    group.addoption("--data", metavar="FILE", type=Path, help="benchmark on this CSV or Parquet file")
    group.addoption(
        "--artifacts", metavar="DIR", type=Path, default=Path("artifacts"), help="trained model (default: %(default)s)"
    )
    group.addoption("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (default: %(default)s)")
    group.addoption("--threads", metavar="N", type=_at_least_one, help="intra-op threads (default: torch's own)")
    group.addoption(
        "--reports", metavar="DIR", type=Path, default=Path("reports"), help="reports folder (default: %(default)s)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse modes and transformations that there are not, before anything is collected."""
    if config.option.modes is not None or config.option.transforms is not None:
        _require_torch("--modes and --transforms")
        _asked_modes(config)


@pytest.fixture
def execution_mode_name(request: pytest.FixtureRequest) -> str:
    """The name of a mode, with transformations behind a plus each: what `pricebench.suite.mode` makes a mode of."""
    return str(request.param)


@pytest.hookimpl(tryfirst=True)  # a mode is the first word of a benchmark's id
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A case for each mode that is asked for, wherever a test wants one."""
    if _MODE_NAME in metafunc.fixturenames:
        metafunc.parametrize(_MODE_NAME, _asked_modes(metafunc.config), indirect=True)


def _asked_modes(config: pytest.Config) -> list[str]:
    """Names of modes in the registry's order, each with its transformations."""
    from pricebench.modes import ALL_MODES, MODES
    from pricebench.transforms import TRANSFORMS

    modes, transforms = [mode.name for mode in ALL_MODES], [transform.name for transform in TRANSFORMS]
    text = (config.option.modes or "").strip()
    if text == "all":
        asked = modes
    elif text:
        asked = list(dict.fromkeys(name.strip() for name in text.split(",")))
    else:
        asked = [mode.name for mode in MODES]
    more = [name.strip() for name in (config.option.transforms or "").split(",") if name.strip()]
    for name in more:
        _require_known("--transforms", "transformation", name, transforms)
    for name in asked:
        mode, *named = name.split("+")
        _require_known("--modes", "execution mode", mode, [*modes, "all"])
        for transform in named:
            _require_known("--modes", "transformation", transform, transforms)
    asked = ["+".join([name, *more]) for name in asked]
    return sorted(asked, key=lambda name: modes.index(name.partition("+")[0]))


def _require_known(option: str, kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise pytest.UsageError(f"{option}: {unknown_name(kind, name, known)}")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """A conftest that imports what this installation lacks is one sentence."""
    try:
        return (yield)
    except ConftestImportFailure as error:
        told = explained(error.cause, needed_by="this suite") if isinstance(error.cause, ModuleNotFoundError) else None
        if told:
            raise pytest.UsageError(str(told)) from None
        raise


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"expected at least 1 thread, found {number}")
    return number


def keep_history(config: pytest.Config) -> None:
    """Store this run, and compare it if asked to; for a conftest's `pytest_configure`, before pytest-benchmark's own.

    Sets the number of threads first, because it is part of the fingerprint.
    """
    option = config.option
    if option.collectonly:
        return
    if not config.pluginmanager.has_plugin(__name__):
        raise pytest.UsageError(f"keep_history needs its plugin. Add to addopts in pytest's settings: -p {__name__}")
    _require_torch("the fingerprint of a stored run")
    import torch

    from pricebench.machine import this_machine

    if option.threads:
        torch.set_num_threads(option.threads)
    if option.benchmark_disable or option.benchmark_skip:
        return
    fingerprint = this_machine(option.device)
    folder: Path = config.rootpath / option.reports / "history" / fingerprint.digest
    kept = _Kept(fingerprint=fingerprint, folder=folder, meter=LoadMeter(), reports=option.reports)
    _read_limits(kept, config.rootpath)
    kept.notes["asked"] = option.workload
    config.stash[_kept_key] = kept
    option.benchmark_storage = f"file://{folder.parent}"
    option.benchmark_save_data = True
    if not option.benchmark_save:
        option.benchmark_save = f"{_commit(config)}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if option.benchmark_compare:
        kept.comparison = _choose_baseline(config, folder)
    if not option.benchmark_verbose:
        # Our own tables instead of one of 200 columns; --benchmark-verbose brings that back.
        option.benchmark_quiet = True


def _read_limits(kept: _Kept, root: Path) -> None:
    """Find this machine's limits; a file that cannot be read is a warning, and no reason to measure nothing."""
    try:
        kept.limits = newest_for(root / kept.reports, asdict(kept.fingerprint))
    except LimitsError as error:
        kept.notices.append(str(error))


def _require_torch(needed_by: str) -> None:
    try:
        require("torch", needed_by=needed_by)
    except MissingPackageError as error:
        raise pytest.UsageError(str(error)) from None


def note(config: pytest.Config, **facts: object) -> None:
    """Add JSON-safe facts about the run, such as the data set, to what is stored."""
    if _kept_key in config.stash:
        config.stash[_kept_key].notes.update(facts)


def _commit(config: pytest.Config) -> str:
    info = config.hook.pytest_benchmark_generate_commit_info(config=config)
    commit = str(info.get("id") or "unversioned")
    return commit if commit == "unversioned" else commit[:8]


def _choose_baseline(config: pytest.Config, folder: Path) -> str:
    """Turn `--benchmark-compare[=NUM]` into one file of this fingerprint, or drop it; says in one line which."""
    option = config.option
    wanted = "" if option.benchmark_compare is True else str(option.benchmark_compare)
    named = [run for run in stored_runs(folder) if run.name.startswith(wanted)]
    # Benchmarks of two workloads have the same ids.
    runs = [run for run in named[-1:] if wanted] or [run for run in named if _asked(run) == option.workload]
    if runs:
        option.benchmark_compare = f"{folder.name}/{runs[-1].stem}"
        return f"compared with the stored run {runs[-1].name} of fingerprint {folder.name}"
    judged = ", so --benchmark-compare-fail has nothing to judge" if option.benchmark_compare_fail else ""
    option.benchmark_compare, option.benchmark_compare_fail = None, []
    missing = f"no stored run {wanted}".rstrip()
    return f"nothing to compare with: {missing} of fingerprint {folder.name}{judged}; this run is measured and stored"


def _asked(run: Path) -> str:
    """The `--workload` of a stored run; older ones knew one workload only."""
    try:
        notes = orjson.loads(read_file(run))["pricebench"]
        return str(notes.get("asked", _HOUSE_PRICES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _HOUSE_PRICES


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let pytest-benchmark name the folder by fingerprint: its own key leaves CPU, torch and threads out."""
    if _kept_key in session.config.stash:
        fingerprint = session.config.stash[_kept_key].fingerprint
        _benchmark_session(session.config).storage.default_machine_id = fingerprint.digest


def _benchmark_session(config: pytest.Config) -> BenchmarkSession:
    """pytest-benchmark's own state, for what no option and no hook sets."""
    return cast("BenchmarkSession", config._benchmarksession)  # type: ignore[attr-defined]  # noqa: SLF001


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where the numbers will belong."""
    if _kept_key not in config.stash:
        return []
    kept = config.stash[_kept_key]
    facts = kept.fingerprint
    header = (
        f"fingerprint: {facts.digest} ({facts.cpu}, {facts.logical_cores} cores, {facts.system}, "
        f"Python {facts.python}, torch {facts.torch}, {facts.blas}, {counted(facts.threads, 'thread')}, {facts.device})"
    )
    return [header, *([f"history: {kept.comparison}"] if kept.comparison else [])]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Before pytest-benchmark stores what there is, note whether that is all."""
    if _kept_key in session.config.stash:
        kept = session.config.stash[_kept_key]
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            kept.ending = "interrupted: the benchmarks after it are missing"
        elif session.testsfailed:
            kept.ending = f"incomplete: {session.testsfailed} benchmarks failed and are missing"
        benchmark_session = _benchmark_session(session.config)
        if not benchmark_session.benchmarks:
            # All skipped, or stopped before the first: pytest-benchmark would warn that it was asked to save nothing.
            benchmark_session.save = None
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Keep what two comparable runs share, and add the fingerprint with its facts."""
    if _kept_key not in config.stash:
        return
    for name in _VOLATILE:
        machine_info.pop(name, None)
    for name in _VOLATILE_CPU:
        machine_info["cpu"].pop(name, None)
    fingerprint = config.stash[_kept_key].fingerprint
    machine_info["fingerprint"] = fingerprint.digest
    machine_info["facts"] = asdict(fingerprint)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add what travels with the numbers: the data set and the warnings."""
    if _kept_key not in config.stash:
        return
    kept = config.stash[_kept_key]
    kept.warnings = [*([kept.ending] if kept.ending else []), *kept.meter.warnings()]
    if output_json["commit_info"].get("dirty"):
        kept.warnings.append("dirty tree: the commit does not hold all of the code that ran")
    output_json["pricebench"] = {"schema": _SCHEMA, **kept.notes, "warnings": kept.warnings}


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_benchmark_group_stats(
    config: pytest.Config | None, benchmarks: list[dict[str, Any]]
) -> Generator[None, object, object]:
    """Keep the results for the summary; pytest-benchmark's own grouping goes on unchanged."""
    if config is not None and _kept_key in config.stash:
        measured = [Benchmark.from_json(entry) for entry in benchmarks if entry["path"] is None]
        stored = {entry["fullname"]: entry["median"] for entry in benchmarks if entry["path"] is not None}
        kept = config.stash[_kept_key]
        kept.groups = side_by_side(measured, stored, limit_of(kept.limits))
    return (yield)


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print a table per group, then what must be known to read them."""
    kept = config.stash.get(_kept_key, None)
    if kept is None or not kept.groups:
        return
    text = io.StringIO()
    width, is_color = max(130, shutil.get_terminal_size().columns), terminalreporter.hasmarkup
    console = Console(file=text, width=width, force_terminal=is_color, no_color=not is_color)
    for group in kept.groups:
        console.print(_as_table(group))
    terminalreporter.ensure_newline()
    terminalreporter.write(text.getvalue())
    terminalreporter.write_line(
        "median per call of n samples; '/ x' is the ratio to x; 'single' is one event, without spread"
    )
    if kept.comparison:
        terminalreporter.write_line(kept.comparison)
    if any(row.of_limit is not None for group in kept.groups for row in group.rows) or kept.limits is None:
        terminalreporter.write_line(told(kept.limits, kept.reports))
    for warning in [*kept.notices, *kept.warnings]:
        terminalreporter.write_line(f"warning: {warning}")
    runs = stored_runs(kept.folder)
    if runs:
        terminalreporter.write_line(f"stored: {_relative(runs[-1], config.rootpath)}")


def _as_table(group: Group) -> Table:
    rows = [cells(row, group.reference) for row in group.rows]
    titles = list(dict.fromkeys(title for row in rows for title in row))
    table = Table(title=group.title, title_justify="left", title_style="bold")
    for title in titles:
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row.get(title, "-") for title in titles))
    return table


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
