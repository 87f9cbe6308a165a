from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pricebench.gate.reviewed import differences, load_structure, unchecked
from pricebench.gate.structure import facts, inference_facts
from pricebench.modes import MODES, compile  # noqa: A004 - the mode's name is its key
from pricebench.modes.compile import forget
from pricebench.workload import house_prices

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "structure.json"
needs_compiler = pytest.mark.skipif(compile.MODE.missing() is not None, reason=str(compile.MODE.missing()))
X = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
EAGER, TORCHSCRIPT, FX, COMPILE = MODES


class Net(nn.Module):
    def __init__(self, hidden=8, tail=None):
        super().__init__()
        self.first = nn.Linear(5, hidden)
        self.last = nn.Linear(hidden, 1)
        self.tail = tail

    def forward(self, x):
        x = torch.relu(self.first(x))
        if self.tail is not None:
            x = self.tail(x)
        return self.last(x)


class Clone(nn.Module):
    def forward(self, x):
        return x.clone()


class Break(nn.Module):
    def forward(self, x):
        torch._dynamo.graph_break()
        return x


@pytest.fixture(autouse=True)
def _nothing_compiled():
    forget()
    yield
    forget()


def changed(mode, module):
    before = {"cases": {"case": inference_facts(mode, Net(), X)}}
    forget()
    return differences(before, {"cases": {"case": inference_facts(mode, module, X)}})


@needs_compiler
def test_the_committed_structure_is_that_of_this_code():
    committed = load_structure(COMMITTED)
    if committed["torch"] != torch.__version__.partition("+")[0]:
        pytest.skip(f"committed for torch {committed['torch']}, this is {torch.__version__}")

    command = [sys.executable, "-m", "pricebench.gate.structure", "--workload", "pricebench.workload:house_prices"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert differences(committed, json.loads(ended.stdout)) == []
    # The profiler tells of its starting and stopping, and that would hide the reason of a failure.
    assert "profiler_st" not in ended.stderr


def test_eager_runs_the_operators_that_the_module_calls():
    found = inference_facts(EAGER, Net(), X)

    # By hand: two linear layers and one ReLU.
    assert found["aten"] == {"linear": 2, "relu": 1}
    assert found["equals_eager"]
    assert found["inference_mode"]


def test_the_same_module_has_the_same_structure():
    assert changed(EAGER, Net()) == []


def test_an_extra_clone_is_seen():
    (told,) = changed(EAGER, Net(tail=Clone()))

    assert "clone 0, now 1" in told


def test_a_node_more_is_seen_in_fx_and_torchscript():
    assert any("nodes" in told for told in changed(FX, Net(tail=Clone())))
    assert any("nodes" in told for told in changed(TORCHSCRIPT, Net(tail=Clone())))


def test_a_dropped_inference_mode_is_seen():
    class Dropping(type(EAGER)):
        def prepare_inference(self, module, example):  # noqa: ARG002 - as the mode's, without inference_mode
            return module

    found = inference_facts(Dropping(**{name: getattr(EAGER, name) for name in EAGER.__slots__}), Net(), X)

    assert found["inference_mode"] is False


@needs_compiler
def test_a_compiled_module_is_one_graph_and_stays_it():
    found = inference_facts(COMPILE, Net(), X)

    assert {name: found[name] for name in ("graphs", "graph_breaks", "recompiles_after_warm_up")} == {
        "graphs": 1,
        "graph_breaks": 0,
        "recompiles_after_warm_up": 0,
    }
    assert found["falls_back_to_eager"] is False
    assert found["kernels"]


@needs_compiler
def test_a_graph_break_is_seen():
    told = "\n".join(changed(COMPILE, Net(tail=Break())))

    assert "graph_breaks 0, now" in told
    assert "graphs 1, now" in told


@needs_compiler
def test_a_compiler_that_silently_does_nothing_is_seen():
    silent = replace(COMPILE, build=lambda module, example: module)  # noqa: ARG005

    found = inference_facts(silent, Net(), X)

    assert found["falls_back_to_eager"] is True
    assert found["graphs"] == 0
    assert found["kernels"] == []


@needs_compiler
def test_a_recompilation_at_every_call_is_seen():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = ""

        def forward(self, x):
            # A text is a constant of the graph, each time another one.
            self.calls += "x"
            return x * len(self.calls)

    found = inference_facts(COMPILE, Net(tail=Counting()), X)

    assert found["recompiles_after_warm_up"] >= 3


def test_a_mode_that_cannot_run_here_says_why(tmp_path):
    command = [sys.executable, "-m", "pricebench.gate.structure", "--workload", "pricebench.workload:house_prices"]
    # No compiler is found here.
    environment = {**os.environ, "PATH": str(tmp_path), "CXX": "", "CC": ""}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    found = json.loads(ended.stdout)
    assert set(found["cases"]["inference[compile-full]"]) == {"missing"}
    assert "compiler" in unchecked(found, found)[0]


def test_a_mode_that_fails_says_why():
    class Dynamic(nn.Module):
        def forward(self, x):
            return x if bool(x.sum() > 0) else -x

    workload = replace(house_prices(), module=Net(tail=Dynamic()).eval())

    found = facts(workload)["cases"]["inference[fx-full]"]

    assert set(found) == {"fails"}
    assert "TraceError" in found["fails"] or "ModeError" in found["fails"]
