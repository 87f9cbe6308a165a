from __future__ import annotations

import pytest

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, OTHER, Kind, Order
from tests.cliff.made import RESIDUAL, cell, report

EQUAL = (1.0, 1.0, 1.0, 1.0)


def analysis(*cells, **more):
    return Analysis(report(*cells, **more), Kind.INFERENCE)


# ---- arms and ratios --------------------------------------------------------------------------------------


def test_a_ratio_is_of_times_in_the_same_moment():
    found = analysis(cell("compile", (1.2, 1.1, 1.5, 0.9)))

    assert found.against_eager("compile", BEFORE).value == pytest.approx(1.2)
    assert found.against_eager("compile", OTHER).value == pytest.approx(1.1)


def test_takeover_is_after_against_before_each_against_eager():
    found = analysis(cell("compile", (1.2, 1.0, 1.5, 1.8), served=("g0", "g1")))

    assert found.after_against_before("compile").value == pytest.approx(1.25)
    assert found.later_against_before("compile").value == pytest.approx(1.5)
    assert found.is_taken_over("compile")


def test_full_batches_that_keep_their_graph_are_not_taken_over():
    assert not analysis(cell("exclusion_guard", EQUAL, served=("g0", "g0"))).is_taken_over("exclusion_guard")


# ---- stalls ----------------------------------------------------------------------------------------------------------


def test_stalls_are_events_of_processes_cold_and_warm_apart():
    cells = [
        cell("compile", stall=seconds, served=("g0", "g1"), process=n) for n, seconds in enumerate((3.0, 1.0, 2.0))
    ]
    warm = cell("compile", first=0.5, stall=0.25, served=("g0", "g1"), cache="warm")

    first, residual = analysis(*cells, warm).stalls("compile")

    assert (first.step, residual.step) == (FIRST, OTHER)
    assert (residual.cold.least, residual.cold.middle, residual.cold.most, residual.cold.num) == (1.0, 2.0, 3.0, 3)
    assert (residual.warm.middle, residual.warm.num) == (0.25, 1)
    assert residual.reason == "size mismatch"


def test_parts_add_up_to_the_clock():
    (first, _) = analysis(cell("compile", first=1.5, stall=1.0, served=("g0", "g1"))).stalls("compile")

    assert first.parts == pytest.approx({"dynamo": 0.1, "aot": 0.2, "inductor": 0.3, "cpp": 0.4, "other": 0.5})


def test_an_arm_that_compiles_nothing_has_no_stalls():
    assert analysis(cell("fx", EQUAL)).stalls("fx") == []


def test_eager_without_a_stance_is_called_out():
    silent = cell("compile", served=("g0", "eager"))
    meant = cell("eager_on_recompile", served=("g0", "eager"))

    found = analysis(silent, meant)

    assert [call.step for call in found.silently_eager("compile")] == [OTHER, AFTER]
    assert found.silently_eager("eager_on_recompile") == []


def test_arithmetic_alone_is_eager_per_row():
    # 2 ms for 1207 rows against 4 ms for 2048.
    assert analysis(cell("eager", EQUAL)).per_row(RESIDUAL) == pytest.approx((2 / 1207) / (4 / 2048))


def test_the_reverse_order_is_kept_apart():
    found = analysis(
        cell("compile", EQUAL, served=("g0", "g1")),
        cell("compile", (1.0, 1.0, 1.3, 1.0), served=("g0", "g1"), order=Order.REVERSE),
    )

    assert found.after_against_before("compile").value == pytest.approx(1.0)
    assert found.after_against_before("compile", Order.REVERSE).value == pytest.approx(1.3)
