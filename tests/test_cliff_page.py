from __future__ import annotations

import pytest

from benchmarks.cliff_page import IMAGES, PAGE, README, named_report, pictures, rendered

REPORT = named_report()


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_text_and_tables_are_those_of_the_committed_report(page):
    text = page.read_text(encoding="utf-8")

    assert rendered(text, REPORT) == text


@pytest.mark.parametrize(("name", "drawn"), pictures(REPORT).items(), ids=str)
def test_pictures_are_those_of_the_committed_report(name, drawn):
    assert (IMAGES / name).read_text(encoding="utf-8") == drawn + "\n"
    assert name in PAGE.read_text(encoding="utf-8")


def test_the_committed_report_is_whole_and_real():
    assert REPORT.is_complete
    assert REPORT.toolchain
    assert REPORT.conditions["processes"] >= 5
    assert not REPORT.conditions["counts_only"]
