from __future__ import annotations

import pytest

from evidence.cliff_page import IMAGES, PAGE, README, named_report, pictures, rendered
from pricebench.cliff.analysis import Analysis
from pricebench.cliff.schedule import Kind

REPORT = named_report()


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_text_and_tables_are_those_of_the_committed_report(page):
    text = page.read_text(encoding="utf-8")

    assert rendered(text, REPORT) == text


@pytest.mark.parametrize(("name", "drawn"), pictures(REPORT).items(), ids=str)
def test_pictures_are_those_of_the_committed_report(name, drawn):
    assert (IMAGES / name).read_text(encoding="utf-8") == drawn + "\n"
    assert name in PAGE.read_text(encoding="utf-8")


def test_the_committed_report_has_five_processes_of_every_stall():
    assert REPORT.toolchain
    assert not REPORT.conditions["counts_only"]
    for kind in Kind:
        analysis = Analysis(REPORT, kind)
        for arm in analysis.arms:
            # Autotuning takes a minute a process: those two arms have fewer, and the tables say how many.
            enough = 3 if arm.startswith("frozen") else 5
            assert all(stall.cold.num >= enough for stall in analysis.stalls(arm)), arm


def test_no_answer_of_the_committed_report_was_wrong():
    failures = {call.failure for cell in REPORT.cells for call in cell.calls}

    assert not [failure for failure in failures if failure.startswith("wrong answer")]
