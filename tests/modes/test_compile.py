from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from pricebench.errors import ModeError
from pricebench.modes import mode_named
from pricebench.modes.compile import MODE, forget

needs_compiler = pytest.mark.skipif(MODE.missing() is not None, reason=str(MODE.missing()))


def num_graphs():
    """Graphs that Dynamo captured in this process so far."""
    return counters["stats"]["unique_graphs"]


def graphs_after_each(infer, shapes):
    start = num_graphs()
    counted = []
    for rows in shapes:
        infer(torch.ones(rows, 3))
        counted.append(num_graphs() - start)
    return counted


@pytest.fixture
def infer():
    forget()
    return MODE.prepare_inference(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.ones(1, 3))


# ---- graphs --------------------------------------------------------------------------------------------------------


@needs_compiler
def test_nothing_is_compiled_before_the_first_call():
    before = num_graphs()

    MODE.prepare_inference(nn.Linear(3, 2), torch.ones(1, 3))
    MODE.prepare_training(nn.Linear(3, 2), torch.ones(1, 3))

    assert num_graphs() == before


@needs_compiler
def test_a_second_shape_makes_a_dynamic_graph_and_a_single_row_its_own(infer):
    # PyTorch's automatic dynamic shapes: static first; the second shape makes the batch symbolic, for every number of
    # rows but 1, which is always a graph of its own.
    assert graphs_after_each(infer, [64, 64, 40, 64, 33, 1, 2, 1, 64]) == [1, 1, 2, 2, 2, 3, 3, 3, 3]


@needs_compiler
def test_a_caller_that_set_a_gradient_mode_of_its_own_compiles_nothing_new(infer):
    x = torch.ones(64, 3)
    infer(x)
    before = num_graphs()

    for set_mode in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        with set_mode():
            infer(x)

    assert num_graphs() == before


@needs_compiler
def test_an_input_made_in_inference_mode_is_another_kind_of_tensor_with_a_graph_of_its_own(infer):
    graphs_after_each(infer, [64])

    with torch.inference_mode():
        assert graphs_after_each(infer, [64, 64]) == [1, 1]


@needs_compiler
def test_forget_drops_every_graph(infer):
    graphs_after_each(infer, [64, 40])

    forget()

    # As in a new process: static again, then dynamic again.
    assert graphs_after_each(infer, [64, 64, 40, 33]) == [1, 1, 2, 2]


@needs_compiler
def test_graphs_that_were_forgotten_do_not_count_against_the_next_module():
    # Dynamo gives up after 8 graphs of one code object, and two instances of one class share theirs.
    for _ in range(10):
        forget()
        infer = MODE.prepare_inference(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.ones(1, 3))

        assert graphs_after_each(infer, [64]) == [1]


# ---- what it needs -------------------------------------------------------------------------------------------------


def pricebench(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pricebench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )


WITHOUT_COMPILER = pytest.mark.parametrize(
    "environment", [{"CXX": "no-such-compiler"}, {"CXX": ""}], ids=["a name that does not exist", "an empty name"]
)


@WITHOUT_COMPILER
def test_without_a_compiler_the_mode_is_refused_with_what_to_do(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ModeError) as error:
        mode_named("compile")

    assert str(error.value) == (
        f"Mode compile cannot run here: no C++ compiler: '{environment['CXX']}' is not on the PATH. "
        "Install one (Debian: g++) or set CXX."
    )
    assert mode_named("eager").missing() is None


def test_a_path_without_the_default_compiler_is_noticed(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "no C++ compiler" in MODE.missing()


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="there is no env on Windows")
def test_a_compiler_behind_a_launcher_is_found(monkeypatch):
    # As in CXX="ccache g++".
    monkeypatch.setenv("CXX", f"{shutil.which('env')} {os.environ.get('CXX', 'g++')}")

    assert MODE.missing() is None


def shell_script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="there are no shell scripts on Windows")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo \"cannot execute 'cc1plus'\" >&2; exit 1", "exit status 1 on an empty file (cannot execute 'cc1plus')"),
        ("exit 3", "exit status 3 on an empty file. Install"),
    ],
)
def test_a_compiler_that_is_there_and_does_not_work_is_said(script, says, monkeypatch, tmp_path):
    compiler = shell_script(tmp_path / "c++", script)
    monkeypatch.setenv("CXX", str(compiler))

    assert f"the C++ compiler '{compiler}' does not work: {says}" in MODE.missing()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no shell scripts on Windows")
def test_a_compiler_is_tried_once_per_process(monkeypatch, tmp_path):
    compiler = shell_script(tmp_path / "c++", f"echo tried >> {tmp_path / 'log'}")
    monkeypatch.setenv("CXX", str(compiler))

    assert MODE.missing() == MODE.missing()

    assert (tmp_path / "log").read_text() == "tried\n"


def test_without_a_compiler_the_command_line_lists_the_mode_with_its_reason():
    listed = pricebench("modes", "--json", CXX="no-such-compiler")

    rows = {row["mode"]: row for row in json.loads(listed.stdout)}
    assert listed.returncode == 0
    assert listed.stderr == ""
    assert [name for name, row in rows.items() if row["runs here"]] == ["eager", "torchscript", "fx", "onnxruntime"]
    assert "no-such-compiler" in rows["compile"]["reason"]


def test_without_a_compiler_a_command_that_wants_the_mode_ends_in_one_line(tmp_path):
    ended = pricebench("train", "--mode", "compile", "--out", str(tmp_path / "artifacts"), CXX="no-such-compiler")

    assert ended.returncode == 2
    assert "Mode compile cannot run here: no C++ compiler" in ended.stderr
    assert "Traceback" not in ended.stderr
