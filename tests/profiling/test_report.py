from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pricebench.errors import TraceError
from pricebench.profiling import Capture, analyse, read_analysis, stored_analyses, write_analysis
from tests.profiling.traces import event, step, write

GOLDEN = Path(__file__).parents[1] / "golden"
CAPTURE = Capture(
    workload="house_prices",
    mode="eager",
    shape="full",
    run="inference",
    rows=2048,
    device="cuda",
    threads=2,
    torch="2.15.0",
    fingerprint="0123456789",
    created="2026-11-23T12:00:00+00:00",
    trace_file="eager_full_inference.json.gz",
)


@pytest.fixture
def analysis():
    return analyse(GOLDEN / "cuda_trace.json", CAPTURE)


def test_an_analysis_is_read_as_it_was_written(tmp_path, analysis):
    write_analysis(analysis, tmp_path / "a.analysis.json")

    assert read_analysis(tmp_path / "a.analysis.json") == analysis


def test_version_1_stays_readable(analysis):
    assert read_analysis(GOLDEN / "profile_v1.analysis.json") == analysis


def test_an_analysis_without_gaps_device_or_capture_is_read_too(tmp_path):
    plain = analyse(write(tmp_path / "t", step(0, 10), event("aten::mm", 0, 10)))
    write_analysis(plain, tmp_path / "a.analysis.json")

    assert read_analysis(tmp_path / "a.analysis.json") == plain


def test_it_is_small(tmp_path):
    events = [
        one
        for n in range(20)
        for one in (step(100 * n, 100 * n + 90, number=n), event(f"aten::op{n}", 100 * n + 1, 100 * n + 31.123))
    ]
    write_analysis(analyse(write(tmp_path / "t", *events), CAPTURE), tmp_path / "a.analysis.json")

    assert (tmp_path / "a.analysis.json").stat().st_size < 8000


def test_a_folder_is_read_with_the_reasons_of_what_is_broken(tmp_path, analysis):
    write_analysis(analysis, tmp_path / "b" / "eager.analysis.json")
    write_analysis(replace(analysis, capture=None), tmp_path / "a" / "fx.analysis.json")
    (tmp_path / "a" / "half.analysis.json").write_text('{"format": "pricebench.pro')
    (tmp_path / "a" / "trace.json.gz").write_bytes(b"not looked at")

    stored = stored_analyses(tmp_path)

    assert list(stored.analyses) == [tmp_path / "a" / "fx.analysis.json", tmp_path / "b" / "eager.analysis.json"]
    assert list(stored.unreadable) == [tmp_path / "a" / "half.analysis.json"]
    assert "expected pricebench.profile 1" in stored.unreadable[tmp_path / "a" / "half.analysis.json"]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    stored = stored_analyses(tmp_path / "none")

    assert (stored.analyses, stored.unreadable) == ({}, {})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "expected pricebench.profile 1, found 'other 1'"),
        ({"version": 2}, "expected pricebench.profile 1, found 'pricebench.profile 2'"),
        ({"steps": []}, "expected a whole analysis"),
        ({"steps": [{"number": 0}]}, "expected a whole analysis"),
        ({"parts": {"compute": "1"}}, "expected a whole analysis"),
        ({"gaps": None}, "expected a whole analysis"),
        ({"warnings": [3]}, "expected a whole analysis"),
        ({"num_replays": "many"}, "expected a whole analysis"),
        ({"devices": {"a": 1}}, "expected a whole analysis"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, change, says):
    record = json.loads((GOLDEN / "profile_v1.analysis.json").read_text())
    (tmp_path / "a.analysis.json").write_text(json.dumps(record | change))

    with pytest.raises(TraceError) as caught:
        read_analysis(tmp_path / "a.analysis.json")

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../trace.json.gz", "/home/trace.json.gz", "..\\\\trace.json.gz", "trace", "..", ""])
def test_the_name_of_a_trace_leads_nowhere_else(tmp_path, name):
    record = json.loads((GOLDEN / "profile_v1.analysis.json").read_text())
    record["capture"]["trace_file"] = name
    (tmp_path / "a.analysis.json").write_text(json.dumps(record))

    with pytest.raises(TraceError, match="expected a whole analysis"):
        read_analysis(tmp_path / "a.analysis.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": NaN, "version": 1}'])
def test_a_file_that_is_no_analysis_is_refused(tmp_path, content):
    (tmp_path / "a.analysis.json").write_bytes(content)

    with pytest.raises(TraceError, match=r"expected pricebench\.profile 1"):
        read_analysis(tmp_path / "a.analysis.json")


def test_a_missing_file_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(TraceError, match="pricebench profile"):
        read_analysis(tmp_path / "none.analysis.json")
