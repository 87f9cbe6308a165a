from __future__ import annotations

import json

from evidence.transform_accuracy import PAGE, REPORT, rendered
from pricebench.transforms import TRANSFORMS


def test_the_page_is_what_the_report_says():
    text = PAGE.read_text(encoding="utf-8")

    assert "<!-- accuracy -->" in text
    assert rendered(text) == text


def test_nothing_but_less_precision_moves_a_price_by_a_dollar():
    for data in json.loads(REPORT.read_text()):
        rows = {row["transforms"]: row for row in data["transforms"]}
        assert set(rows) >= {each.name for each in TRANSFORMS}
        for name, row in rows.items():
            assert "bfloat16" in name or "int8" in name or row["largest"] < 1.0
            # What a default may cost; what costs more is named on the page, and in no default.
            assert abs(row["r2"]) <= 0.002 or "int8_dynamic" in name
