from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pricebench.cli import main
from pricebench.data import make_houses
from pricebench.serving import Predictor

HOUSE = {"--income": "68000", "--house-age": "6", "--rooms": "7", "--bedrooms": "4", "--population": "36000"}


@dataclass
class Finished:
    returncode: int
    stdout: str
    stderr: str


def pricebench(*arguments):
    """Run the command line in this process: a process of its own needs seconds to import torch."""
    out, err = io.StringIO(), io.StringIO()
    binary = io.BytesIO()
    out.buffer = binary
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return Finished(int(caught.value.code or 0), out.getvalue() + binary.getvalue().decode(), err.getvalue())


def unboxed(text):
    """Typer draws a box around usage errors and breaks their lines."""
    return " ".join(text.replace("│", " ").split())


def flags(house):
    return [part for pair in house.items() for part in pair]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "artifacts"
    result = pricebench("train", "--out", folder, "--epochs", 60, "--threads", 1, "--json")
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


def test_help_imports_nothing_heavy():
    code = "import sys, pricebench.cli; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def test_help_lists_the_commands():
    result = pricebench("--help")

    assert result.returncode == 0
    assert all(command in result.stdout for command in ("train", "predict", "modes", "export", "profile"))


def test_training_writes_model_statistics_and_metrics(trained):
    folder, printed = trained

    assert {path.name for path in folder.iterdir()} == {
        "model.pt",
        "training_stats.pt",
        "metrics.json",
        "calibration.pt",
    }
    assert json.loads((folder / "metrics.json").read_text()) == printed
    assert {
        "r2",
        "rmse",
        "mae",
        "linear_r2",
        "linear_rmse",
        "linear_mae",
        "epochs",
        "seconds",
        "rows_per_second",
    } <= set(printed)
    assert printed["r2"] > 0.5


def test_training_again_overwrites(tmp_path):
    for _ in range(2):
        assert pricebench("train", "--out", tmp_path, "--epochs", 2).returncode == 0


def test_dropped_rows_are_counted_out_loud(tmp_path):
    frame = make_houses(100).frame()
    frame.loc[[3, 5], "rooms"] = np.nan
    frame.to_csv(tmp_path / "houses.csv", index=False)

    result = pricebench("train", "--data", tmp_path / "houses.csv", "--out", tmp_path / "out", "--epochs", 2)

    assert result.returncode == 0
    assert "2 rows dropped" in result.stderr
    assert "MLP" in result.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--data", "none.csv"], "none.csv"),
        (["--mode", "egaer"], "Did you mean 'eager'"),
        (["--mode", "onnxruntime"], "onnxruntime cannot train: it is for inference alone"),
        (["--resume"], "Train without --resume"),
        (["--test-size", "2"], "test_size is 2.0"),
        (["--epochs", "0"], "epochs is 0"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(options, says, tmp_path):
    result = pricebench("train", "--out", tmp_path / "out", *options)

    assert result.returncode == 2
    assert says in unboxed(result.stderr)
    assert result.stdout == ""


def test_a_wrong_cell_is_one_line_with_file_row_column_and_value(tmp_path):
    frame = make_houses(100).frame().astype(object)
    frame.loc[16, "income"] = "-3.2"
    frame.to_csv(tmp_path / "houses.csv", index=False)

    result = pricebench("train", "--data", tmp_path / "houses.csv", "--out", tmp_path / "out")

    assert result.returncode == 2
    assert result.stderr == (
        "pricebench: houses.csv, row 17: income is -3.2, expected a finite number above 0 (USD a year). "
        "Fix the row or drop it.\n"
    )


def test_one_house_is_priced_in_dollars(trained):
    folder, _ = trained
    expected = Predictor.load(folder).predict(np.array([[68000.0, 6, 7, 4, 36000]]))[0]

    result = pricebench("predict", "--artifacts", folder, *flags(HOUSE))

    assert result.stdout.strip() == f"${expected:,.0f}"
    assert result.stderr == ""


def test_an_unfamiliar_house_is_priced_with_a_warning(trained):
    folder, _ = trained

    result = pricebench("predict", "--artifacts", folder, "--json", *flags({**HOUSE, "--house-age": "60"}))

    answer = json.loads(result.stdout)
    assert np.isfinite(answer["price"])
    assert len(answer["warnings"]) == 1
    assert answer["warnings"][0].startswith("house_age is 60, ")


@pytest.mark.parametrize(
    ("house", "says"),
    [
        ({**HOUSE, "--income": "-1"}, "--income is -1"),
        ({**HOUSE, "--income": "nan"}, "--income is nan"),
        ({**HOUSE, "--rooms": "inf"}, "--rooms is inf"),
        ({name: value for name, value in HOUSE.items() if name != "--rooms"}, "missing: --rooms"),
        ({}, "give a CSV"),
        ({**HOUSE, "--income": "abc"}, "valid number"),
    ],
)
def test_an_impossible_house_is_refused(trained, house, says):
    folder, _ = trained

    result = pricebench("predict", "--artifacts", folder, *flags(house))

    assert result.returncode == 2
    assert says in unboxed(result.stderr)
    assert result.stdout == ""


def test_a_file_is_priced_to_stdout_or_to_a_file(trained, tmp_path):
    folder, _ = trained
    houses = make_houses(50, seed=3)
    houses.frame().to_csv(tmp_path / "houses.csv", index=False)
    expected = Predictor.load(folder).predict(houses.features_NF)

    piped = pricebench("predict", tmp_path / "houses.csv", "--artifacts", folder)
    written = pricebench("predict", tmp_path / "houses.csv", "--artifacts", folder, "--out", tmp_path / "out.csv")

    assert piped.stdout == (tmp_path / "out.csv").read_text()
    assert written.stdout == ""
    assert "50 rows priced" in written.stderr
    priced = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(priced["predicted_price"], expected, atol=0.01)


def test_a_wrong_row_leaves_no_half_written_file(trained, tmp_path):
    folder, _ = trained
    (tmp_path / "houses.csv").write_text("income,house_age,rooms,bedrooms,population\n1,1,1,1,1\n1,1,x,1,1\n")

    result = pricebench("predict", tmp_path / "houses.csv", "--artifacts", folder, "--out", tmp_path / "out.csv")

    assert result.returncode == 2
    assert "row 2: rooms is 'x'" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["houses.csv"]


def test_a_reader_that_stops_early_is_no_error(trained, tmp_path):
    folder, _ = trained
    make_houses(50_000, seed=3).frame().to_csv(tmp_path / "houses.csv", index=False)
    command = [sys.executable, "-m", "pricebench", "predict", str(tmp_path / "houses.csv"), "--artifacts", str(folder)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()

    assert errors == ""
    assert process.returncode == 0


def test_predict_without_a_model_names_the_command_that_makes_one(tmp_path):
    result = pricebench("predict", "--artifacts", tmp_path, *flags(HOUSE))

    assert result.returncode == 2
    assert "pricebench train" in result.stderr


def test_modes_are_listed_with_their_needs_and_the_deprecation():
    rows = json.loads(pricebench("modes", "--json").stdout)

    assert [row["mode"] for row in rows] == ["eager", "torchscript", "fx", "compile", "aot", "onnxruntime"]
    assert "deprecated" in rows[1]["deprecation"]
    assert "C++ compiler" in rows[3]["needs"]


def test_regenerated_code_can_be_printed():
    result = pricebench("modes", "--show", "fx")

    assert result.returncode == 0
    assert "def forward(self, x" in result.stdout
    assert "torch.relu" in result.stdout


def test_a_mode_without_source_says_which_have_it():
    result = pricebench("modes", "--show", "eager")

    assert result.returncode == 2
    assert "torchscript, fx" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
def test_ctrl_c_keeps_the_best_so_far_and_resume_goes_on(tmp_path):
    out = tmp_path / "artifacts"
    options = ["train", "--out", str(out), "--epochs", "800"]
    command = [sys.executable, "-m", "pricebench", *options]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # The first checkpoint says that the training is under way.
        wait_for(out / "checkpoint.pt", process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "MLP" in output
    assert "Traceback" not in errors
    assert Predictor.load(out).stats.num_rows == 3600
    resumed = pricebench(*options, "--resume")
    assert resumed.returncode == 0
    assert not (out / "checkpoint.pt").exists()
    assert json.loads((out / "metrics.json").read_text())["steps"] == 800


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "the training ended before its first checkpoint"
        assert time.monotonic() < deadline, f"no {path.name} after two minutes"
        threading.Event().wait(0.01)


def test_what_cannot_be_written_is_one_line_and_no_regression(tmp_path):
    (tmp_path / "file").touch()
    stored = next(iter((Path(__file__).parents[1] / "reports" / "gate").glob("*_*.json")))

    result = pricebench("gate", "--from", stored, "--junit", tmp_path / "file" / "gate.xml")

    assert result.returncode == 2
    assert "file" in result.stderr
    assert result.stderr.startswith("pricebench: ")
    assert "Traceback" not in result.stderr


def test_what_nobody_foresaw_keeps_its_traceback_and_is_no_regression(monkeypatch):
    # What a mistake in this project would look like.
    monkeypatch.setattr("pricebench.gate.report.Report.load", lambda _: 1 / 0)

    result = pricebench("gate", "--from", "x.json")

    assert result.returncode == 2
    assert "ZeroDivisionError" in result.stderr
