from __future__ import annotations

from dataclasses import replace

import pytest

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.arms import ARMS, arm_named
from pricebench.cliff.launcher import Setting
from pricebench.cliff.records import Report
from pricebench.cliff.runner import Plan, measure
from pricebench.cliff.schedule import CliffError, Kind, Order
from pricebench.zygote.process import CAN_FORK

COUNTS = Setting(counts_only=True, threads=1)
ARM_NAMES = ("eager", "compile", "drop_last", "reduce_overhead")

needs_fork = pytest.mark.skipif(not CAN_FORK, reason="each cell would import torch anew: minutes")


@pytest.fixture(scope="module")
def counted():
    seen, shares = [], []
    plan = Plan(setting=COUNTS, arms=[arm_named(name) for name in ARM_NAMES])
    report = measure(
        plan, on_change=seen.append, progress=lambda *planned_and_share: shares.append(planned_and_share[1])
    )
    return report, seen, shares


@needs_fork
def test_every_cell_is_written_down_as_soon_as_it_is_measured(counted):
    report, seen, _ = counted

    # Dropping is for training alone.
    assert [len(part.cells) for part in seen[:7]] == [1, 2, 3, 4, 5, 6, 7]
    assert seen[-1] == report
    assert report.is_complete
    assert not any(part.is_complete for part in seen[:6])


@needs_fork
@pytest.mark.parametrize("kind", list(Kind))
def test_graphs_are_those_of_the_schedule(counted, kind):
    analysis = Analysis(counted[0], kind)

    assert [call.served for call in analysis.served("compile")] == ["g0", "g0", "g1", "g1", "g1", "g2", "g1", "g1"]
    assert analysis.num_graphs("compile") == 3
    assert analysis.is_taken_over("compile")
    assert [call.rows for call in analysis.served("eager")] == [2048, 2048, 1207, 2048, 1005, 1, 2, 2048]


@needs_fork
def test_an_arm_that_cannot_run_is_a_row_with_its_reason(counted):
    assert Analysis(counted[0], Kind.INFERENCE).failure("reduce_overhead").startswith("not available: CUDA graphs")


@needs_fork
def test_progress_goes_from_nothing_to_the_end(counted):
    shares = counted[2]

    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


@needs_fork
def test_a_report_is_read_as_it_was_written(counted, tmp_path):
    path = tmp_path / "report.json"
    counted[0].save(path)

    again = Report.load(path)

    assert [cell.calls for cell in again.cells] == [cell.calls for cell in Report.load(path).cells]
    assert [(c.arm, c.kind, c.num_graphs) for c in again.cells] == [
        (c.arm, c.kind, c.num_graphs) for c in counted[0].cells
    ]
    assert again.machine == counted[0].machine


def test_an_interrupted_run_says_so_in_what_it_wrote():
    seen = []

    def stop(*_):
        if len(seen) == 1:
            raise KeyboardInterrupt

    plan = Plan(setting=COUNTS, arms=[arm_named("eager")])
    with pytest.raises(KeyboardInterrupt):
        measure(plan, on_change=seen.append, progress=stop)

    assert len(seen[-1].cells) == 1
    assert not seen[-1].is_complete
    assert "interrupted: later cells are missing" in seen[-1].warnings


def test_a_residual_that_is_no_residual_is_refused():
    with pytest.raises(CliffError, match="residual batch has 2048 rows, expected 4 to 2047"):
        measure(Plan(setting=Setting(residual_rows=2048)), on_change=print, progress=print)


def test_a_whole_plan_has_each_arm_cold_and_warm_and_five_processes():
    cells = Plan(setting=Setting()).cells()

    for arm in ARMS:
        for kind in arm.kinds:
            own = [cell for cell in cells if cell.arm is arm and cell.kind is kind and cell.order is Order.FORWARD]
            cold = [cell.process for cell in own if cell.cache == "cold"]
            assert cold == ([0, 1, 2, 3, 4] if arm.compiles else [0])
            assert [cell.process for cell in own if cell.cache == "warm"] == ([0] if arm.compiles else [])


def test_controls_are_planned_for_what_everybody_has():
    cells = Plan(setting=Setting(), kinds=[Kind.TRAINING]).cells()

    assert [(c.arm.name, c.order) for c in cells if c.order is not Order.FORWARD] == [
        ("compile", Order.REVERSE),
        ("eager", Order.ALIGNED),
        ("compile", Order.ALIGNED),
    ]


def test_a_warm_cell_comes_right_after_its_cold_sibling():
    cells = Plan(setting=Setting()).cells()

    for number, cell in enumerate(cells):
        if cell.cache == "warm":
            assert (cells[number - 1].arm, cells[number - 1].cache) == (cell.arm, "cold")


@needs_fork
def test_a_run_that_is_resumed_measures_only_what_is_missing(counted):
    begun = replace(counted[0], cells=counted[0].cells[:2], warnings=("busy then",), is_complete=False)
    ran = []
    plan = Plan(setting=COUNTS, arms=[arm_named(name) for name in ("eager", "compile", "pad")], kinds=[Kind.INFERENCE])

    report = measure(plan, on_change=lambda _: None, progress=lambda *seen: ran.append(seen[0].arm.name), begun=begun)

    assert ran == ["pad"]
    assert [cell.arm for cell in report.cells] == ["eager", "compile", "pad"]
    assert report.cells[:2] == begun.cells
    assert report.started == begun.started
    assert "busy then" in report.warnings
    assert report.is_complete


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fingerprint": "another"}, "of fingerprint another, this machine is"),
        ({"conditions": {"threads": 7}}, "measured with threads 7, now 1 is asked for"),
    ],
)
@needs_fork
def test_a_report_of_other_conditions_is_not_added_to(counted, change, says):
    if "conditions" in change:
        change = {"conditions": {**counted[0].conditions, **change["conditions"]}}

    with pytest.raises(CliffError, match=says):
        measure(Plan(setting=COUNTS), on_change=print, progress=print, begun=replace(counted[0], **change))
