from __future__ import annotations

import json

import pytest

from pricebench.profiling import Part, stored_analyses
from tests.test_cli import pricebench, unboxed


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    out = tmp_path_factory.mktemp("traces")
    result = pricebench("profile", "--mode", "eager", "--steps", 3, "--training", "--out", out)
    assert result.returncode == 0, result.stderr
    return out, result


def test_a_trace_and_its_analysis_are_written_per_fingerprint(profiled):
    out, _ = profiled

    ((path, analysis),) = stored_analyses(out).analyses.items()

    assert path.name == "eager_full_training.analysis.json"
    assert (path.parent / analysis.capture.trace_file).is_file()
    assert path.parent.name == analysis.capture.fingerprint
    assert (analysis.capture.run, analysis.capture.rows) == ("training", 2048)
    assert len(analysis.steps) == 3
    assert analysis.share(Part.COMPUTE) > 0.1


def test_the_tables_show_shares_gaps_and_operators_and_say_that_they_are_no_timing(profiled):
    _, result = profiled

    for words in ("where a step goes: training, 2,048 rows", "compute", "python", "p99", "aten::mm", "read shares"):
        assert words in result.stdout
    assert "profiling eager" in result.stderr


def test_tables_fit_a_narrow_terminal(profiled):
    _, result = profiled

    tables = result.stdout.partition("note: ")[0]

    assert max(map(len, tables.splitlines())) <= 80
    assert "compute " in tables


def test_json_is_for_programs(tmp_path):
    result = pricebench("profile", "--mode", "fx", "--shape", "single", "--steps", 2, "--out", tmp_path, "--json")

    (analysis,) = json.loads(result.stdout)
    assert (analysis["capture"]["mode"], analysis["capture"]["rows"]) == ("fx", 1)
    assert sum(analysis["parts"].values()) == pytest.approx(sum(step["duration"] for step in analysis["steps"]))


def test_again_overwrites(profiled):
    out, _ = profiled

    assert pricebench("profile", "--mode", "eager", "--steps", 2, "--training", "--out", out).returncode == 0

    ((_, analysis),) = stored_analyses(out).analyses.items()
    assert len(analysis.steps) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mode", "egaer"], "Did you mean 'eager'"),
        (["--shape", "fill"], "No shape is called 'fill'. Did you mean 'full'?"),
        (["--workload", "tests/some_models.py:shifting", "--training"], "shifting has no loss"),
        (["--device", "gpu"], "No device is called 'gpu'"),
        (["--steps", "0"], "greater than or equal to 1"),
        # The profiler holds every event: 100,000 steps would take all memory of a machine.
        (["--steps", "100000"], "less than or equal to 1000"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(options, says, tmp_path):
    result = pricebench("profile", "--out", tmp_path / "out", *options)

    assert result.returncode == 2
    assert says in unboxed(result.stderr)
    assert not (tmp_path / "out").exists()


def test_a_workload_of_ones_own_has_files_of_its_own_beside_those_of_house_prices(profiled):
    out, _ = profiled

    result = pricebench(
        "profile", "--workload", "tests/some_models.py:tagger", "--mode", "eager", "--steps", 2, "--out", out
    )

    assert result.returncode == 0, result.stderr
    found = {path.name: analysis.capture for path, analysis in stored_analyses(out).analyses.items()}
    assert set(found) == {"eager_full_training.analysis.json", "tagger_eager_full_inference.analysis.json"}
    capture = found["tagger_eager_full_inference.analysis.json"]
    assert (capture.workload, capture.rows, capture.trace_file) == (
        "tagger",
        16,
        "tagger_eager_full_inference.json.gz",
    )
