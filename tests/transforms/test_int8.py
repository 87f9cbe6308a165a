"""Layers in 8 bits: how far from float64 they may be, what torchao's reference says, in which modes they run."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes import mode_named
from pricebench.transforms import int8 as int8_module
from pricebench.transforms import mode_with, transformed
from pricebench.transforms.int8_layers import DynamicInt8Linear, Int8Linear, Quantize
from tests.transforms.made import gamma, layers, rows

reason = int8_module.missing()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"int8 cannot run here: {reason}")


def exact_and_bound(module, x_NF):
    """Float64's answer, and how far from it layers in 8 bits may be on the rows that they were calibrated on.

    Of a layer whose input is off by e: rounding moves the input by less than a step `s`, the range over 255 (127 on a
    CPU without instructions for 8 bits), and clipping to a range that holds the exact value moves it no further away;
    each weight by half of its output's step, its largest over 127. The first layer is in float32.
    """
    steps = 255 if int8_module._instructions() else 127
    exact, error = x_NF.double(), torch.zeros_like(x_NF, dtype=torch.float64)
    for number, layer in enumerate(module):
        if isinstance(layer, nn.ReLU):
            exact = exact.clamp_min(0)
            continue
        weight = layer.weight.detach().double()
        bias = torch.zeros(len(weight), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()
        off_by = torch.zeros(len(weight), dtype=torch.float64)
        if number:
            # The range of a call may be that of numbers that are off themselves.
            widest = (exact + error).max().clamp_min(0) - (exact - error).min().clamp_max(0)
            error = error + widest / steps
            off_by = weight.abs().amax(dim=1) / 127 / 2
        magnitude = exact.abs() + error
        # Of float32 too: of scales, of the first layer's sums, of the last multiplication.
        rounding = (gamma(weight.shape[1] + 8) + 1e-6) * (magnitude @ weight.abs().T + bias.abs())
        error = error @ weight.abs().T + magnitude.sum(dim=1, keepdim=True) * off_by + rounding
        exact = exact @ weight.T + bias
    return exact, error + 1e-30


@pytest.mark.parametrize("name", ["int8", "int8_dynamic"])
@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 512), min_size=3, max_size=5),
    bias=st.booleans(),
    exponent=st.integers(-6, 6),
    num_rows=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_eight_bits_are_off_by_their_rounding_and_no_more(name, widths, bias, exponent, num_rows, seed):
    module = layers(widths, bias=bias, scale=10.0**exponent, seed=seed)
    x_NF = rows(num_rows, widths[0], seed)

    changed, _ = transformed(module, x_NF, [name], calibration=x_NF)

    exact, bound = exact_and_bound(module, x_NF)
    assert bool(((changed(x_NF).double() - exact).abs() <= bound).all())
    assert changed(x_NF).dtype == torch.float32


def test_what_onednn_computes_is_what_torchao_means():
    module, x_NF = layers([16, 64, 64, 8]), rows(200, 16)
    hidden = torch.relu(module[0](x_NF)).detach()
    reference = int8_module._converted(list(module[2:]), hidden, is_dynamic=False)

    changed, _ = transformed(module, x_NF, ["int8"], calibration=x_NF)

    # A sum that is half way between two steps may be rounded either way by the layer before the last.
    found, expected = changed(x_NF), reference(hidden).detach()
    one_step = float(expected.abs().max()) / 127
    torch.testing.assert_close(found, expected, rtol=0, atol=one_step)
    assert (found - expected).abs().mean() < one_step / 50


def test_the_layer_that_reads_the_inputs_stays_and_those_behind_it_change():
    module, x_NF = layers([5, 16, 16, 1]), rows(50, 5)

    changed, (told,) = transformed(module, x_NF[:2], ["int8"], calibration=x_NF)

    kinds = [type(changed.get_submodule(str(node.target))) for node in changed.graph.nodes if node.op == "call_module"]
    assert kinds == [nn.Linear, nn.ReLU, Quantize, Int8Linear, Int8Linear]
    assert told.startswith("int8: 2 linear layers multiply in int8 with")
    assert told.endswith(", by the range of 50 rows.")
    first, last = (layer for layer in changed.modules() if isinstance(layer, Int8Linear))
    assert (first.post, last.post) == ("relu", "none")
    assert (first.y_dtype, last.y_dtype) == (torch.uint8, torch.float32)


def test_the_range_is_that_of_the_calibrating_rows_and_what_is_beyond_becomes_its_end():
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)).eval()
    with torch.no_grad():
        for layer in module:
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    x_NF = torch.tensor([[0.0], [127.5], [255.0]])

    changed, _ = transformed(module, x_NF, ["int8"], calibration=x_NF)

    step = 255 / (255 if int8_module._instructions() else 127)
    assert float(changed(torch.tensor([[1000.0]]))) == pytest.approx(255.0, rel=1e-6)
    assert float(changed(torch.tensor([[-1000.0]]))) == pytest.approx(0.0, abs=1e-6)
    # Half to even, of numbers that are whole in units of the step.
    assert float(changed(torch.tensor([[step * 2.4]]))) == pytest.approx(step * 2, rel=1e-6)


def test_without_rows_of_training_there_is_no_range():
    module, x_NF = layers([5, 16, 1]), rows(2, 5)

    with pytest.raises(ModeError, match="needs rows of training, to know the range of each layer, and found none"):
        transformed(module, x_NF, ["int8"])

    transformed(module, x_NF, ["int8_dynamic"])


class Forked(nn.Module):
    """A hidden layer that two others read, and three axes in one of its ways."""

    def __init__(self):
        super().__init__()
        self.first, self.left, self.right = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        h = torch.relu(self.first(x))
        return self.left(h) + self.right(h.unsqueeze(0)).squeeze(0)


@pytest.mark.parametrize("name", ["int8", "int8_dynamic"])
def test_only_layers_of_matrices_change(name):
    module, x_NF = Forked().eval(), rows(20, 4)

    changed, (told,) = transformed(module, x_NF, [name], calibration=x_NF)

    assert told.startswith(f"{name}: 1 linear layers")
    assert isinstance(changed.get_submodule("right"), nn.Linear)
    torch.testing.assert_close(changed(x_NF), module(x_NF), rtol=0, atol=0.05)


@pytest.mark.parametrize("name", ["int8", "int8_dynamic"])
@pytest.mark.parametrize("module", [nn.Sequential(nn.Linear(4, 2), nn.ReLU()), nn.Sequential(nn.ReLU())])
def test_a_model_without_layers_behind_others_is_as_it_was(name, module):
    x_NF = rows(3, 4)
    plain, _ = transformed(module, x_NF, [])

    changed, told = transformed(module, x_NF, [name], calibration=x_NF)

    assert changed.code == plain.code
    assert told == [f"{name}: nothing in this model is for it, which is as it was."]


# `aot` at a few rows too: there Inductor's own kernels of 8 bits wrote beyond their memory (torch 2.15).
@pytest.mark.parametrize("mode", ["eager", "torchscript", "fx", "compile", "aot"])
@pytest.mark.parametrize("name", ["int8", "int8_dynamic"])
def test_each_mode_gives_what_eager_gives(name, mode):
    module, x_NF = layers([5, 32, 32, 1], seed=1), rows(64, 5, 1)
    before = copy.deepcopy(module.state_dict())
    expected = mode_with(f"eager+{name}", calibration=x_NF).prepare_inference(module, x_NF)

    forward = mode_with(f"{mode}+{name}", calibration=x_NF).prepare_inference(module, x_NF[:2])

    for number in (1, 2, 9, 64):
        # What one is rounded to may be half way for another.
        torch.testing.assert_close(forward(x_NF[:number]), expected(x_NF[:number]), rtol=0, atol=0.005)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_layer_can_be_copied_and_saved_as_torchscript(kind, tmp_path):
    weight, scale = torch.randint(-127, 128, (3, 8), dtype=torch.int8), torch.full((3,), 0.01)
    if kind == "static":
        layer = Int8Linear(weight, scale, None, x=(0.1, 3), y=None, relu=True)
        x_BI = torch.randint(0, 256, (4, 8), dtype=torch.uint8)
        exact = ((x_BI.double() - 3) * 0.1) @ (weight.double() * 0.01).T
    else:
        layer = DynamicInt8Linear(weight, scale, None, relu=True, most=255)
        # Whole numbers from -127 to 128 are their own steps.
        x_BI = torch.cat([torch.tensor([[-127.0] * 8, [128.0] * 8]), rows(2, 8).mul(20).round()])
        exact = x_BI.double() @ (weight.double() * 0.01).T
    portable, path = mode_named("torchscript").portable, tmp_path / "layer.ts"
    with path.open("wb") as file:
        portable.save(layer, Inputs.of(x_BI), (), file, "")

    for found in (layer, copy.deepcopy(layer), portable.load(path)):
        torch.testing.assert_close(found(x_BI).double(), exact.clamp_min(0), rtol=1e-5, atol=1e-5)
