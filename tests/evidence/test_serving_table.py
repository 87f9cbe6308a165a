from __future__ import annotations

from evidence.serving_table import README, rendered, table
from pricebench.traffic.records import Purpose, Traffic
from tests.traffic.made import OURS, RIVAL, probe, trial, whole

TEXT = README.read_text(encoding="utf-8")


def test_the_readmes_table_is_that_of_the_report_that_it_names():
    assert rendered(TEXT) == TEXT


def test_a_table_is_made_between_its_marks_and_nothing_else_changes(tmp_path):
    whole().save(tmp_path / "new.json")
    text = "before\n<!-- serving from old.json -->\nold\n<!-- end of serving -->\nafter\n"

    made = rendered(text, "new.json", root=tmp_path)

    assert made == f"before\n<!-- serving from new.json -->\n{table(whole())}<!-- end of serving -->\nafter\n"
    assert rendered(made, root=tmp_path) == made


def test_a_row_is_a_server():
    report = whole()
    report = report.with_probe(probe(1_000, traffic=Traffic.MIXED, purpose=Purpose.CONFIRM, p99=4e-3))

    lines = table(report).splitlines()

    assert "| p99 at 4,000/s |" in lines[0]
    assert lines[2] == f"| {OURS} | 8,000 | 1.00 | 1.00 ms | 100 µs | 1,000 | 1.00 |"
    assert lines[3] == f"| {RIVAL} | 2,000 | 4.00 | 1.00 ms | 100 µs | - | - |"


def test_what_was_found_and_what_disturbed_it_stand_under_the_table():
    told = table(whole(hostile=(trial(findings=("a 500 for noise",)), trial(what="Schemathesis")), warnings=("loud",)))

    assert "10 minutes at 5,600/s: 0 errors, 0 compilations, memory +0 ± 0 KiB a minute." in told
    assert "100 hostile requests (our own list): a 500 for noise." in told
    assert "100 hostile requests (Schemathesis): no 5xx but the intended, 0 workers lost." in told
    assert "kill -9 under load, 100 requests: none lost." in told
    assert told.endswith("Warnings: loud.\n")
