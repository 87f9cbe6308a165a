from __future__ import annotations

from pricebench.dashboard.tables import section_frame
from pricebench.section import Section
from tests.dashboard.stored import EVIL


def test_columns_of_one_title_are_told_apart_and_cells_stay_on_a_line():
    section = Section(title="t", header=("arm", "2,048", "2,048", EVIL), rows=(("a", "1", "2\n3", EVIL),))

    frame = section_frame(section)

    assert list(frame.columns) == ["arm", "2,048", "2,048 (2)", EVIL]
    assert frame.iloc[0].tolist() == ["a", "1", "2 · 3", EVIL]
