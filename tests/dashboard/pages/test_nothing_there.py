from __future__ import annotations

import pytest

from pricebench.artifacts import MODEL_FILE, STATS_FILE
from tests.dashboard.pages.opened import opened, texts
from tests.dashboard.stored import keep, stored_run


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("predict", "uv run pricebench train --out"),
        ("debug", "uv run pricebench train --out"),
        ("benchmarks", "uv run pytest benchmarks --reports"),
        ("history", "uv run pytest benchmarks --reports"),
        ("gate", "uv run pricebench gate --base main --reports"),
        ("cliff", "uv run pricebench cliff --reports"),
        ("time", "uv run pricebench profile --out"),
        ("recommend", "uv run pricebench recommend --reports"),
        ("limits", "uv run pricebench limits --reports"),
        ("serving", "uv run --group load python -m benchmarks.serving --reports"),
    ],
)
@pytest.mark.parametrize("exists", [False, True], ids=["no folder", "empty folder"])
def test_where_nothing_is_a_sentence_names_the_command_that_mends_it(tmp_path, path, command, exists):
    if exists:
        for folder in (
            "reports/history",
            "reports/traces",
            "reports/cliff",
            "reports/gate",
            "reports/recommendations",
            "reports/serving",
            "reports/limits",
            "artifacts",
        ):
            (tmp_path / folder).mkdir(parents=True)

    app = opened(tmp_path, path)

    assert not app.exception
    assert app.code[0].value.startswith(command)
    assert str(tmp_path) in app.code[0].value


@pytest.mark.parametrize("path", ["predict", "debug"])
def test_a_damaged_model_is_named_with_the_command(tmp_path, artifacts_folder, path):
    (artifacts_folder / MODEL_FILE).write_bytes(b"no model")

    app = opened(tmp_path, path)

    assert not app.exception
    assert "damaged" in app.error[0].value
    assert "pricebench train" in app.code[0].value


def test_a_model_without_its_statistics_is_no_model(tmp_path, artifacts_folder):
    (artifacts_folder / STATS_FILE).unlink()

    assert "pricebench train" in opened(tmp_path, "predict").code[0].value


@pytest.mark.parametrize("path", ["benchmarks", "history"])
def test_broken_runs_are_listed_and_the_others_shown(desk, path):
    folder = desk / "reports" / "history" / "aaaaaaaaaa"
    for name, content in {"0003_half.json": '{"benchmarks": [', "0004_empty.json": "", "0005_list.json": "[]"}.items():
        (folder / name).write_text(content)

    app = opened(desk, path)

    assert not app.exception
    assert app.expander[0].label == "3 files could not be read"
    assert "half-written" in texts(app)
    assert len(app.get("vega_lite_chart")) >= 1


def test_a_run_without_benchmarks_says_so(tmp_path):
    keep(tmp_path / "reports", stored_run([]))

    app = opened(tmp_path, "benchmarks")

    assert not app.exception
    assert app.code[0].value == "uv run pytest benchmarks"


def test_a_broken_analysis_is_listed(tmp_path):
    folder = tmp_path / "reports" / "traces" / "aaaaaaaaaa"
    folder.mkdir(parents=True)
    (folder / "eager_full_inference.analysis.json").write_text("{")

    app = opened(tmp_path, "time")

    assert not app.exception
    assert app.expander[0].label == "1 file could not be read"
