from __future__ import annotations

from evidence.scaling_page import PAGE, TABLES, history, rendered


def test_the_page_is_what_its_reports_say():
    text = PAGE.read_text(encoding="utf-8")

    assert all(f"<!-- {what} from reports/scaling/" in text for what in TABLES)
    assert rendered(text) == text


def test_an_opening_is_a_row_with_what_it_asked_for():
    opening = {"opening": "second", "requests": {"ListObjects": 10}, "open_s": 3.75}
    report = {"openings": [opening], "num_runs": 10_000, "num_bytes": 1.38e9, "cores": 2, "s3fs": "2026.9.0"}
    report |= {"machine": {"cpu": "test"}, "started": "2026-11-29T07:07:27+00:00"}

    assert "| second | 10 | 0 | 3.75 s |" in history(report)
