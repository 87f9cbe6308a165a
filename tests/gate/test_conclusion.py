from __future__ import annotations

import math

import pytest

from pricebench.gate.conclusion import judge_control, judge_pair, unpaired
from pricebench.gate.judge import Verdict
from pricebench.gate.records import Arm, Pair
from pricebench.gate.rehearsal import Rehearsal
from tests.gate.made import NAME, block, company

PAIR = Pair(base=NAME, head=NAME)
WIGGLE = (0.001, -0.001, 0.002, -0.002, 0.0, 0.001, -0.001, 0.0)


def blocks(head=0.0, **facts):
    return [block(number, head=head + wiggle, **facts) for number, wiggle in enumerate(WIGGLE)]


def rehearsal(*, works=(), failed=(), skipped=(), broken=(), unwanted=()):
    return Rehearsal(
        estimates=dict.fromkeys(works, 1e-3),
        rounds={},
        failed=dict.fromkeys(failed, "assert 1 == 2"),
        skipped=dict.fromkeys(skipped, "no device"),
        broken=dict.fromkeys(broken, "No module named 'x'"),
        unwanted=dict.fromkeys(unwanted, "could not import 'x'"),
        machine={},
        modules={},
    )


def verdicts(base, head, pairs=()):
    found = unpaired(base, head, [Pair(base=name, head=name) for name in pairs], lambda _: 0.05)
    return {finding.benchmark: (finding.verdict, finding.note) for finding in found}


@pytest.mark.parametrize(("head", "verdict"), [(0.0, "ok"), (0.1, "slower"), (-0.1, "faster")])
def test_blocks_become_a_finding(head, verdict):
    found = judge_pair(blocks(head), PAIR, 0.05)

    assert found.verdict == verdict
    assert found.change == pytest.approx(math.expm1(head), abs=0.002)
    assert found.base == pytest.approx(1e-3)
    assert found.num_blocks == 8


def test_two_copies_of_base_that_differ_make_it_undecided():
    found = judge_pair(blocks(0.1, null=0.1), PAIR, 0.05)

    assert found.verdict is Verdict.UNDECIDED
    assert "two copies of base differ by +10.5%" in found.note


@pytest.mark.parametrize(
    ("head", "who", "says"),
    [
        (0.15, company(head=(0.5, 0.0)), "others had the core for 50% more of the time while head was measured"),
        (-0.15, company(base=(0.1, 0.0)), "others had the core for 10% more of the time while base was measured"),
        (0.15, company(head=(0.0, 0.9)), "others used 0.90 cores more while head was measured"),
    ],
)
def test_a_difference_that_others_may_have_made_is_not_called_one(head, who, says):
    found = judge_pair(blocks(head, company=who), PAIR, 0.05)

    assert found.verdict is Verdict.UNDECIDED
    assert says in found.note


def test_a_busy_neighbour_does_not_explain_a_tenfold_time():
    assert judge_pair(blocks(2.3, company=company(head=(0.0, 0.9))), PAIR, 0.05).verdict is Verdict.SLOWER


def test_waiting_that_explains_little_of_a_change_is_no_excuse():
    # 3 % of the time more, and twice as slow.
    assert judge_pair(blocks(0.7, company=company(head=(0.03, 0.0))), PAIR, 0.05).verdict is Verdict.SLOWER


def test_waiting_of_the_other_side_is_no_excuse():
    assert judge_pair(blocks(0.15, company=company(base=(0.1, 0.0))), PAIR, 0.05).verdict is Verdict.SLOWER


def test_one_burst_is_no_excuse_and_two_are():
    disturbed = [block(number, head=0.15, company=company(head=(0.6, 0.0))) for number in range(2)]
    quiet = [block(number, head=0.15 + wiggle, company=company()) for number, wiggle in enumerate(WIGGLE)]

    # A change leaves out the largest of eight blocks, and so does its excuse; of two, one is left: 0.6 / 6.
    assert judge_pair([*disturbed[:1], *quiet[:7]], PAIR, 0.05).verdict is Verdict.SLOWER
    assert judge_pair([*disturbed, *quiet[:6]], PAIR, 0.05).verdict is Verdict.UNDECIDED


def test_company_on_both_sides_is_no_excuse():
    found = judge_pair(blocks(0.2, company=company(head=(0.5, 0.9), base=(0.5, 0.9))), PAIR, 0.05)

    assert found.verdict is Verdict.SLOWER


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [({Arm.HEAD: "failed: assert 1 == 2"}, "wrong answer"), ({Arm.BASE: "x", Arm.HEAD: "x"}, "undecided")],
)
def test_a_failure_while_measuring_is_never_a_pass(failures, verdict):
    found = judge_pair([*blocks(), block(8, failures=failures)], PAIR, 0.05)

    assert found.verdict == verdict
    assert found.note


def test_a_slice_without_length_is_not_judged():
    assert judge_pair(blocks(-math.inf), PAIR, 0.05).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(("control", "seen"), [(0.14, True), (0.0, False)])
def test_the_planted_slowdown_is_seen_or_not(control, seen):
    found = judge_control([block(number, control=control + wiggle) for number, wiggle in enumerate(WIGGLE)], PAIR, 0.05)

    assert found.is_seen is seen
    assert found.planted == pytest.approx(0.15)


def test_without_a_control_nothing_was_seen():
    assert judge_control(blocks(), PAIR, 0.05).is_seen is False


def test_what_could_not_be_compared_is_named():
    found = verdicts(
        rehearsal(works=("kept", "gone", "fails", "skips"), failed=("mended", "both")),
        rehearsal(works=("kept", "new", "mended"), failed=("fails", "both", "new and wrong"), skipped=("skips",)),
        pairs=("kept",),
    )

    assert {name: str(verdict) for name, (verdict, _) in found.items()} == {
        "fails": "wrong answer",
        "both": "wrong answer",
        "new and wrong": "wrong answer",
        "new": "new",
        "mended": "new",
        "gone": "gone",
        "skips": "gone",
    }
    assert "assert 1 == 2" in found["fails"][1]
    assert found["skips"][1] == "head skips it: no device"


# ---- files that cannot be imported ---------------------------------------------------------------------------------


def test_benchmarks_of_a_file_that_head_cannot_import_are_wrong():
    base, head = rehearsal(works=["a.py::t", "b.py::t"]), rehearsal(works=["b.py::t"], broken=["a.py"])

    assert verdicts(base, head, ["b.py::t"]) == {
        "a.py::t": (Verdict.WRONG, "pytest on head cannot import a.py: No module named 'x'")
    }


def test_benchmarks_of_a_file_that_base_cannot_import_are_not_new_but_undecided():
    base, head = rehearsal(broken=["a.py"]), rehearsal(works=["a.py::t", "b.py::t"])

    found = verdicts(base, head)

    assert found["a.py::t"] == (
        Verdict.UNDECIDED,
        "pytest on base cannot import a.py: No module named 'x'; nothing is compared",
    )
    assert found["b.py::t"][0] is Verdict.NEW


@pytest.mark.parametrize("file", ["a.py", "bench/__init__.py"])
def test_a_file_that_nobody_can_import_is_wrong_itself(file):
    found = verdicts(rehearsal(broken=[file]), rehearsal(broken=[file], works=["b.py::t"]))

    assert found[file] == (Verdict.WRONG, f"pytest on base and on head cannot import {file}: No module named 'x'")


def test_a_file_that_base_could_not_import_and_head_does_not_have_is_gone():
    found = verdicts(rehearsal(broken=["a.py"]), rehearsal(works=["b.py::t"]))

    assert found["a.py"][0] is Verdict.GONE


def test_a_file_that_head_skips_is_gone_with_its_reason():
    found = verdicts(rehearsal(works=["a.py::t"]), rehearsal(unwanted=["a.py"]))

    assert found == {"a.py::t": (Verdict.GONE, "head skips a.py: could not import 'x'")}
