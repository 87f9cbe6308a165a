"""The transformations that replace linear layers: another library, another precision. Shapes: N rows, F features."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pricebench.modes import mode_named
from pricebench.transforms import TRANSFORMS, mode_with, transformed
from tests.transforms.made import gamma, layers, rows

BFLOAT16_ROUNDOFF = 2.0**-8
widths = st.lists(st.integers(1, 512), min_size=2, max_size=5)


def able(name):
    """Skip where this machine lacks what a transformation needs."""
    reason = next(each for each in TRANSFORMS if each.name == name).missing()
    if reason:
        pytest.skip(f"{name} cannot run here: {reason}")


def exact_and_bound(module, x_NF, *, rounding=0.0):
    """Float64's answer, and how far float32 sums may be from it, with inputs, weights and outputs rounded once more.

    Of a layer with K inputs: gamma(K + 2) of the sum of magnitudes (Higham), and `rounding` of each factor and of the
    output; a ReLU moves no two numbers further apart.
    """
    exact, error = x_NF.double(), torch.zeros_like(x_NF, dtype=torch.float64)
    for layer in module:
        if isinstance(layer, nn.ReLU):
            exact = exact.clamp_min(0)
            continue
        weight = layer.weight.detach().double()
        bias = torch.zeros(len(weight), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()
        magnitude = (exact.abs() + error) @ weight.abs().T + bias.abs()
        share = gamma(weight.shape[1] + 2) + (1 + rounding) ** 3 - 1
        error = error @ weight.abs().T * (1 + rounding) ** 2 + share * magnitude
        exact = exact @ weight.T + bias
    # What is smaller than the smallest normal number may be flushed to zero.
    return exact, error + 1e-37


@pytest.mark.parametrize("name", ["direct_calls", "fuse_linear_relu", "matmul_backend"])
@settings(max_examples=25, deadline=None)
@given(
    widths=widths,
    bias=st.booleans(),
    exponent=st.integers(-6, 6),
    num_rows=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_another_library_computes_what_the_model_computes_in_float64(name, widths, bias, exponent, num_rows, seed):
    able(name)
    module = layers(widths, bias=bias, scale=10.0**exponent, seed=seed)
    x_NF = rows(num_rows, widths[0], seed)

    changed, _ = transformed(module, x_NF, [name])

    exact, bound = exact_and_bound(module, x_NF)
    assert bool(((changed(x_NF).double() - exact).abs() <= bound).all())


@settings(max_examples=25, deadline=None)
@given(
    widths=widths,
    bias=st.booleans(),
    exponent=st.integers(-3, 3),
    num_rows=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.parametrize("names", [["bfloat16"], ["bfloat16", "fuse_linear_relu"]])
def test_bfloat16_is_off_by_its_rounding_and_no_more(names, widths, bias, exponent, num_rows, seed):
    able("bfloat16")
    module = layers(widths, bias=bias, scale=10.0**exponent, seed=seed)
    x_NF = rows(num_rows, widths[0], seed)

    changed, _ = transformed(module, x_NF, names)

    exact, bound = exact_and_bound(module, x_NF, rounding=BFLOAT16_ROUNDOFF)
    assert bool(((changed(x_NF).double() - exact).abs() <= bound).all())
    assert changed(x_NF).dtype == torch.float32


@pytest.mark.parametrize("in_place", [False, True])
def test_a_layer_with_its_relu_is_one_call(in_place):
    able("fuse_linear_relu")
    module = layers([5, 16, 16, 1], bias=True, scale=1.0, seed=0, in_place=in_place)

    fused, (told,) = transformed(module, rows(2, 5, 0), ["fuse_linear_relu"])

    calls = [node for node in fused.graph.nodes if node.op.startswith("call_")]
    assert [str(node.target) for node in calls] == ["mkldnn._linear_pointwise"] * 3
    assert [node.args[3] for node in calls] == ["relu", "relu", "none"]
    assert told == "fuse_linear_relu: 3 linear layers are one call of oneDNN each, 2 of them with their ReLU."


@pytest.mark.parametrize("bias", [True, False])
def test_a_direct_call_has_no_module_and_its_relu_works_in_place(bias):
    module = layers([5, 16, 16, 1], bias=bias, scale=1.0, seed=0)

    direct, (told,) = transformed(module, rows(2, 5, 0), ["direct_calls"])

    product = torch.addmm if bias else torch.mm
    calls = [node.target for node in direct.graph.nodes if node.op.startswith("call_")]
    assert calls == [product, torch.relu_, product, torch.relu_, product]
    assert not list(direct.children())
    assert told == "direct_calls: 3 linear layers are one operator each, 2 of them with their ReLU in place."


def test_layers_of_anything_but_rows_are_called_as_before():
    # addmm takes matrices only.
    module, x = layers([5, 16, 1], bias=True, scale=1.0, seed=0), torch.ones(2, 3, 5)
    plain, _ = transformed(module, x, [])

    changed, (told,) = transformed(module, x, ["direct_calls"])

    assert changed.code == plain.code
    assert told == "direct_calls: nothing in this model is for it, which is as it was."


def test_between_layers_in_bfloat16_nothing_is_widened():
    able("bfloat16")
    module = layers([5, 16, 16, 1], bias=True, scale=1.0, seed=0)

    narrowed, (told,) = transformed(module, rows(2, 5, 0), ["bfloat16"])

    conversions = [node.args[1] for node in narrowed.graph.nodes if node.target == "to"]
    assert conversions == [torch.bfloat16, torch.float32]
    assert told == "bfloat16: 3 linear layers multiply in bfloat16, with 2 values between them left in it."


class Branched(nn.Module):
    """A layer whose output is used before its ReLU too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        y = self.layer(x)
        return torch.relu(y) + y


@pytest.mark.parametrize("name", ["direct_calls", "fuse_linear_relu", "bfloat16"])
def test_a_relu_that_is_not_alone_stays(name):
    able(name)
    module, x_NF = Branched().eval(), rows(3, 4, 0)

    changed, _ = transformed(module, x_NF, [name])

    tolerance = 0.1 if name == "bfloat16" else 1e-6
    torch.testing.assert_close(changed(x_NF), module(x_NF), rtol=0, atol=tolerance)
    assert any("relu" in str(node.target) for node in changed.graph.nodes)


@pytest.mark.parametrize("name", ["direct_calls", "fuse_linear_relu", "matmul_backend", "bfloat16"])
def test_a_model_without_linear_layers_is_as_it_was(name):
    able(name)
    module = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU()).eval()
    x = torch.ones(1, 1, 8)
    plain, _ = transformed(module, x, [])

    changed, told = transformed(module, x, [name])

    assert changed.code == plain.code
    assert told == [f"{name}: nothing in this model is for it, which is as it was."]


@pytest.mark.parametrize("name", ["direct_calls", "fuse_linear_relu", "matmul_backend", "bfloat16"])
@pytest.mark.parametrize("mode", ["eager", "torchscript", "fx"])
def test_a_mode_runs_what_a_transformation_made(name, mode):
    able(name)
    module, x_NF = layers([5, 32, 1], bias=True, scale=1.0, seed=1), rows(9, 5, 1)
    before = copy.deepcopy(module.state_dict())

    combined = mode_with(f"{mode}+{name}")
    forward = combined.prepare_inference(module, x_NF[:2])

    assert combined.name == f"{mode}+{name}"
    assert not combined.trains
    tolerance = 0.1 if name == "bfloat16" else 1e-5
    for number in (1, 2, 9):
        torch.testing.assert_close(forward(x_NF[:number]), module(x_NF[:number]), rtol=0, atol=tolerance)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_mode_without_transformations_is_itself():
    assert mode_with("eager") is mode_named("eager")
    assert mode_with("eager", ["fold_normalization"]).name == "eager+fold_normalization"
