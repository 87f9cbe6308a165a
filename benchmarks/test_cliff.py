"""The cells of `pricebench cliff` as benchmarks: the first call with another size, one event in a fresh process each.

They take minutes, so they run only when asked for: `pytest benchmarks -k cliff`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.arms import ARMS, Arm
from pricebench.cliff.launcher import Launcher, Setting, measure_toolchain
from pricebench.cliff.records import Cell, Report
from pricebench.cliff.runner import NUM_BLOCKS, rows_of
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, OTHER, Check, Kind, Step, schedule
from pricebench.modes import compile  # noqa: A004 - the mode's name is its key
from pricebench.workload import Workload, load_workload
from pricebench.workload.checks import quieted
from pricebench.zygote.client import ChildError

CELLS = [pytest.param(arm, kind, id=f"{arm.name}-{kind}") for kind in Kind for arm in ARMS if kind in arm.kinds]


@pytest.fixture(scope="session")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], Path | None]:
    """A folder with precompiled headers, what compiling imports, and a cache in which only the toolchain is ready."""
    folder = tmp_path_factory.mktemp("toolchain")
    if compile.MODE.missing():
        return folder, [], None
    _, modules, template = measure_toolchain(folder)
    return folder, modules, template


@pytest.fixture(scope="session")
def cliff_workload(pytestconfig: pytest.Config) -> Workload:
    """The one that `pricebench cliff` measures."""
    return load_workload(pytestconfig.option.workload)


@pytest.fixture(scope="session")
def launcher(
    toolchain: tuple[Path, list[str], Path | None],
    cliff_workload: Workload,
    device: torch.device,
    pytestconfig: pytest.Config,
) -> Iterator[Launcher]:
    """Starts every cell of the session."""
    folder, modules, _ = toolchain
    setting = Setting(
        workload=pytestconfig.option.workload,
        dims=cliff_workload.dims,
        threads=torch.get_num_threads(),
        device=device.type,
    )
    with Launcher(setting, folder, modules) as launcher:
        yield launcher


@pytest.mark.parametrize(("arm", "kind"), CELLS)
def test_cliff(
    benchmark: BenchmarkFixture,
    arm: Arm,
    kind: Kind,
    launcher: Launcher,
    toolchain: tuple[Path, list[str], Path | None],
    cliff_workload: Workload,
    device: torch.device,
    tmp_path: Path,
) -> None:
    """A cold cell: the timed event is the residual's first call; the rest of the schedule is noted beside it."""
    if kind is Kind.TRAINING and not cliff_workload.has_loss:
        pytest.skip(f"{cliff_workload.name} has no loss, so it cannot be trained")
    template, shapes = toolchain[2], rows_of(cliff_workload)
    if arm.compiles and template is None:
        pytest.skip(f"compile cannot run here: {compile.MODE.missing()}")
    if template:
        shutil.copytree(template, tmp_path / "cache")
    check = Check.YES
    if kind is Kind.TRAINING and quieted(cliff_workload)[1]:
        check = Check.NO  # two ways to draw random numbers cannot be compared by their results
    cell = Cell(arm=arm.name, kind=kind)
    calls, blocks = [], []
    # An arm that drops the residual has no call to time there; its first one is what it costs.
    rows = shapes["residual"]
    timed = OTHER if arm.fit(rows, shapes["full"]) else FIRST
    try:
        with launcher.cell(arm.name, kind, tmp_path / "cache", check) as process:
            for step in schedule(shapes):
                if step.name == timed:
                    call = benchmark.pedantic(process.call, args=(step,), rounds=1, iterations=1)
                else:
                    call = process.call(step)
                calls.append(call)
                block = process.block(step, NUM_BLOCKS) if _is_measured(benchmark, step) and not call.failure else None
                if block:
                    blocks.append(block)
            num_graphs = process.num_graphs()
    except ChildError as error:
        if str(error).startswith("not available"):
            pytest.skip(str(error))
        raise
    cell = Cell(arm=arm.name, kind=kind, calls=tuple(calls), blocks=tuple(blocks), num_graphs=num_graphs)
    errors = [call.max_abs_error for call in calls if call.max_abs_error is not None]
    wrong = [call.failure for call in calls if call.failure.startswith("wrong answer")]
    assert not wrong, wrong
    benchmark.extra_info.update(
        workload=cliff_workload.name,
        mode=arm.mode.name,
        shape="residual" if timed == OTHER else "full",
        rows=rows if timed == OTHER else shapes["full"],
        device=device.type,
        dtype="float32",
        threads=torch.get_num_threads(),
        max_abs_error=max(errors, default=None),
        graphs=num_graphs,
        **_ratios(cell, cliff_workload),
        calls=[asdict(call) for call in calls],
    )


def _is_measured(benchmark: BenchmarkFixture, step: Step) -> bool:
    return step.steady and not benchmark.disabled


def _ratios(cell: Cell, workload: Workload) -> dict[str, float | None]:
    """What the report would say of this cell alone."""
    report = Report(started="", fingerprint="", machine={}, conditions={"shapes": rows_of(workload)}, cells=(cell,))
    analysis = Analysis(report, cell.kind)
    before, after = analysis.against_eager(cell.arm, BEFORE), analysis.against_eager(cell.arm, AFTER)
    change = analysis.after_against_before(cell.arm)
    first = cell.call(FIRST)
    return {
        "first_call_s": first.seconds if first else None,
        "full_before_against_eager": before.value if before else None,
        "full_after_against_eager": after.value if after else None,
        "full_after_against_before": change.value if change else None,
    }
