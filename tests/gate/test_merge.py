"""Shards that are one run, and such as are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pricebench.errors import ExitCode
from pricebench.gate.control import Control
from pricebench.gate.merge import merge
from pricebench.gate.partition import digest
from pricebench.gate.records import GateError
from pricebench.gate.report import Report
from pricebench.gate.shard import Shard
from pricebench.gate.table import sentences
from tests.gate.made import SEEN, UNSEEN, block, finding, report

PARTITION = (("a.py::x", "a.py::z"), ("a.py::y",))
FACTS = {"base": "a" * 40, "tree of head": "0123", "budget": "300 s"}
MEASURED = {"num_blocks": 8, "change": 0.01, "low": -0.01, "high": 0.03}


def shard(number, *, verdicts=("ok",), control=SEEN, partition=PARTITION, facts=FACTS, machine=None, **more):
    own = partition[number - 1]
    machine = machine or {"cpu": "one", "logical_cores": 2, "python": "3.11"}
    findings = [finding(verdict, name, **MEASURED) for name, verdict in zip(own, verdicts, strict=False)]
    blocks = tuple(block(index, name=own[0]) for index in range(8)) if own and control else ()
    part = Shard(
        number=number,
        count=len(partition),
        partition=digest(partition),
        benchmarks=own,
        facts=facts,
        machine=machine,
        control=control,
        num_blocks=len(blocks),
        seconds=10.0 * number,
    )
    facts = {"machine": machine, "blocks": blocks, "seconds": 10.0 * number, "was_structure_checked": number == 1}
    return report(*findings, control=control, shard=part, **{**facts, **more})


@pytest.fixture
def merged(tmp_path):
    def merge_them(*reports):
        paths = []
        for index, made in enumerate(reports):
            paths.append(tmp_path / f"{index}.json")
            made.save(paths[-1])
        return merge(paths)

    return merge_them


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("ok", "ok", ExitCode.FINE),
        ("ok", "slower", ExitCode.REGRESSION),
        ("slower", "ok", ExitCode.REGRESSION),
        ("ok", "undecided", ExitCode.INCONCLUSIVE),
        ("undecided", "slower", ExitCode.REGRESSION),
        ("wrong answer", "undecided", ExitCode.BROKEN),
    ],
)
def test_the_worst_of_any_shard_is_the_verdict(merged, first, second, code):
    found = merged(shard(2, verdicts=[second]), shard(1, verdicts=[first, "ok"]))

    assert found.exit_code is code
    assert [each.benchmark for each in found.findings] == ["a.py::x", "a.py::z", "a.py::y"]
    assert len(found.blocks) == 16
    assert found.seconds == 20.0
    assert found.was_structure_checked


def test_a_merged_report_is_a_report_like_any(merged, tmp_path):
    found = merged(shard(1), shard(2))
    found.save(tmp_path / "merged.json")

    assert Report.load(tmp_path / "merged.json") == found


@pytest.mark.parametrize("blind", [1, 2])
def test_one_blind_shard_makes_the_run_blind(merged, blind):
    found = merged(*(shard(number, control=UNSEEN if number == blind else SEEN) for number in (1, 2)))

    assert found.exit_code is ExitCode.BAD_INPUT
    assert "The gate is blind: of 15% planted in test_sum[small] it saw +1.0%" in found.sentence


def test_a_shard_without_benchmarks_breaks_nothing(merged):
    partition = (("a.py::x",), ())
    empty = shard(2, partition=partition, control=None)

    assert empty.exit_code is ExitCode.FINE
    assert "Nothing to measure in this shard" in empty.sentence
    found = merged(shard(1, partition=partition), empty)
    assert found.exit_code is ExitCode.FINE
    assert "1 benchmark compared" in found.sentence


def test_shards_that_all_had_nothing_to_measure_pass_nothing(merged):
    found = merged(shard(1, control=None), shard(2, control=None))

    assert found.exit_code is ExitCode.BAD_INPUT


def test_runners_may_differ_and_each_is_shown(merged):
    found = merged(shard(1), shard(2, machine={"cpu": "two", "logical_cores": 4, "python": "3.11"}))

    told = "\n".join(sentences(found))
    assert "shard 1/2: one, 2 logical cores; 2 benchmarks, 8 blocks, 10 s; control: 15% planted" in told
    assert "shard 2/2: two, 4 logical cores; 1 benchmarks, 8 blocks, 20 s; control: 15% planted" in told
    assert found.fingerprint not in (shard(1).fingerprint, shard(2).fingerprint)


def test_what_all_shards_say_is_told_once(merged):
    found = merged(
        shard(1, warnings=("no submodules", "busy"), structure=("x",)), shard(2, warnings=("no submodules",))
    )

    assert found.warnings == ("no submodules", "shard 1: busy")
    assert found.structure == ("x",)


OTHER = {"cpu": "one", "logical_cores": 2, "python": "3.12"}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([shard(1)], r"expected 2 shards, found 1: missing 2\. Measure: pricebench gate --shard 2/2"),
        ([shard(1), shard(2), shard(2)], r"2\.json: shard 2/2 is there twice, also in .*1\.json"),
        (
            [shard(1), shard(2, facts=FACTS | {"base": "c" * 40})],
            "another run: base: expected a+ as in .*0.json, found c+",
        ),
        ([shard(1), shard(2, facts=FACTS | {"tree of head": "4567"})], "tree of head: expected 0123 .*, found 4567"),
        ([shard(1), shard(2, facts=FACTS | {"budget": "60 s"})], "budget: expected 300 s .*, found 60 s"),
        ([shard(1), shard(2, machine=OTHER)], r"libraries: expected .*3\.11.* found .*3\.12"),
        ([shard(1), shard(2, partition=(*PARTITION, ()))], "number of shards: expected 2 .*, found 3"),
        ([shard(1), shard(2, partition=(("a.py::x",), ("a.py::y", "a.py::z")))], "partition: expected"),
        ([shard(1), report(finding("ok"))], "expected the report of a shard, found a report of a whole run"),
    ],
)
def test_what_is_not_one_run_is_refused_in_one_line(merged, parts, says):
    with pytest.raises(GateError, match=says) as refused:
        merged(*parts)

    assert "\n" not in str(refused.value)


def test_a_file_that_is_named_twice_is_refused(tmp_path):
    path = tmp_path / "1.json"
    shard(1).save(path)

    with pytest.raises(GateError, match=r"1\.json is named twice"):
        merge([path, path])


def test_a_merged_report_is_not_merged_again(merged):
    whole = merged(shard(1), shard(2))

    with pytest.raises(GateError, match="found a merged report"):
        merged(whole)


def test_a_shard_whose_list_was_shortened_is_refused(merged):
    made = shard(1)

    with pytest.raises(GateError, match="a file was changed"):
        merged(replace(made, findings=(), shard=replace(made.shard, benchmarks=("a.py::x",))), shard(2))


def test_a_finding_about_a_benchmark_of_another_shard_is_refused(merged):
    made = shard(2)

    with pytest.raises(GateError, match=r"says something of a\.py::x, which is not its own"):
        merged(shard(1), replace(made, findings=(finding("ok", "a.py::x"),)))


def test_a_run_that_had_no_time_says_so_by_its_shortest_shard(merged):
    unseen = Control(benchmark="a.py::y", planted=0.15, change=None, is_seen=False)
    short = shard(2, control=unseen)
    short = replace(short, blocks=short.blocks[:2], shard=replace(short.shard, num_blocks=2))

    assert "The gate is blind: 2 blocks fitted into the budget" in merged(shard(1), short).sentence
