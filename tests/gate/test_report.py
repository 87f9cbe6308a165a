from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree as ET

import pytest

from pricebench.errors import ExitCode
from pricebench.files import stored_reports
from pricebench.gate.junit import write_junit
from pricebench.gate.records import GateError
from pricebench.gate.report import Report
from pricebench.gate.table import line, row, sentences, workflow_commands
from tests.gate.made import NAME, UNSEEN, block, finding, report

MEASURED = {"num_blocks": 8, "num_slower": 5, "change": 0.01, "low": -0.01, "high": 0.03, "base": 1e-3, "head": 1.01e-3}
OK = finding("ok", **MEASURED)
SLOWER = finding("slower", "bench.py::test_slow", **MEASURED | {"change": 0.2, "low": 0.18, "high": 0.22})


@pytest.mark.parametrize(
    ("made", "code", "says"),
    [
        (report(OK), ExitCode.FINE, "This may be merged: 1 benchmark compared, none can be more than 3.0% slower"),
        (report(OK, finding("new")), ExitCode.FINE, "This may be merged: 1 benchmark compared"),
        (report(OK, finding("faster", **MEASURED)), ExitCode.FINE, "2 benchmarks compared"),
        (report(OK, SLOWER), ExitCode.REGRESSION, "Do not merge: 1 slower (test_slow)."),
        (report(SLOWER, control=UNSEEN), ExitCode.REGRESSION, "Do not merge"),
        (report(SLOWER, finding("wrong answer")), ExitCode.REGRESSION, "1 with a wrong answer (test_sum[small])"),
        (report(OK, finding("wrong answer")), ExitCode.BROKEN, "1 with a wrong answer"),
        (report(OK, finding("gone")), ExitCode.BROKEN, "1 gone"),
        (report(OK, structure=("graphs 1, now 2",)), ExitCode.BROKEN, "structure changed in 1 place."),
        (
            report(OK, finding("gone", accepted="not needed")),
            ExitCode.FINE,
            "This may be merged: 1 benchmark",
        ),
        (
            report(OK, unchecked=("no compiler",)),
            ExitCode.BAD_INPUT,
            "the structure could not be checked; no compiler.",
        ),
        (report(SLOWER, unchecked=("no compiler",)), ExitCode.REGRESSION, "Do not merge: 1 slower (test_slow)."),
        (
            report(OK, control=UNSEEN),
            ExitCode.BAD_INPUT,
            "The gate is blind: of 15% planted in test_sum[small] it saw +1.0%",
        ),
        (
            report(OK, control=UNSEEN, blocks=(block(0), block(1))),
            ExitCode.BAD_INPUT,
            "The gate is blind: 2 blocks fitted into the budget, and the first verdict needs 8.",
        ),
        (report(finding("new"), control=None), ExitCode.BAD_INPUT, "The gate is blind: nothing could be measured"),
        (report(OK, finding("undecided", **MEASURED)), ExitCode.INCONCLUSIVE, "Inconclusive: 1 undecided"),
    ],
)
def test_the_exit_code_says_the_worst_that_is_certain(made, code, says):
    assert made.exit_code is code
    assert says in made.sentence


def test_an_accepted_slowdown_passes_and_is_told():
    made = report(OK, finding("slower", accepted="accepted up to 25% until 2027-01-31: batching", **MEASURED))

    assert made.exit_code is ExitCode.FINE
    assert "1 slower as accepted" in made.sentence


def test_a_report_is_read_as_it_was_written(tmp_path):
    made = report(OK, SLOWER, blocks=(block(0),), warnings=("busy",), structure=("x",))
    path = tmp_path / "a_1.json"

    made.save(path)

    assert Report.load(path) == made
    assert json.loads(path.read_text())["exit_code"] == 1


def with_field(name, value):
    return json.dumps({**report().to_json(), "findings": [{**asdict(OK), name: value}]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "found None"),
        ('{"schema": 99}', "found 99"),
        ('{"schema": 1}', "wrong field"),
        (
            with_field("change", "x"),
            "change is 'x', expected a number",
        ),
        (with_field("note", 3), "note is 3, expected a text"),
        (json.dumps({**report().to_json(), "base": 3}), "base is 3"),
        (json.dumps({**report().to_json(), "machine": []}), r"machine is \[\]"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(tmp_path, text, says):
    path = tmp_path / "a_1.json"
    path.write_text(text)

    with pytest.raises(GateError, match=says):
        Report.load(path)


def test_reports_are_ordered_by_their_time(tmp_path):
    for name in ("b_20260102T000000Z", "a_20260103T000000Z", "c_20260101T000000Z"):
        (tmp_path / f"{name}.json").touch()
    (tmp_path / "bank.jsonl.gz").touch()

    assert [path.stem[0] for path in stored_reports(tmp_path)] == ["c", "b", "a"]


def test_a_row_has_times_interval_blocks_and_verdict():
    assert row(SLOWER) == ("test_slow", "1.00 ms -> 1.01 ms", "+20.0%", "+18.0% to +22.0%", "5/8", "-", "slower")


def test_what_was_not_measured_has_no_numbers():
    assert row(finding("new", note="base does not have it")) == (
        *("test_sum[small]", "-", "-", "-", "-", "-"),
        "new (base does not have it)",
    )


def test_structure_control_and_conditions_are_told():
    told = "\n".join(sentences(report(OK, structure=("inference[compile-full]: graphs 1, now 0",), warnings=("busy",))))

    assert "structure: inference[compile-full]: graphs 1, now 0" in told
    assert "control: 15% planted in test_sum[small], seen as +14.9%" in told
    assert "warning: busy" in told
    assert "on one core" in told


def test_what_could_not_be_checked_is_told_everywhere(tmp_path):
    made = report(OK, unchecked=("no compiler",), machine={"threads": 2})

    told = "\n".join(sentences(made))
    assert "structure: not checked, no compiler" in told
    assert "as committed" not in told
    assert "on 2 cores" in told
    assert workflow_commands(made) == ["::error title=structure::not checked, no compiler"]
    write_junit(made, tmp_path / "gate.xml", {each.benchmark: line(each) for each in made.findings})
    assert ET.parse(tmp_path / "gate.xml").getroot()[0].get("errors") == "1"  # noqa: S314 - our own file


def test_junit_has_a_failure_per_slower_benchmark_and_skips_what_is_undecided(tmp_path):
    hostile = finding("wrong answer", 'bench.py::test[<&">\x00]', note="<script>\x1b[2J")
    made = report(OK, SLOWER, finding("undecided", "bench.py::test_u"), hostile, control=UNSEEN, structure=("s",))

    write_junit(made, tmp_path / "gate.xml", {each.benchmark: line(each) for each in made.findings})

    suite = ET.parse(tmp_path / "gate.xml").getroot()[0]  # noqa: S314 - our own file
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {
        "test_sum[small]": [],
        "test_slow": ["failure"],
        "test_u": ["skipped"],
        'test[<&">?]': ["failure"],
        "structure 1": ["failure"],
        "the planted slowdown is seen": ["error"],
    }
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "3",
        "errors": "1",
        "skipped": "1",
    }


def test_annotations_cannot_be_broken_out_of():
    hostile = finding("wrong answer", "bench.py::test[a,b::c]", note="100%\n::error::forged")

    (told,) = workflow_commands(report(hostile))

    assert told.startswith("::error file=bench.py,title=bench.py%3A%3Atest[a%2Cb%3A%3Ac]::")
    assert "\n" not in told
    assert "100%25%0A" in told


def test_annotations_name_what_blocks_and_what_is_open():
    made = report(OK, SLOWER, finding("undecided", NAME), structure=("s",), control=UNSEEN)

    kinds = [told.split("::")[1].split(" ")[0] for told in workflow_commands(made)]

    assert kinds == ["error", "warning", "error", "error"]
