from __future__ import annotations

from datetime import date

import pytest

from pricebench.gate.records import GateError
from pricebench.gate.reviewed import Accepted, differences, load_structure, save_structure, unchecked

LINE = """
[[slowdown]]
benchmark = "*[compile-full]"
commit = "abc123"
at_most = 0.12
reason = "float64 inside"
until = 2026-12-31
"""
BENCHMARK = "a.py::test_forward[compile-full]"
TODAY = date(2026, 11, 24)


def accepted(folder, text):
    path = folder / "accepted.toml"
    path.write_text(text)
    return Accepted.load(path)


def judged(found, *, change=0.1, benchmark=BENCHMARK, today=TODAY, between=True):
    return found.of(benchmark, change, today=today, is_between=lambda _: between)


def test_without_a_file_nothing_is_accepted(tmp_path):
    assert Accepted.load(tmp_path / "none.toml") == Accepted()


def test_a_line_accepts_its_benchmark_up_to_its_size(tmp_path):
    line, told = judged(accepted(tmp_path, LINE))

    assert line.reason == "float64 inside"
    assert told == []


def test_the_last_day_counts(tmp_path):
    assert judged(accepted(tmp_path, LINE), today=date(2026, 12, 31))[0]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"change": 0.13}, "12.0% slower was accepted for abc123, found 13.0%"),
        ({"today": date(2027, 1, 1)}, "ended on 2026-12-31"),
        ({"between": False}, "abc123, which is not between base and head"),
    ],
)
def test_a_line_that_does_not_count_says_why(tmp_path, facts, says):
    line, told = judged(accepted(tmp_path, LINE), **facts)

    assert line is None
    assert says in told[0]


def test_a_line_is_about_its_benchmark_only(tmp_path):
    assert judged(accepted(tmp_path, LINE), benchmark="a.py::test_forward[eager-full]") == (None, [])


def test_renamed_benchmarks_are_compared(tmp_path):
    found = accepted(tmp_path, '[[renamed]]\nbase = "a.py::old"\nhead = "a.py::new"\nreason = "clearer"\n')

    assert found.renamed == {"a.py::old": "a.py::new"}


def test_removed_benchmarks_have_their_reason(tmp_path):
    found = accepted(tmp_path, '[[removed]]\nbenchmark = "a.py::old"\nreason = "the other says it all"\n')

    assert found.removed == {"a.py::old": "the other says it all"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LINE.replace("at_most = 0.12", ""), "slowdown 1: expected benchmark, commit, at_most, reason, until; found"),
        (LINE.replace("0.12", "12.5"), "at_most is 12.5, expected a share such as 0.12"),
        (LINE.replace("2026-12-31", '"soon"'), "until is 'soon', expected a date"),
        (LINE.replace('"float64 inside"', '" "'), "reason is ' ', expected a text"),
        ("[[slowdwn]]\n", "No table is called 'slowdwn'. Did you mean 'slowdown'?"),
        ("[[renamed]]\nbase = 'x'\n", "renamed 1: expected base, head, reason"),
        ("[[removed]]\nbenchmark = 'x'\n", "removed 1: expected benchmark, reason"),
        ("[removed]\nbenchmark = 'x'\n", "[removed] is one table, expected [[removed]]"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_line_is_one_sentence(tmp_path, text, says):
    with pytest.raises(GateError) as caught:
        accepted(tmp_path, text)

    assert says in str(caught.value)


# ---- structure -----------------------------------------------------------------------------------------------------


def facts(**case):
    return {"schema": 1, "torch": "2.15.0", "workload": "w", "cases": {"inference[compile-full]": case}}


def test_equal_facts_have_no_difference(tmp_path):
    made = facts(graphs=1, aten={"addmm": 3})
    save_structure(tmp_path / "structure.json", made)

    assert differences(load_structure(tmp_path / "structure.json"), made) == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (facts(graphs=1), facts(graphs=0), "inference[compile-full]: graphs 1, now 0"),
        (facts(aten={"addmm": 3}), facts(aten={"addmm": 3, "clone": 1}), "aten clone 0, now 1"),
        (facts(kernels=["a"]), facts(kernels=["a", "b"]), "kernels ['a'], now ['a', 'b']"),
        (facts(graphs=1), facts(fails="RuntimeError: x"), "inference[compile-full]: fails now, RuntimeError: x"),
        (facts(), {**facts(), "cases": {}}, "inference[compile-full]: gone"),
        ({**facts(), "cases": {}}, facts(), "inference[compile-full]: new"),
        # A wrong answer is wrong, whoever committed it, on any torch.
        (facts(equals_eager=False), facts(equals_eager=False), "wrong answer"),
        (facts(), {**facts(equals_eager=False), "torch": "2.16.0"}, "wrong answer"),
    ],
)
def test_each_fact_that_changed_is_a_sentence(before, after, says):
    (told,) = differences(before, after)

    assert says in told


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({**facts(graphs=2), "torch": "2.16.0"}, "committed for torch 2.15.0, this is 2.16.0"),
        (facts(missing="there is no C++ compiler"), "inference[compile-full]: there is no C++ compiler"),
    ],
)
def test_what_cannot_be_compared_here_is_no_difference(found, says):
    (told,) = unchecked(facts(graphs=1), found)

    assert says in told
    assert differences(facts(graphs=1), found) == []


def test_facts_of_the_same_torch_are_all_compared():
    assert unchecked(facts(graphs=1), facts(graphs=2)) == []


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_what_is_no_structure_is_refused(tmp_path, text):
    (tmp_path / "structure.json").write_text(text)

    with pytest.raises(GateError, match="--update-structure"):
        load_structure(tmp_path / "structure.json")
