from __future__ import annotations

import json

import pytest

from pricebench.traffic.records import Report, TrafficError
from tests.traffic.made import probe, report, trial, whole


def test_a_report_is_read_as_it_was_written(tmp_path):
    made = whole(warnings=("loud",), hostile=(trial(details={"exit status": 0.0}, findings=("a 500",)),))

    made.save(tmp_path / "report.json")

    assert Report.load(tmp_path / "report.json") == made


def test_a_rate_is_held_when_nothing_is_late_missing_or_wrong():
    assert probe(100).is_held
    assert not probe(100, p99=5.1e-3).is_held
    assert not probe(100, statuses={"200": 999, "503": 1}).is_held
    assert not probe(100, statuses={"200": 999}).is_held
    assert not probe(100, num_wrong=1).is_held


def test_a_processors_time_is_shared_by_what_was_answered():
    assert probe(100, statuses={"200": 500}, server_cpu=1.0).cpu_per_request == pytest.approx(2e-3)
    assert probe(100, statuses={"reset": 1000}).cpu_per_request is None


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("probes", 0, "rate"), "fast", "probes[0].rate: expected seconds, at least 0, found 'fast'"),
        (("probes", 0, "traffic"), "cars", "probes[0].traffic: expected one of one house, 1 to 64 houses"),
        (("probes", 0, "statuses", "200"), -1, "probes[0].statuses.200: expected a count, found -1"),
        (("probes", 0, "latency", "p99"), None, "probes[0].latency.p99: expected seconds"),
        (("servers", 0, "is_ours"), "yes", "servers[0].is_ours: expected true or false, found 'yes'"),
        (("soak", "times"), [1.0], "soak.resident: expected as many as times, found 11"),
        (("soak", "resident", 3), 0.5, "soak.resident[3]: expected a count, found 0.5"),
        (("hostile", 0, "details"), [], "hostile[0].details: expected an object, found a list"),
        (("is_complete",), 1, "is_complete: expected true or false, found 1"),
        (("machine",), None, "machine: expected an object, found null"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, where, value, said):
    path = tmp_path / "report.json"
    whole().save(path)
    record = json.loads(path.read_text())
    inner = record
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(record))

    with pytest.raises(TrafficError) as refused:
        Report.load(path)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"), [("{", "no JSON"), ("[]", "schema 1, found None"), ('{"schema": 2}', "found 2")]
)
def test_what_is_no_report_is_refused(tmp_path, content, said):
    path = tmp_path / "report.json"
    path.write_text(content)

    with pytest.raises(TrafficError, match=said):
        Report.load(path)


def test_probes_are_those_of_a_server_in_their_order():
    made = report(probe(1), probe(2, name="rival"), probe(3))

    assert [each.rate for each in made.with_probe(probe(4)).of("pricebench-eager", probe(1).traffic)] == [1, 3, 4]
