from __future__ import annotations

from dataclasses import replace

import pytest

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.epochs import advice, epochs_of
from pricebench.cliff.schedule import OTHER, Kind
from tests.cliff.made import EAGER, FULL, cell, report

EQUAL = (1.0, 1.0, 1.0, 1.0)


def analysis(*cells, **more):
    return Analysis(report(*cells, **more), Kind.INFERENCE)


def test_an_epoch_by_hand():
    # Eager: 3 full of 4 ms and a residual of 2 ms, 14 ms; compiled at half the time: 7 ms.
    # Once: 1.004 - 0.004 for the first call and 0.502 - 0.002 for the residual: 1.5 s, which is 214.3 times 7 ms.
    measured = analysis(
        cell("eager", EQUAL), cell("compile", (0.5, 0.5, 0.5, 0.5), first=1.004, stall=0.502, served=("g0", "g1"))
    )
    found = epochs_of(measured, "compile", 3)

    assert (found.eager, found.later) == pytest.approx((0.014, 0.007))
    assert found.once_cold == pytest.approx(1.5)
    assert found.first == pytest.approx(1.507)
    assert found.breaks_even == 215


def test_a_good_moment_is_no_gain():
    # One of the two later blocks was fast, in the same graph: that is the noise floor, not a reason to compile.
    lucky = cell("compile", (1.0, 1.0, 0.8, 1.0), first=1.0, served=("g0", "g0"))

    assert epochs_of(analysis(cell("eager", EQUAL), lucky), "compile", 1).breaks_even is None


def test_a_slower_arm_never_breaks_even():
    slower = analysis(cell("eager", EQUAL), cell("compile", (1.2, 1.2, 1.2, 1.2), first=1.0, served=("g0", "g0")))

    assert epochs_of(slower, "compile", 1).breaks_even is None


def test_a_gain_inside_the_noise_never_breaks_even():
    noisy = analysis(
        cell("eager", EQUAL, again=1.1), cell("compile", (0.95,) * 4, first=1.0, served=("g0", "g0"), again=1.1)
    )

    assert epochs_of(noisy, "compile", 1).breaks_even is None


def test_dropping_the_residual_is_compared_with_eager_over_the_same_rows():
    whole = cell("drop_last", EQUAL, served=("g0", "g0"))
    calls = tuple(
        replace(call, rows_run=0, seconds=None, failure="dropped") if call.step == OTHER else call
        for call in whole.calls
    )
    dropping = replace(whole, calls=calls, blocks=tuple(b for b in whole.blocks if b.step != OTHER))

    found = epochs_of(analysis(cell("eager", EQUAL), dropping), "drop_last", 2)

    assert found.eager == pytest.approx(2 * EAGER[FULL])


@pytest.mark.parametrize("broken", [{"failure": "the process ended (signal SIGKILL)"}, {"blocks": ()}])
def test_a_broken_cell_has_no_epochs(broken):
    assert epochs_of(analysis(cell("eager", EQUAL), replace(cell("fx", EQUAL), **broken)), "fx", 1) is None


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
