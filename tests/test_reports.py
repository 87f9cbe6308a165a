from __future__ import annotations

import json
import math

import pytest

from pricebench.errors import PricebenchError
from pricebench.reports import ReportKind, finite

KIND = ReportKind(noun="a tea report", schema=3, command="make tea", lines=("cup",), error=PricebenchError)


def test_an_object_of_a_named_kind_has_a_line_of_its_own(tmp_path):
    path = tmp_path / "tea.json"

    KIND.save({"schema": 3, "cups": [{"cup": 1}, {"cup": 2}]}, path)

    assert path.read_text() == '{"schema":3,"cups":[\n{"cup":1},\n{"cup":2}]}\n'
    assert KIND.load(path, lambda record: record["cups"]) == [{"cup": 1}, {"cup": 2}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tea", "expected a tea report, found: no JSON"),
        ('{"schema": 4}', "expected a tea report of schema 3, found 4"),
        ("[]", "expected a tea report of schema 3, found None"),
        ('{"schema": 3}', "a tea report with a wrong field: 'cups'"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_such_report_is_one_sentence_with_the_command(tmp_path, text, told):
    path = tmp_path / "tea.json"
    path.write_text(text)

    with pytest.raises(PricebenchError) as error:
        KIND.load(path, lambda record: record["cups"])

    assert told in str(error.value)
    assert "make tea" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_json_cannot_write_is_null():
    found = finite({"a": math.nan, 2: (math.inf, 1 / 3, "x", True)})

    assert json.loads(json.dumps(found)) == {"a": None, "2": [None, 0.333333333, "x", True]}
