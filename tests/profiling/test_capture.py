from __future__ import annotations

import gzip
import json

import pytest
import torch
from torch import nn

from pricebench.devices import DeviceError
from pricebench.errors import TraceError
from pricebench.modes.compile import MODE as COMPILE
from pricebench.modes.compile import forget
from pricebench.profiling import Part, analyse, read_trace
from pricebench.profiling.capture import PROFILED_WARM_UP_CALLS, WARM_UP_CALLS, capture
from pricebench.profiling.host import split_steps
from tests.devices import needs_cuda, without_cuda

X = torch.zeros(64, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.json.gz"


def test_any_callable_becomes_a_trace_with_its_steps_marked(path):
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    capture(lambda: module(X), path, num_steps=3)

    analysis = analyse(path)
    assert [step.number for step in analysis.steps] == [0, 1, 2]
    calls = {operator.name: operator.num_calls for operator in analysis.operators}
    assert calls["aten::addmm"] == 3
    assert analysis.share(Part.COMPUTE) > 0
    assert sum(analysis.share(part) for part in Part) == pytest.approx(1.0)


def test_warm_up_calls_are_in_no_step(path):
    calls = []

    capture(lambda: calls.append(X + 1), path, num_steps=2)

    assert len(calls) == WARM_UP_CALLS + PROFILED_WARM_UP_CALLS + 2
    (add,) = [operator for operator in analyse(path).operators if operator.name == "aten::add"]
    assert add.num_calls == 2


def test_the_file_is_a_chrome_trace_without_facts_of_this_machine(path, tmp_path):
    capture(lambda: X + 1, path, num_steps=1)

    content = json.loads(gzip.decompress(path.read_bytes()))
    assert content["traceEvents"]
    assert (content["host_name"], content["traceName"]) == ("", "")
    assert str(tmp_path).encode() not in gzip.decompress(path.read_bytes())


def test_nothing_is_said_on_stderr(path, capfd):
    capture(lambda: X + 1, path, num_steps=1)

    assert capfd.readouterr() == ("", "")


def test_a_callable_that_fails_leaves_no_file(path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        capture(fail, path)

    assert not path.exists()


@pytest.mark.parametrize("num_steps", [0, -1])
def test_no_steps_are_refused(path, num_steps):
    with pytest.raises(ValueError, match="num_steps is"):
        capture(lambda: None, path, num_steps=num_steps)


def test_a_name_without_gz_is_refused(tmp_path):
    with pytest.raises(TraceError, match=r"ends in \.gz"):
        capture(lambda: None, tmp_path / "trace.json")


@without_cuda
def test_a_missing_device_is_refused(path):
    with pytest.raises(DeviceError, match="no CUDA device"):
        capture(lambda: None, path, device="cuda")


@needs_cuda
def test_a_device_is_recorded(path):
    module, x = nn.Linear(3, 4).cuda(), X.cuda()

    capture(lambda: module(x), path, num_steps=3, device="cuda")

    (device,) = analyse(path).devices
    assert device.busy > 0
    assert sum(kernel.num_calls for kernel in device.kernels) >= 3


@pytest.mark.skipif(COMPILE.missing() is not None, reason=str(COMPILE.missing()))
def test_guards_wrappers_and_generated_kernels_of_a_compiled_module_are_seen(path):
    forget()
    infer = COMPILE.prepare_inference(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), X)

    capture(lambda: infer(X), path, num_steps=2)

    forget()
    # Every name, not the ten largest: on 64 rows they are all small.
    parts = dict(name for step in split_steps(read_trace(path)) for name in step.self_times)
    analysis = analyse(path)
    assert parts["TorchDynamo Cache Lookup"] is Part.GUARDS
    assert [part for name, part in parts.items() if "cpp_fused_relu" in name] == [Part.COMPUTE]
    assert analysis.share(Part.WRAPPERS) > 0
    assert not any("generated kernels" in warning for warning in analysis.warnings)
