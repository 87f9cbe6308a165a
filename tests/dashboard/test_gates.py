from __future__ import annotations

import math

import pytest

from pricebench.dashboard.charts.gate import intervals_chart
from pricebench.dashboard.gates import blocks_frame, findings_frame, intervals_frame
from tests.dashboard.stored import EVIL
from tests.gate.made import NAME, block, finding, report

MEASURED = {"num_blocks": 8, "num_slower": 8, "change": 0.1, "low": 0.08, "high": 0.12, "base": 1e-3, "head": 1.1e-3}


@pytest.fixture
def made():
    return report(
        finding("slower", **MEASURED),
        finding("new", "bench.py::test_new"),
        blocks=(block(0, head=math.log(1.1)), block(1, head=math.log(1.2))),
    )


def test_the_table_is_the_commands(made):
    frame = findings_frame(made)

    assert frame["benchmark"].tolist() == ["test_sum[small]", "test_new"]
    assert frame["verdict"].tolist() == ["slower", "new"]


def test_only_what_was_measured_has_an_interval(made):
    frame = intervals_frame(made)

    assert frame["name"].tolist() == ["test_sum[small]"]
    assert frame[["low", "change", "high"]].iloc[0].tolist() == [0.08, 0.1, 0.12]
    assert frame[["counts_from", "ok_below"]].iloc[0].tolist() == pytest.approx([0.04, 0.075])


def test_every_block_is_a_point(made):
    frame = blocks_frame(made)

    assert frame["block"].tolist() == [1, 2]
    assert frame["change"].tolist() == pytest.approx([0.1, 0.2])


def test_the_picture_shows_intervals_and_blocks_as_data(made):
    frame = intervals_frame(made).assign(name=EVIL)

    drawn = intervals_chart(frame, blocks_frame(made)).to_dict()

    assert len(drawn["layer"]) == 5
    assert {row["name"] for rows in drawn["datasets"].values() for row in rows} == {EVIL, NAME.partition("::")[2]}
