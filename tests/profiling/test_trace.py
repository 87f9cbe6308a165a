from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

from pricebench.errors import TraceError
from pricebench.profiling.trace import Kind, read_trace
from tests.profiling.traces import event, step, write

EVENTS = (step(10, 20), event("aten::relu", 11.5, 12.625), event("forward", 5, 6, cat="python_function"))


def content(*events):
    return json.dumps({"schemaVersion": 1, "traceEvents": events}, indent=1).encode()


def refusal(path):
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# ---- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz", "no_suffix"])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_plain_and_gzipped_files_are_read_whatever_their_name(tmp_path, name, is_gzip):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content(*EVENTS)) if is_gzip else content(*EVENTS))

    trace = read_trace(path)

    assert trace.name == name
    assert [trace.labels[label] for label in trace.label] == ["ProfilerStep#0", "aten::relu"]
    assert trace.kind.tolist() == [Kind.STEP, Kind.OPERATOR]
    # Nanoseconds: 11.5 and 12.625 microseconds.
    assert trace.start.tolist() == [10_000, 11_500]
    assert trace.end.tolist() == [20_000, 12_625]


def test_a_bare_list_of_events_is_a_chrome_trace_too(tmp_path):
    (tmp_path / "trace.json").write_text(json.dumps(EVENTS))

    assert len(read_trace(tmp_path / "trace.json").start) == 2


def test_times_since_1970_keep_their_nanoseconds(tmp_path):
    # Older torch wrote microseconds since 1970; as a float they would be a quarter of a microsecond apart.
    (tmp_path / "trace.json").write_text(
        '[{"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#0", "pid": 1, "tid": 1,'
        ' "ts": 1790857026000123.457, "dur": 0.001}]'
    )

    trace = read_trace(tmp_path / "trace.json")

    assert (trace.start[0], trace.end[0]) == (1790857026000123457, 1790857026000123458)


def test_a_step_on_the_device_is_no_second_step(tmp_path):
    trace = read_trace(write(tmp_path / "t", *EVENTS, event("ProfilerStep#0", 1, 2, cat="gpu_user_annotation")))

    assert (trace.kind == Kind.STEP).sum() == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process its peak")
def test_a_large_file_costs_little_memory(tmp_path):
    # 40 MB, two thirds of it Python functions with long arguments. A document tree of it takes over 200 MB.
    path = tmp_path / "large.json"
    python_function = json.dumps(event("x" * 200, 1, 2, cat="python_function", stack="y" * 300)) + ","
    operator = json.dumps(event("aten::relu", 11, 12, number="z" * 100)) + ","
    with path.open("w") as file:
        file.write('{"traceEvents": [' + json.dumps(step(10, 20)) + ",")
        for _ in range(40):
            file.write(python_function * 1000 + operator * 1500)
        file.write('{"ph": "M"}]}')
    code = (
        "import resource, sys; from pathlib import Path; from pricebench.profiling import analyse, read_trace\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"analysis = analyse(Path({str(path)!r}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        "print(sum(operator.num_calls for operator in analysis.operators))"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    grown, num_calls = map(int, result.stdout.split())
    assert path.stat().st_size > 35e6
    assert num_calls == 60_000
    assert grown * (1 if sys.platform == "darwin" else 1024) < 60e6


def test_reading_and_judging_import_no_torch():
    code = "import sys, pricebench.profiling; print([name for name in ('torch', 'pandas') if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_a_truncated_file_says_how_far_it_went(tmp_path):
    path = tmp_path / "cut.json"
    path.write_bytes(content(*EVENTS)[:-120])

    assert refusal(path) == (
        "truncated: the file ends in the middle, after 2 whole events. Make one with: pricebench profile."
    )


def test_a_truncated_gzip_file_says_so(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(content(*EVENTS * 1000))[:-30])

    assert refusal(path).startswith("truncated: the file ends in the middle, after ")


def test_a_damaged_gzip_file_says_so(tmp_path):
    path = tmp_path / "bad.json.gz"
    whole = bytearray(gzip.compress(content(*EVENTS)))
    whole[-8] ^= 0xFF  # its checksum
    path.write_bytes(whole)

    assert refusal(path).startswith("expected a whole gzip file, found a damaged one (CRC check failed")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (b"", "expected the JSON of a Chrome trace, found an empty file."),
        (b"\x80\x02", "expected the JSON of a Chrome trace, found a file that begins with b'\\x80'."),
        (b"name,dur\n", "expected the JSON of a Chrome trace, found a file that begins with b'n'."),
        (b"{}", "expected steps marked ProfilerStep#N, found JSON without trace events."),
        (b'{"benchmarks": [{"name": "a"}]}', "expected steps marked ProfilerStep#N, found JSON without trace events."),
        (b'{"traceEvents": {}}', "expected steps marked ProfilerStep#N, found JSON without trace events."),
        (b'{"traceEvents": [{"ph": "B"}, {"ph": "E"}]}', "found 2 events and none of them a step."),
        (content(EVENTS[1]), "found 1 events and none of them a step (1 cpu_op)."),
        (b'{"traceEvents": [3]}', "event 0 is '3', expected an object."),
        (b'{"traceEvents": [}', "expected JSON, found something else after 0 events."),
        (b'{"traceEvents": [{"ph": "\xff"}]}', "expected JSON, found something else after 0 events."),
        (content(event("a", 1, 2) | {"ts": "1"}), "event 0: ts is '1', expected microseconds."),
        (content(event("a", 1, 2) | {"ts": True}), "event 0: ts is 'True', expected microseconds."),
        (content(event("a", 1, 2) | {"ts": 10**30}), "event 0: ts is '1000"),
        (content(event("a", 1, 2) | {"dur": None}), "event 0: dur is missing, expected microseconds."),
        (content(event("a", 2, 1)), "event 0: dur is '-1', expected at least 0."),
        (content(event(None, 1, 2)), "event 0: name is missing, expected text."),
    ],
)
def test_another_file_is_refused_with_what_was_found(tmp_path, found, says):
    path = tmp_path / "foreign"
    path.write_bytes(found)

    assert says in refusal(path)


def test_a_number_too_large_for_any_clock_is_refused(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(content(event("a", 1, 2)).replace(b'"ts": 1,', b'"ts": 1e999999,'))

    assert refusal(path).startswith("event 0: ts is '1E+999999'")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert refusal(tmp_path / "none") == (
        "expected a trace, found No such file or directory. Make one with: pricebench profile."
    )
    assert refusal(tmp_path).startswith("expected a trace, found Is a directory.")
