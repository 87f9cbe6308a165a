"""Plain functions as arms: no pytest and no torch in the processes that are measured."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from pricebench.paired.blocks import blocks
from pricebench.paired.processes import Crew, usable_cores
from pricebench.paired.slices import Case, Experiment
from pricebench.paired.statistics import log_ratios
from pricebench.paired.worker import Process, WorkerError
from pricebench.paired.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arms are forked, and told apart by their cores")

ROOT = Path(__file__).parents[2]
CALL = 1e-3


@pytest.fixture
def crew():
    with Workspace() as workspace:
        yield Crew(workspace=workspace)


def arm(name, target="tests.paired.workers:pretend", **arguments):
    python = Path(sys.executable)
    return Process(arm=name, folder=ROOT, python=python, target=target, arguments=arguments, path=(str(ROOT),))


def measured(crew, arms, cases, number=1, **options):
    """So many blocks."""
    left = iter([cases] * number)
    found = blocks(crew, lambda: arms, lambda: next(left, ()), modules=["json", "decimal"], seed=1, **options)
    return list(found)


def both(case):
    return {"a": case, "b": case}


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_an_arm_that_takes_a_fifth_longer_is_found(crew, ahead):
    spin = "tests.paired.workers:spin"
    arms = [arm("a", spin, sums=CALL), arm("b", spin, sums=1.2 * CALL)]

    found = measured(crew, arms, [Case(name="sums", ids=both("sums"))], 3, ahead=ahead)

    assert [block.number for block in found] == [0, 1, 2]
    assert [len(block.seconds["sums"]["a"]) for block in found] == [8, 8, 8]
    assert np.median(log_ratios(found, "sums", "b", ["a"])) == pytest.approx(math.log(1.2), abs=0.05)


@pytest.mark.parametrize(("spare", "begun"), [(0, [1, 2]), (1, [2, 3])])
def test_the_next_block_is_begun_beside_the_slices_only_where_a_core_is_spare(spare, begun):
    cores = usable_cores()
    if len(cores) <= spare:
        pytest.skip("needs a core beside the one that measures")
    asked, during = [], []
    cases = iter([[Case(name="sums", ids={"a": "sums"})]] * 2)

    def arms():
        asked.append(len(asked))
        return [arm("a", sums=CALL)]

    def before_slice(_):
        during.append(len(asked))

    with Workspace() as workspace:
        crew = Crew(workspace=workspace, cores=cores[: 1 + spare])
        experiment = Experiment(before_slice=before_slice)
        list(blocks(crew, arms, lambda: next(cases, ()), modules=["json"], seed=1, experiment=experiment))

    assert list(dict.fromkeys(during)) == begun


def test_a_slowdown_is_planted(crew):
    arms = [arm("a", sums=CALL), arm("b", sums=CALL)]
    planted = Experiment(planted={"b": 0.5})

    found = measured(crew, arms, [Case(name="sums", ids=both("sums"))], experiment=planted)

    assert log_ratios(found, "sums", "b", ["a"]) == pytest.approx([math.log(1.5)])
    # By hand: slices of 20 ms of a call of 1 ms.
    assert found[0].calls == {"sums": 20}


def test_a_case_may_have_other_ids_and_leave_arms_out(crew):
    arms = [arm("a", old=CALL, both=CALL), arm("b", new=CALL), arm("c", new=CALL)]
    cases = [Case(name="new", ids={"a": "old", "b": "new"}), Case(name="both", ids={"a": "both", "absent": "both"})]

    (block,) = measured(crew, arms, cases)

    assert {name: set(slices) for name, slices in block.seconds.items()} == {"new": {"a", "b"}, "both": {"a"}}
    assert block.failures == {}


def test_an_arm_that_fails_a_case_is_a_failure_of_the_block_and_others_go_on(crew):
    arms = [arm("a", bad=CALL, good=CALL), arm("b", bad=0, good=CALL)]
    cases = [Case(name=name, ids=both(name)) for name in ("bad", "good")]

    (block,) = measured(crew, arms, cases)

    assert block.failures == {"bad": {"b": "failed: ZeroDivisionError: division by zero"}}
    assert set(block.seconds) == {"good"}


def test_what_one_arm_does_not_reach_is_measured_on_none(crew):
    arms = [arm("a", sums=CALL), arm("b", "tests.paired.workers:skip", reason="not here")]

    (block,) = measured(crew, arms, [Case(name="sums", ids=both("sums"))])

    assert block.failures == {"sums": {"b": "skipped: not here"}}
    assert block.seconds == {}


def test_an_arm_that_dies_is_named(crew):
    arms = [arm("a", sums=CALL), arm("b", "tests.paired.workers:die")]

    with pytest.raises(WorkerError, match="b ended: RuntimeError: no worker today") as raised:
        measured(crew, arms, [Case(name="sums", ids=both("sums"))])
    assert raised.value.arm == "b"
