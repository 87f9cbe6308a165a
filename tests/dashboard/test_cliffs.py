from __future__ import annotations

import pytest

from pricebench.cliff.schedule import CliffError, Kind
from pricebench.cliff.table import Section
from pricebench.dashboard.cliffs import calls_frame, kinds_of, section_frame, shown
from tests.cliff.made import cell, report
from tests.dashboard.stored import EVIL

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


def test_a_report_of_counts_has_no_times(made):
    made.conditions["counts_only"] = True

    found = shown(made, Kind.INFERENCE)

    assert found.calls.empty
    assert found.steady is None
    assert len(found.tables) == 1


def test_a_report_that_lacks_a_condition_is_one_sentence(made):
    del made.conditions["eager_by_design"]

    with pytest.raises(CliffError, match=r"eager_by_design.*pricebench cliff"):
        shown(made, Kind.INFERENCE)


def test_columns_of_one_title_are_told_apart_and_cells_stay_on_a_line():
    section = Section(title="t", header=("arm", "2,048", "2,048", EVIL), rows=(("a", "1", "2\n3", EVIL),))

    frame = section_frame(section)

    assert list(frame.columns) == ["arm", "2,048", "2,048 (2)", EVIL]
    assert frame.iloc[0].tolist() == ["a", "1", "2 · 3", EVIL]
