from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from pricebench.cliff.analysis import Analysis, Ratio, advice
from pricebench.cliff.records import Block
from pricebench.cliff.schedule import AFTER, BEFORE, FIRST, OTHER, Kind, Order
from tests.cliff.made import EAGER, FULL, RESIDUAL, cell, report

EQUAL = (1.0, 1.0, 1.0, 1.0)


def analysis(*cells, **more):
    return Analysis(report(*cells, **more), Kind.INFERENCE)


# ---- ratios and the noise floor --------------------------------------------------------------------------------------


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


def test_the_noise_floor_is_what_eager_shows_against_itself():
    found = analysis(cell("eager", EQUAL, again=1.03), cell("compile", (1.02, 1.02, 1.04, 1.04), again=1.03))

    assert found.floor("level") == pytest.approx(1.03)
    assert not found.against_eager("compile", BEFORE).is_found
    assert found.against_eager("compile", AFTER).is_found


def test_what_changes_without_a_change_of_graph_is_noise_too():
    kept = cell("exclusion_guard", (1.0, 1.0, 1.2, 1.2), served=("g0", "g0"))
    taken = cell("compile", (1.0, 1.0, 1.1, 1.3), served=("g0", "g1"))

    found = analysis(*[kept] * 9, taken)

    assert found.floor("change") == pytest.approx(1.2)
    assert not found.after_against_before("compile").is_found
    assert found.later_against_before("compile").is_found


@pytest.mark.parametrize(
    ("low", "value", "high", "is_found"),
    [
        (1.05, 1.10, 1.15, True),
        (0.85, 0.90, 0.95, True),
        (0.99, 1.10, 1.20, False),  # the interval holds 1
        (1.01, 1.02, 1.03, False),  # inside the floor of 5 %
        (0.97, 0.98, 0.99, False),
    ],
)
def test_a_difference_leaves_one_out_and_exceeds_the_floor(low, value, high, is_found):
    assert Ratio(value=value, low=low, high=high, floor=1.05).is_found == is_found


def test_the_interval_is_scipys_percentile_bootstrap_of_the_median():
    generator = np.random.default_rng(3)
    arm, eager = np.exp(generator.normal(0.1, 0.05, 30)), np.exp(generator.normal(0.0, 0.05, 30))
    noisy = Block(step=BEFORE, rows=FULL, arm=tuple(arm), eager=tuple(eager), again=tuple(eager))
    expected = bootstrap(
        (np.log(arm / eager),), np.median, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval

    ratio = analysis(replace(cell("compile", EQUAL), blocks=(noisy,))).against_eager("compile", BEFORE)

    assert ratio.value == pytest.approx(math.exp(np.median(np.log(arm / eager))))
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)), rel=0.01)


@settings(max_examples=30)
@given(st.lists(st.floats(1e-4, 1e-2), min_size=2, max_size=30), st.floats(0.5, 2.0))
def test_the_value_lies_in_its_interval_and_a_common_factor_cancels(times, factor):
    def ratio(scale):
        block = Block(
            step=BEFORE,
            rows=FULL,
            arm=tuple(t * scale for t in times),
            eager=(0.001 * scale,) * len(times),
            again=(0.001 * scale,) * len(times),
        )
        return analysis(replace(cell("compile", EQUAL), blocks=(block,))).against_eager("compile", BEFORE)

    found = ratio(1.0)

    assert found.low <= found.value * (1 + 1e-12)
    assert found.value <= found.high * (1 + 1e-12)
    assert ratio(factor).value == pytest.approx(found.value)


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


# ---- epochs ----------------------------------------------------------------------------------------------------------


def test_an_epoch_by_hand():
    # Eager: 3 full of 4 ms and a residual of 2 ms, 14 ms; compiled at half the time: 7 ms.
    # Once: 1.004 - 0.004 for the first call and 0.502 - 0.002 for the residual: 1.5 s, which is 214.3 times 7 ms.
    found = analysis(
        cell("eager", EQUAL), cell("compile", (0.5, 0.5, 0.5, 0.5), first=1.004, stall=0.502, served=("g0", "g1"))
    ).epochs("compile", 3)

    assert (found.eager, found.later) == pytest.approx((0.014, 0.007))
    assert found.once_cold == pytest.approx(1.5)
    assert found.first == pytest.approx(1.507)
    assert found.breaks_even == 215


def test_a_good_moment_is_no_gain():
    # One of the two later blocks was fast, in the same graph: that is the noise floor, not a reason to compile.
    lucky = cell("compile", (1.0, 1.0, 0.8, 1.0), first=1.0, served=("g0", "g0"))

    assert analysis(cell("eager", EQUAL), lucky).epochs("compile", 1).breaks_even is None


def test_a_slower_arm_never_breaks_even():
    slower = analysis(cell("eager", EQUAL), cell("compile", (1.2, 1.2, 1.2, 1.2), first=1.0, served=("g0", "g0")))

    assert slower.epochs("compile", 1).breaks_even is None


def test_a_gain_inside_the_noise_never_breaks_even():
    noisy = analysis(
        cell("eager", EQUAL, again=1.1), cell("compile", (0.95,) * 4, first=1.0, served=("g0", "g0"), again=1.1)
    )

    assert noisy.epochs("compile", 1).breaks_even is None


def test_dropping_the_residual_is_compared_with_eager_over_the_same_rows():
    whole = cell("drop_last", EQUAL, served=("g0", "g0"))
    calls = tuple(
        replace(call, rows_run=0, seconds=None, failure="dropped") if call.step == OTHER else call
        for call in whole.calls
    )
    dropping = replace(whole, calls=calls, blocks=tuple(b for b in whole.blocks if b.step != OTHER))

    found = analysis(cell("eager", EQUAL), dropping).epochs("drop_last", 2)

    assert found.eager == pytest.approx(2 * EAGER[FULL])


@pytest.mark.parametrize("broken", [{"failure": "the process ended (signal SIGKILL)"}, {"blocks": ()}])
def test_a_broken_cell_has_no_epochs(broken):
    assert analysis(cell("eager", EQUAL), replace(cell("fx", EQUAL), **broken)).epochs("fx", 1) is None


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


# ---- advice ----------------------------------------------------------------------------------------------------------


def test_advice_is_to_stay_with_eager_where_nothing_pays():
    sentences = advice(analysis(cell("eager", EQUAL), cell("mark_unbacked", EQUAL, first=1.0, served=("g0", "g0"))), 1)

    assert sentences[0].startswith("Stay with eager")
    assert "One compilation and no stall at any later size: mark_unbacked" in sentences[1]


def test_advice_names_what_pays_first():
    cells = [
        cell("eager", EQUAL),
        cell("compile", (0.5,) * 4, first=1.0, stall=1.0, served=("g0", "g1")),
        cell("mark_unbacked", (0.6,) * 4, first=0.5, served=("g0", "g0")),
    ]

    assert advice(analysis(*cells), 1)[0].startswith("mark_unbacked pays first: 40% less time per epoch than eager")


def test_no_advice_without_eager():
    assert advice(analysis(cell("compile", EQUAL, served=("g0", "g0"))), 1) == []
