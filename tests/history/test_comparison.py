from __future__ import annotations

import numpy as np
import pytest

from pricebench.history import HistoryError, Run, Status, compare, open_history, short_names
from pricebench.history.comparison import usual_change
from tests.history.making import entry, run, store


def as_run(*benchmarks, **options):
    return Run.from_json(run(*benchmarks, **options))


def statuses(comparison):
    return {row.benchmark.partition("::")[2]: row.status for row in comparison.rows}


def test_a_benchmark_of_both_runs_has_a_ratio():
    (row,) = compare(as_run(entry(median=2.0)), as_run(entry(median=3.0))).rows

    assert (row.status, row.ratio, row.note) == (Status.BOTH, 1.5, "")


def test_two_fingerprints_are_refused_with_the_facts_that_differ():
    other = as_run(fingerprint="ffff", facts={"cpu": "A", "threads": 1})

    with pytest.raises(HistoryError, match="0123456789 and ffff: threads 2 against 1"):
        compare(as_run(), other)


def test_files_that_state_no_machine_are_refused():
    unknown = as_run(machine_info={})

    with pytest.raises(HistoryError, match="states nothing about its machine"):
        compare(unknown, unknown)


def test_plain_pytest_benchmark_files_of_one_machine_are_compared_with_a_warning():
    info = {"cpu": {"brand_raw": "A"}, "system": "Linux", "python_version": "3.11.7", "node": "x"}
    other = info | {"node": "y", "cpu": {"brand_raw": "A", "hz_actual": [1, 0]}, "python_version": "3.11.9"}

    comparison = compare(as_run(machine_info=info), as_run(machine_info=other))

    assert any("torch, BLAS, threads and device are unknown" in warning for warning in comparison.warnings)


def test_new_and_missing_benchmarks_are_named():
    comparison = compare(
        as_run(entry("test_old"), entry("test_kept")), as_run(entry("test_kept"), entry("test_brand_new"))
    )

    assert statuses(comparison) == {
        "test_kept": Status.BOTH, "test_brand_new": Status.NEW, "test_old": Status.MISSING
    }  # fmt: skip
    assert [row.ratio for row in comparison.rows] == [1.0, None, None]


def test_a_renamed_function_is_paired_by_its_parameters():
    before = [entry(f"test_forward[{mode}-full]", median=1.0) for mode in ("eager", "fx")]
    after = [entry(f"test_forward_pass[{mode}-full]", median=2.0) for mode in ("eager", "fx")]

    comparison = compare(as_run(*before), as_run(*after))

    assert statuses(comparison) == {
        "test_forward_pass[eager-full]": Status.RENAMED, "test_forward_pass[fx-full]": Status.RENAMED
    }  # fmt: skip
    assert comparison.rows[0].note == "probably renamed from benchmarks/test_x.py::test_forward[eager-full]"
    assert comparison.rows[0].ratio == 2.0


def test_a_benchmark_that_moved_to_another_file_is_paired():
    comparison = compare(as_run(entry("test_f[a]")), as_run(entry("test_f[a]", file="suite/test_y.py")))

    assert comparison.rows[0].note == "probably renamed from benchmarks/test_x.py::test_f[a]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["test_load"], ["test_train_step"]),  # unlike
        (["test_f[a]", "test_f[b]"], ["test_g[a]"]),  # other parameters
        (["test_step_one", "test_step_two"], ["test_step_six"]),  # two candidates
    ],
)
def test_what_may_be_two_things_is_not_paired(before, after):
    comparison = compare(as_run(*map(entry, before)), as_run(*map(entry, after)))

    assert set(statuses(comparison).values()) == {Status.NEW, Status.MISSING}


def test_two_clocks_are_not_compared():
    (row,) = compare(as_run(entry(timer="perf_counter")), as_run(entry(timer="process_time"))).rows

    assert (row.status, row.ratio) == (Status.INCOMPARABLE, None)
    assert row.note == "timer perf_counter, now process_time"


def test_two_workloads_are_not_compared():
    (row,) = compare(as_run(entry(workload="small")), as_run(entry(workload="large"))).rows

    assert (row.status, row.ratio) == (Status.INCOMPARABLE, None)
    assert row.note == "workload small, now large"


def test_warnings_of_both_runs_and_other_data_are_said():
    comparison = compare(as_run(warnings=["busy machine"]), as_run(data="other", warnings=["dirty tree"]))

    assert comparison.warnings[:3] == (
        "before: busy machine", "after: dirty tree", "the data sets differ: houses before, other after"
    )  # fmt: skip


def test_usual_change_is_the_spread_from_run_to_run():
    # Independent points with a standard deviation of 2 % differ from one another by 2 % times the square root of two.
    medians = np.exp(0.02 * np.random.default_rng(1).standard_normal(4000))

    assert usual_change(medians) == pytest.approx(0.02 * np.sqrt(2), rel=0.05)


def test_usual_change_is_unknown_below_eight_runs_and_hardly_moved_by_a_step():
    chance = np.random.default_rng(2)
    quiet = np.exp(0.02 * chance.standard_normal(200))

    assert usual_change(quiet[:7]) is None
    assert usual_change(quiet * np.repeat([1.0, 3.0], 100)) == pytest.approx(usual_change(quiet), rel=0.05)


def test_only_what_is_beyond_the_usual_is_called_unusual(tmp_path):
    # Alternating by 1 %: from run to run the logarithm moves by 0.00995; times 1.4826 times 3.29 that is 4.85 %.
    levels = [1.0 + 0.01 * (number % 2) for number in range(12)]
    for number, level in enumerate([*levels, 1.04, 1.10]):
        store(tmp_path, run(entry("test_f", median=level), entry("test_g", median=1.0 / level), number=number))
    history = open_history(tmp_path, cache_home=tmp_path / "cache")

    usual = history.compare("last~2", "last~1")
    unusual = history.compare("last~2", "last")

    assert [row.is_unusual for row in usual.rows] == [False, False]
    assert [row.is_unusual for row in unusual.rows] == [True, True]


def test_a_tiny_change_is_not_unusual_however_quiet_the_series():
    (row,) = compare(as_run(entry(median=1.0)), as_run(entry(median=1.02)), {entry()["fullname"]: 1e-6}).rows

    assert row.is_unusual is False


def test_short_names_leave_the_file_out_only_where_nothing_is_confused():
    assert short_names(["a::f", "b::f"]) == {"a::f": "a::f", "b::f": "b::f"}
