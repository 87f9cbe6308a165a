from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pricebench.dashboard.traces import by_setup, devices_frame, gaps_frame, operators_frame, shares_frame, warnings_of
from pricebench.profiling import Device, GapKind, Gaps
from tests.browser.traces import SHARES, analysis_of, keep_analyses
from tests.dashboard.stored import EVIL

FOLDER = Path("traces")


def setup_of(*modes):
    ((_, found),) = by_setup((FOLDER / mode, analysis_of(mode)) for mode in modes).items()
    return found


def test_modes_stand_in_the_order_of_every_page():
    assert list(setup_of("compile", "fx", "torchscript", "eager")) == ["eager", "torchscript", "fx", "compile"]


def test_training_and_inference_are_never_put_together():
    one = analysis_of("eager")
    other = replace(one, capture=replace(one.capture, run="training"))

    found = by_setup([(FOLDER / "a", one), (FOLDER / "b", other)])

    assert [setup.label for setup in found] == ["inference, full (aaaaaaaaaa)", "training, full (aaaaaaaaaa)"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_traces_of_one_mode_the_newer_counts(order):
    old = analysis_of("eager")
    new = replace(old, capture=replace(old.capture, created="2026-02-01T00:00:00+00:00"))
    files = [(FOLDER / "old", old), (FOLDER / "new", new)][::order]

    ((_, modes),) = by_setup(files).items()

    assert modes["eager"].path == FOLDER / "new"


def test_a_trace_of_somebody_else_belongs_to_no_mode():
    assert by_setup([(FOLDER / "x", replace(analysis_of("eager"), capture=None))]) == {}


def test_shares_are_those_of_the_analysis_and_add_up():
    frame = shares_frame(setup_of("compile"))

    assert frame["share"].tolist() == pytest.approx(SHARES["compile"])
    assert frame["share"].sum() == pytest.approx(1.0)


def test_gaps_and_operators_are_told_per_step():
    modes = setup_of("eager")

    gaps, operators = gaps_frame(modes), operators_frame(modes["eager"].analysis)

    # 16 % of each step, 12 gaps in 2 steps, 6 calls in 2 steps.
    assert gaps.loc[0, ["Python between operators", "gaps per step"]].tolist() == ["16.0%", "6.0"]
    assert operators.loc[0].tolist() == [f"aten::{EVIL}", "compute", 3.0, "25.0%"]


def test_a_warning_names_the_modes_it_is_about_unless_it_is_about_all():
    files = [(FOLDER / mode, analysis_of(mode)) for mode in ("eager", "fx", "compile")]
    files = [
        (path, replace(one, warnings=("read shares", *(("uneven",) if path.name != "fx" else ()))))
        for path, one in files
    ]
    ((_, modes),) = by_setup(files).items()

    assert warnings_of(modes) == ["read shares", "eager, compile: uneven"]


def test_a_device_is_busy_or_idle_for_a_reason():
    none = Gaps(num=0, per_step=0.0, total=0.0, p50=None, p99=None)
    gaps = dict.fromkeys(GapKind, none) | {GapKind("host-bound"): replace(none, num=1, total=0.25)}
    device = Device(name="0", busy=0.75, idle=0.25, gaps=gaps, kernels=())

    frame = devices_frame(replace(analysis_of("eager"), devices=(device,)))

    assert frame.loc[0, ["busy", "idle, host-bound", "idle, other"]].tolist() == ["75.0%", "25.0%", "0.0%"]
    assert devices_frame(analysis_of("eager")).empty


def test_a_trace_that_was_not_kept_is_not_offered(tmp_path):
    keep_analyses(tmp_path)
    modes = by_setup((path, analysis_of(path.name.partition("_")[0])) for path in tmp_path.rglob("*.analysis.json"))
    ((_, found),) = modes.items()

    assert found["eager"].trace_path.read_bytes() == b"a trace"
    assert found["fx"].trace_path is None
