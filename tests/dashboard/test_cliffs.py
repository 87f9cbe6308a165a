from __future__ import annotations

from dataclasses import replace

import pytest

from pricebench.cliff.schedule import CliffError, Kind
from pricebench.dashboard.cliffs import calls_frame, finding_of, kinds_of, most_telling, shown
from tests.cliff.made import cell, report

LEVEL = (1.0, 1.0, 1.0, 1.0)


@pytest.fixture
def made():
    compiled = cell("compile", (1.0, 1.0, 1.5, 1.5), first=2.0, stall=1.0, served=("g0", "g1"))
    return report(cell("eager", LEVEL), compiled)


def test_only_what_was_measured_can_be_chosen(made):
    assert kinds_of(made) == {"inference": Kind.INFERENCE}


def test_every_call_of_an_arm_is_a_point_and_compilations_are_named(made):
    frame = calls_frame(made, Kind.INFERENCE)

    compiled = frame[frame["arm"] == "compile"]
    assert compiled["x"].tolist() == list(range(1, len(compiled) + 1))
    # The first call took the two seconds that it was made with.
    assert compiled["seconds"].iloc[0] == 2.0
    assert compiled["happened"].iloc[0] == "compiled"
    assert "graph reused" in set(compiled["happened"])


def test_a_report_becomes_calls_a_picture_tables_and_conditions(made):
    found = shown(made, Kind.INFERENCE)

    assert not found.calls.empty
    assert found.steady is not None
    assert len(found.tables) == 4
    assert any("a processor" in sentence for sentence in found.sentences)


def test_the_finding_names_the_stall_and_what_removes_it_and_what_that_costs(made):
    # One graph, compiled in three seconds at the first call; then 0.9 of eager's time at every size.
    cured = cell("mark_unbacked", (0.9,) * 4, first=3.0, served=("g0", "g0"))

    assert finding_of(report(*made.cells, cured), Kind.INFERENCE) == (
        "The first batch of a new size stops compile to compile again: 1.00 s at 1,207 rows. "
        "One compilation and no stall at any size: mark_unbacked. "
        "That costs 3.00 s at the first call; from then on the cheapest of them, mark_unbacked, takes 0.90 of eager's "
        "time per epoch (0.90 to 0.90)."
    )


def test_an_arm_that_leaves_rows_out_or_runs_eager_removes_no_stall(made):
    left_out = cell("drop_last", LEVEL, first=3.0, served=("g0", "g0"))
    left_out = replace(left_out, calls=tuple(replace(call, rows_run=min(call.rows, 5)) for call in left_out.calls))
    fallen_back = cell("limited", LEVEL, first=3.0, served=("g0", "eager"))

    found = finding_of(report(*made.cells, left_out, fallen_back), Kind.INFERENCE)

    assert found.endswith("1.00 s at 1,207 rows. No arm removes the stall.")


def test_no_stall_and_no_measurement_are_said():
    calm = report(cell("eager", LEVEL), cell("compile", LEVEL, first=3.0, served=("g0", "g0")))

    assert finding_of(calm, Kind.INFERENCE) == "compile stalled at no size after its first call."
    assert "did not measure compile" in finding_of(report(cell("eager", LEVEL)), Kind.INFERENCE)


def test_the_arm_to_look_at_first_is_compile_or_the_one_that_stalled_longest(made):
    longer = cell("static", LEVEL, first=2.0, stall=9.0, served=("g0", "g1"))
    short = cell("dynamic", LEVEL, first=2.0, stall=1.0, served=("g0", "g1"))

    assert most_telling(calls_frame(report(*made.cells, longer), Kind.INFERENCE)) == "compile"
    assert most_telling(calls_frame(report(short, longer, cell("eager", LEVEL)), Kind.INFERENCE)) == "static"


def test_a_report_of_counts_has_no_times(made):
    made.conditions["counts_only"] = True

    found = shown(made, Kind.INFERENCE)

    assert found.calls.empty
    assert found.steady is None
    assert found.finding == "compile compiled 2 graphs along the schedule; the report holds counts and no times."
    assert len(found.tables) == 1


def test_a_report_that_lacks_a_condition_is_one_sentence(made):
    del made.conditions["eager_by_design"]

    with pytest.raises(CliffError, match=r"eager_by_design.*pricebench cliff"):
        shown(made, Kind.INFERENCE)
