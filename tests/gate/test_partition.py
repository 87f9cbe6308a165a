from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.gate.partition import balanced, costs_of, dealt, digest, ids_of
from pricebench.gate.plan import Plan
from pricebench.gate.records import GateError
from pricebench.gate.rehearsal import Rehearsal

COUNTS = st.integers(1, 12)
COSTS = st.dictionaries(st.text(max_size=5), st.floats(0, 10), max_size=40)


def names(partition):
    return sorted(name for shard in partition for name in shard)


@given(COSTS, COUNTS)
def test_every_benchmark_is_in_exactly_one_shard(costs, count):
    for partition in (balanced(costs, count), dealt(costs, count)):
        assert len(partition) == count
        assert names(partition) == sorted(costs)


@given(COSTS, COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_finding_decides_nothing(costs, count, chance: random.Random):
    shuffled = list(costs.items())
    chance.shuffle(shuffled)

    assert balanced(dict(shuffled), count) == balanced(costs, count)
    assert dealt([name for name, _ in shuffled], count) == dealt(costs, count)


@given(COSTS, COUNTS)
def test_no_shard_costs_more_than_the_mean_and_one_benchmark(costs, count):
    loads = [sum(costs[name] for name in shard) for shard in balanced(costs, count)]

    assert max(loads) <= sum(costs.values()) / count + max(costs.values(), default=0.0) + 1e-9


@given(COSTS, COUNTS)
def test_names_alone_are_dealt_evenly(costs, count):
    sizes = [len(shard) for shard in dealt(costs, count)]

    assert max(sizes) - min(sizes) <= 1


def test_one_long_benchmark_is_worth_many_short_ones():
    assert balanced({"long": 6.0, "x": 2.0, "y": 2.0, "z": 2.0}, 2) == (("long",), ("x", "y", "z"))


def test_what_costs_nothing_is_dealt_evenly_too():
    assert [len(shard) for shard in balanced(dict.fromkeys("abcdefgh", 0.0), 4)] == [2, 2, 2, 2]


def test_grahams_worst_case_is_as_bad_as_he_proved():
    # Graham 1969: on two machines 3, 3, 2, 2, 2 come to 7, where 6 is possible; 4/3 - 1/6 times.
    costs = {"a": 3.0, "b": 3.0, "c": 2.0, "d": 2.0, "e": 2.0}

    assert sorted(sum(costs[name] for name in shard) for shard in balanced(costs, 2)) == [5, 7]


def test_another_partition_has_another_digest():
    assert digest((("a",), ("b",))) != digest((("b",), ("a",))) != digest((("a", "b"), ()))


def rehearsal(estimates=None, rounds=None, failed=None, broken=None):
    return Rehearsal(
        estimates=estimates or {},
        rounds=rounds or {},
        failed=failed or {},
        skipped={},
        broken=broken or {},
        machine={},
        modules={},
    )


def test_a_benchmark_that_was_renamed_goes_with_its_new_name_whether_it_works_or_not():
    base = rehearsal({"old": 1e-3, "gone": 1e-3})
    for head in (rehearsal({"new": 1e-3}), rehearsal(failed={"new": "no"})):
        assert ids_of(base, head, {"new": "old"}) == {"gone": "gone", "new": "new", "old": "new"}


def test_a_file_that_cannot_be_imported_is_somebodys_too():
    assert ids_of(rehearsal(broken={"a.py": "no"}), rehearsal({"b.py::test": 1.0}), {}).keys() == {"a.py", "b.py::test"}


def test_the_cost_of_a_benchmark_is_what_a_block_spends_on_it():
    # Short calls fill eight slices of 20 ms; calls of half a second are made four times; an event of a second once.
    seconds = {"short": 1e-5, "long": 0.5, "event": 1.0, "new": 1.0}
    base = rehearsal({name: value for name, value in seconds.items() if name != "new"}, rounds={"event": 1})

    costs = costs_of(seconds, base, rehearsal(seconds), {})

    assert costs == pytest.approx({"short": 0.16, "long": 2.0, "event": 1.0, "new": 0.0})


PLAN = Plan(facts={"base": "abc"}, partition=(("a",), ("b",), ()), costs={"a": 1.0, "b": 2.0})


def test_a_plan_is_read_as_it_was_written(tmp_path):
    PLAN.save(tmp_path / "plan.json")

    assert Plan.load(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize(
    ("facts", "found", "count", "says"),
    [
        ({"base": "abc"}, ["a", "b"], 2, "the plan is for 3 shards, and this is one of 2"),
        ({"base": "def"}, ["a", "b"], 3, "another base: abc, here it is def"),
        ({"base": "abc"}, ["a"], 3, "b is in the plan and not here"),
        ({"base": "abc"}, ["a", "b", "c"], 3, "c is here and not in the plan"),
    ],
)
def test_a_plan_of_another_run_is_refused(facts, found, count, says):
    with pytest.raises(GateError, match=says):
        PLAN.check(facts=facts, names=found, count=count)


def test_a_plan_that_gives_a_benchmark_twice_is_refused(tmp_path):
    path = tmp_path / "plan.json"
    PLAN.save(path)
    path.write_text(path.read_text().replace('"b"', '"a"'))

    with pytest.raises(GateError, match="a is in shard 2 of 3, expected in exactly one of them"):
        Plan.load(path)
