from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.cliff.records import Report
from pricebench.cliff.schedule import CliffError
from pricebench.files import stored_reports
from tests.cliff.made import cell, report


def test_a_report_comes_back_from_its_file(tmp_path):
    made = report(cell("compile", (1.0, 2.0, 3.0, 4.0), stall=1.0, served=("g0", "g1")), warnings=("busy",))
    made.save(tmp_path / "report.json")

    assert Report.load(tmp_path / "report.json") == made


def test_unknown_seconds_are_null_not_nan(tmp_path):
    report(cell("eager", first=float("nan"))).save(tmp_path / "report.json")

    text = (tmp_path / "report.json").read_text()

    assert "NaN" not in text
    json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "found None"),
        ('{"schema": 2}', "found 2"),
        ('{"schema": 1}', "a wrong field: started: expected text, found nothing"),
        ('{"schema": 1, "toolchain": null, "cells": [{}], "warnings": []}', "a wrong field"),
        ('{"schema": 1, "toolchain": null, "cells": 3, "warnings": []}', "a wrong field"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path, text, says):
    path = tmp_path / "report.json"
    path.write_text(text)

    with pytest.raises(CliffError, match=says) as refused:
        Report.load(path)

    assert len(str(refused.value).splitlines()) == 1
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("conditions", "shapes"), {}, "conditions.shapes.full: expected a count, found nothing"),
        (("machine",), 3, "machine: expected an object, found 3"),
        (("cells", 0, "calls", 0, "rows"), None, r"cells\[0\].calls\[0\].rows: expected a count, found null"),
        (("cells", 0, "calls", 0, "seconds"), -3.0, r"calls\[0\].seconds: expected seconds, at least 0, found -3"),
        (("cells", 0, "blocks"), None, r"cells\[0\].blocks: expected a list, found null"),
        (("cells", 0, "blocks", 0, "arm"), [], r"blocks\[0\].arm: expected as many times as eager"),
    ],
)
def test_a_wrong_field_is_named_by_its_key(tmp_path, path, value, says):
    file = tmp_path / "report.json"
    report(cell("compile", (1.0, 2.0, 3.0, 4.0), stall=1.0, served=("g0", "g1"))).save(file)
    content = json.loads(file.read_text())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(content))

    with pytest.raises(CliffError, match=says):
        Report.load(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CliffError, match="No such file"):
        Report.load(tmp_path / "report.json")


@given(data=st.data())
def test_a_damaged_report_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "report.json"
    report(cell("compile", (1.0, 2.0, 3.0, 4.0), stall=1.0, served=("g0", "g1"))).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(32, 126))
    path.write_bytes(content)

    try:
        Report.load(path)
    except CliffError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - a refusal is one of two right answers


def test_reports_are_listed_by_their_time(tmp_path):
    for name in ("bb_20260101T000000Z", "aa_20260301T000000Z", "cc-1_20260201T000000Z"):
        (tmp_path / f"{name}.json").write_text("{}")

    assert [path.stem[:2] for path in stored_reports(tmp_path)] == ["bb", "cc", "aa"]
    assert stored_reports(tmp_path / "absent") == []
