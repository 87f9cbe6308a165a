from __future__ import annotations

import math

import numpy as np
import pytest

from pricebench.dashboard.findings import finding_of, table_with_ranges, versus
from pricebench.dashboard.runs import groups_of
from pricebench.history import open_history
from tests.dashboard.stored import forward, keep, stored_benchmark, stored_run


@pytest.fixture
def found_in(tmp_path):
    """What the last of the given runs says of its first group: its shapes, and every contestant by shape and name."""

    def found(*runs):
        for number, run in enumerate(runs, start=1):
            keep(tmp_path, run, number=number)
        history = open_history(tmp_path / "history", use_cache=False)
        run = history.run("last")
        ((name, shapes), *_) = groups_of(run.benchmarks).items()
        told = {shape: versus(history, run, benchmarks) for shape, benchmarks in shapes.items()}
        return name, shapes, told

    return found


def runs_of(ratios, **more):
    """A run a day: eager at one second, fx at these ratios to it."""
    return [stored_run(forward({"eager": 1.0, "fx": ratio}, **more), day=day) for day, ratio in enumerate(ratios)]


def only(found):
    (_, _, told) = found
    ((one,),) = told.values()
    return one


# ---- the range -----------------------------------------------------------------------------------------------------


def test_the_range_of_one_run_is_what_the_quartiles_of_both_allow(found_in):
    # Quartiles lie a tenth to either side: 0.5 * 0.9 / 1.1 and 0.5 * 1.1 / 0.9.
    one = only(found_in(*runs_of([0.5])))

    assert (one.name, one.ratio, one.num_runs, one.is_found) == ("fx", 0.5, 1, True)
    assert (one.low, one.high) == pytest.approx((0.45 / 1.1, 0.55 / 0.9))


def test_quartiles_that_overlap_are_no_difference(found_in):
    # 0.85 * 1.1 / 0.9 is above 1.
    assert only(found_in(*runs_of([0.85]))).is_found is False


def test_a_difference_has_to_be_seen_in_every_run_while_there_are_few(found_in):
    steady = only(found_in(*runs_of([0.6, 0.5, 0.55])))

    assert steady.is_found is True
    assert (steady.low, steady.high) == pytest.approx((0.5 * 0.9 / 1.1, 0.6 * 1.1 / 0.9))


def test_one_run_that_says_otherwise_leaves_nothing_found(found_in):
    assert only(found_in(*runs_of([1.1, 0.5, 0.5]))).is_found is False


def test_from_eight_runs_on_the_range_is_how_the_ratio_moves_from_run_to_run(found_in):
    # Alternating by 2 %: every change of the logarithm is log 1.02; 1.4826 of it is the usual change of two runs, and
    # one ratio moves by its square root of two.
    deviation = 1.4826 * math.log(1.02) / math.sqrt(2)

    one = only(found_in(*runs_of([0.85, 0.85 * 1.02] * 4)))

    assert one.num_runs == 8
    assert one.is_found is True  # although the quartiles overlap in each run
    assert (one.low, one.high) == pytest.approx(
        (one.ratio * math.exp(-3.29 * deviation), one.ratio * math.exp(3.29 * deviation))
    )


def test_a_ratio_that_moves_as_much_as_it_differs_is_no_difference(found_in):
    chance = np.random.default_rng(0)
    ratios = np.exp(0.1 * chance.standard_normal(20))

    assert only(found_in(*runs_of([*ratios, 1.2]))).is_found is False


def test_less_than_three_percent_is_never_named_however_steady(found_in):
    one = only(found_in(*runs_of([1.02] * 9)))

    assert one.low == pytest.approx(1.02)
    assert one.is_found is False


def test_runs_of_another_workload_or_machine_say_nothing(found_in):
    other = [stored_run(forward({"eager": 1.0, "fx": 3.0}, workload="mymodel"), day=day) for day in range(9)]
    strange = stored_run(forward({"eager": 1.0, "fx": 3.0}), day=10, fingerprint="bbbbbbbbbb")

    one = only(found_in(*other, strange, stored_run(forward({"eager": 1.0, "fx": 0.5}), day=20)))

    assert one.num_runs == 1
    assert one.high == pytest.approx(0.55 / 0.9)


def single_events(days):
    return [
        stored_run(
            [stored_benchmark("test_first_call", (mode, "full"), s, samples=[s]) for mode, s in seconds.items()],
            day=day,
        )
        for day, seconds in enumerate([{"eager": 1.0, "compile": 90.0 + day} for day in range(days)])
    ]


def test_single_events_of_two_runs_cannot_say(found_in):
    assert only(found_in(*single_events(2))).is_found is None


def test_single_events_of_three_runs_can(found_in):
    one = only(found_in(*single_events(3)))

    assert one.is_found is True
    assert one.high >= 92.0


# ---- in words ------------------------------------------------------------------------------------------------------


def test_the_finding_is_one_sentence_over_all_shapes(found_in):
    run = stored_run(
        [
            *forward({"eager": 1.0, "fx": 1.0, "compile": 0.97}, rows=2048),
            *forward({"eager": 1.0, "torchscript": 0.63, "fx": 1.05}, shape="single", rows=1),
        ]
    )

    # By hand: 0.63 * 0.9 / 1.1 and 0.63 * 1.1 / 0.9.
    assert finding_of(*found_in(run)) == (
        "forward: no difference from eager found for full (2,048 rows); "
        "for single (1 row), in shares of eager's time, torchscript 0.63 (0.52 to 0.77)."
    )


def test_what_has_no_reference_has_nothing_to_compare_with(found_in):
    found = found_in(stored_run([stored_benchmark("test_price_csv", (), 3.0, rows=7)]))

    assert finding_of(*found) == "price_csv: nothing to compare with for 7 rows."


def test_single_events_that_cannot_say_are_said_to(found_in):
    found = found_in(*single_events(1))

    assert finding_of(*found) == "first_call: single events of too few runs to say for full (2,048 rows)."


def test_the_table_has_each_ratio_with_its_range_and_whether_it_differs(found_in):
    (_, shapes, told) = found_in(*runs_of([0.5]))

    table = table_with_ranges(shapes["full"], told["full"])

    assert table[["contestant", "/ eager", "range", "differs"]].to_numpy().tolist() == [
        ["eager", "1.00", "-", "-"],
        ["fx", "0.50", "0.41 to 0.61", "yes"],
    ]
