from __future__ import annotations

import json

import pytest
import torch

from tests.devices import without_cuda

CONFTEST = """
    from pricebench.pytest_plugin import keep_history, note
    def pytest_configure(config):
        keep_history(config)
"""
SUITE = """
    import pytest
    from pricebench.pytest_plugin import note
    @pytest.mark.parametrize("mode", ["eager", "fx"])
    def test_forward(benchmark, mode, pytestconfig):
        note(pytestconfig, data="houses.csv")
        benchmark.extra_info["rows"] = 100
        benchmark(sum, range(100 if mode == "eager" else 1000))
"""
QUICK = ("--benchmark-max-time=0.01", "--benchmark-min-rounds=3", "-p", "pricebench.pytest_plugin")


@pytest.fixture
def suite(pytester):
    """A project of somebody else's, whose conftest keeps the history."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_suite=SUITE)

    def run(*options):
        # In this process: a new one takes seconds to import torch.
        return pytester.runpytest_inprocess(*QUICK, *options)

    run.path = pytester.path
    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


def stored(folder):
    return sorted(folder.glob("reports/history/*/*.json"))


def test_a_run_is_stored_under_its_fingerprint_and_shown_with_ratios(suite):
    result = suite()

    (path,) = stored(suite.path)
    content = json.loads(path.read_text())
    fingerprint = content["machine_info"]["fingerprint"]
    assert path.parent.name == fingerprint
    assert path.name.startswith("0001_unversioned_")
    assert content["pricebench"]["data"] == "houses.csv"
    assert content["benchmarks"][0]["stats"]["data"]
    result.stdout.fnmatch_lines(
        [
            f"*fingerprint: {fingerprint} *",
            "*forward*",
            "*/ eager*",
            "*eager*1.00*",
            f"stored: reports/history/{fingerprint}/0001_*",
        ]
    )


def test_nothing_of_the_machine_or_its_clock_is_stored_that_differs_between_runs(suite):
    suite()

    info = json.loads(stored(suite.path)[0].read_text())["machine_info"]

    assert not {"node", "release"} & set(info)
    assert not any("hz" in name for name in info["cpu"])
    assert set(info["facts"]) == {
        "cpu", "architecture", "logical_cores", "system", "python", "torch", "blas", "threads", "device"
    }  # fmt: skip


def test_comparing_without_a_stored_run_says_so_in_one_line_and_measures(suite):
    result = suite("--benchmark-compare", "--benchmark-compare-fail=median:1%")

    assert result.ret == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["history: nothing to compare with: no stored run of fingerprint *measured and stored"])
    assert len(stored(suite.path)) == 1


def test_comparing_takes_the_last_stored_run_of_the_same_fingerprint(suite):
    suite()
    suite()

    result = suite("--benchmark-compare")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["history: compared with the stored run 0002_*", "*/ stored*"])


def test_a_numbered_run_can_be_chosen(suite):
    suite()
    suite()

    result = suite("--benchmark-compare=0001")

    result.stdout.fnmatch_lines(["history: compared with the stored run 0001_*"])


def test_a_run_that_is_not_there_is_named(suite):
    suite()

    result = suite("--benchmark-compare=0007")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["history: nothing to compare with: no stored run 0007 of fingerprint *"])


def test_another_thread_count_is_another_history(suite):
    suite("--threads=1")

    result = suite("--threads=2", "--benchmark-compare")

    result.stdout.fnmatch_lines(["history: nothing to compare with*"])
    assert len({path.parent.name for path in stored(suite.path)}) == 2


def test_a_regression_beyond_the_limit_still_fails(suite):
    suite()
    (path,) = stored(suite.path)
    content = json.loads(path.read_text())
    for entry in content["benchmarks"]:
        entry["stats"]["median"] /= 1000
    path.write_text(json.dumps(content))

    result = suite("--benchmark-compare", "--benchmark-compare-fail=median:50%")

    assert result.ret != 0


def test_a_run_with_failures_is_stored_with_a_warning(suite, pytester):
    pytester.makepyfile(test_wrong="def test_wrong(benchmark):\n    assert benchmark(sum, [1]) == 2\n")

    result = suite()

    warnings = json.loads(stored(suite.path)[0].read_text())["pricebench"]["warnings"]
    assert "incomplete: 1 benchmarks failed and are missing" in warnings
    result.stdout.fnmatch_lines(["warning: incomplete: 1 benchmarks failed *"])


def test_an_interrupted_run_is_stored_with_a_warning(suite, pytester):
    pytester.makepyfile(test_zzz="def test_stopped(benchmark):\n    raise KeyboardInterrupt\n")

    suite()

    warnings = json.loads(stored(suite.path)[0].read_text())["pricebench"]["warnings"]
    assert "interrupted: the benchmarks after it are missing" in warnings


@without_cuda
def test_a_device_that_is_not_there_ends_nothing(suite):
    result = suite("--device=cuda")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["fingerprint: * no CUDA device)"])


@pytest.mark.parametrize(
    "body", ["    pytest.skip('no device')", "    pytest.exit('no file', returncode=2)"], ids=["skipped", "stopped"]
)
def test_a_run_that_measured_nothing_stores_nothing_and_complains_of_nothing(pytester, body):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"import pytest\n@pytest.fixture\ndef data():\n{body}\ndef test_none(data, benchmark): ...\n")

    result = pytester.runpytest_subprocess(*QUICK, "-W", "error")

    assert result.ret == (2 if "exit" in body else 0)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert stored(pytester.path) == []


def test_disabled_benchmarks_store_nothing(suite):
    result = suite("--benchmark-disable")

    result.assert_outcomes(passed=2)
    assert stored(suite.path) == []


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_an_impossible_number_of_threads_is_a_usage_error(suite, threads):
    result = suite(f"--threads={threads}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_without_keep_history_the_plugin_stores_nothing_and_imports_no_torch(pytester):
    pytester.makepyfile(
        """
        import sys
        def test_plain(benchmark):
            benchmark(sum, [1])
            assert "torch" not in sys.modules
        """
    )

    result = pytester.runpytest_subprocess(*QUICK)

    result.assert_outcomes(passed=1)
    assert stored(pytester.path) == []


def test_a_run_is_compared_with_the_last_one_of_its_own_workload(suite):
    suite()
    suite("--workload", "mymodel:build")

    result = suite("--benchmark-compare")

    result.stdout.fnmatch_lines(["history: compared with the stored run 0001_*"])


# ---- --modes -------------------------------------------------------------------------------------------------------

MODES_SUITE = """
    from pricebench.suite import device, mode, workload
    def test_forward(mode):
        print("ran", mode.name)
"""


@pytest.fixture
def modes(pytester):
    """A suite of somebody else's that runs a case in each mode."""
    pytester.makepyfile(MODES_SUITE)

    def run(*options):
        return pytester.runpytest_inprocess("-p", "pricebench.pytest_plugin", "-p", "no:cacheprovider", "-s", *options)

    return run


def collected(result):
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_without_modes_the_four_are_collected_in_their_order_and_under_their_ids(modes):
    result = modes("--collect-only", "-q", "--strict-markers")

    # Database keys: renaming one starts a new history.
    names = ["eager", "torchscript", "fx", "compile"]
    assert collected(result) == [f"test_forward[{name}]" for name in names]


def test_all_modes_adds_those_that_are_made_ahead_of_time(modes):
    result = modes("--collect-only", "-q", "--modes=all")

    assert [name for name in collected(result) if "eager" in name or "onnx" in name] == [
        "test_forward[eager]",
        "test_forward[onnxruntime]",
    ]


def test_named_modes_alone_run(modes):
    result = modes("--modes", "onnxruntime, eager")

    assert [line.partition("ran ")[2] for line in result.outlines if "ran " in line] == ["eager", "onnxruntime"]
    result.assert_outcomes(passed=2)


def test_transformations_are_part_of_a_benchmarks_name(modes):
    named = modes("--collect-only", "-q", "--modes", "fx+fold_normalization,eager")
    before_each = modes("--collect-only", "-q", "--modes=eager,fx", "--transforms=fold_normalization,pad_to_bucket")

    assert collected(named) == ["test_forward[eager]", "test_forward[fx+fold_normalization]"]
    assert collected(before_each) == [
        "test_forward[eager+fold_normalization+pad_to_bucket]",
        "test_forward[fx+fold_normalization+pad_to_bucket]",
    ]


@pytest.mark.parametrize("option", ["--modes=fx+fold_normalisation", "--transforms=fold_normalisation"])
def test_an_unknown_transformation_is_a_usage_error_too(modes, option):
    result = modes(option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --*: No transformation is called 'fold_normalisation'. Did you mean *"])


def test_an_unknown_mode_is_a_usage_error_that_suggests_the_nearest(modes):
    result = modes("--modes=egaer")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --modes: No execution mode is called 'egaer'. Did you mean 'eager'? Known: *"])


def test_a_suite_whose_own_parameter_is_called_mode_is_left_alone(pytester):
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_inprocess(*QUICK, "--modes=eager", "--benchmark-disable")

    result.assert_outcomes(passed=2)
