"""Shapes: N rows, F features, H hidden units."""

from __future__ import annotations

import copy
from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pricebench.normalization import ZScore
from pricebench.transforms import transformed
from tests.transforms.made import ROUNDOFF, Scored, gamma


def exact_and_bound(module, x_NF):
    """What the module computes, every step in float64, and how far a folded one may be from it: both `(N, 1)`.

    The folded first layer multiplies raw features, rounded to float32, by weights that were rounded once more; the
    folded last one is rounded once more too. Each layer hands on the error of the one before.
    """
    features, price = module.features, module.price
    weights = [layer.weight.detach().double() for layer in module.layers]
    biases = [
        torch.zeros(len(weight), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()
        for layer, weight in zip(module.layers, weights, strict=True)
    ]
    biases[0] = biases[0] - weights[0] @ (features.mean / features.std)
    weights[0] = weights[0] / features.std
    biases[-1] = biases[-1] * price.std + price.mean
    weights[-1] = weights[-1] * price.std[:, None]
    exact, error = x_NF.double(), ROUNDOFF * x_NF.double().abs()
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        magnitude = (exact.abs() + error) @ weight.abs().T + bias.abs()
        # Two more terms: the bias, and the rounding of the weights.
        error = error @ weight.abs().T + gamma(weight.shape[1] + 2) * magnitude
        exact = exact @ weight.T + bias
        if number < len(weights) - 1:
            exact = exact.clamp_min(0)  # moves no two numbers further apart
    return exact, error


@settings(max_examples=60)
@given(
    hidden=st.lists(st.integers(1, 512), min_size=0, max_size=3),
    num_features=st.integers(1, 20),
    bias=st.booleans(),
    exponent=st.integers(-6, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_folded_model_computes_what_the_model_computes_in_float64(hidden, num_features, bias, exponent, seed):
    module = Scored([num_features, *hidden, 1], bias=bias, scale=10.0**exponent, seed=seed).eval()
    x_NF = module.rows(8, seed)

    folded, _ = transformed(module, x_NF, ["fold_normalization"])

    exact, bound = exact_and_bound(module, x_NF)
    assert bool(((folded(x_NF).double() - exact).abs() <= bound).all())


def test_seven_operators_less_and_both_folds_are_told():
    module = Scored([5, 16, 1]).eval()
    plain, _ = transformed(module, module.rows(2, 0), [])

    folded, told = transformed(module, module.rows(2, 0), ["fold_normalization"])

    def calls(graph):
        return Counter(str(node.target) for node in graph.graph.nodes if node.op.startswith("call_"))

    assert sum(calls(plain).values()) - sum(calls(folded).values()) == 7
    assert calls(folded) == {"to": 1, "layers.0": 1, "layers.1": 1} | {
        name: 1 for name in calls(folded) if "relu" in name
    }
    assert told == [
        "fold_normalization: z-scores of 5 features folded into layers.0; the scale of the answer folded into layers.1."
    ]


def test_the_module_itself_is_left_as_it_is():
    module = Scored([5, 16, 1]).train()
    before = copy.deepcopy(module.state_dict())

    transformed(module, module.rows(2, 0), ["fold_normalization"])

    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_model_without_z_scores_is_as_it_was_and_that_is_said():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).eval()
    plain, _ = transformed(module, torch.ones(1, 3), [])

    folded, told = transformed(module, torch.ones(1, 3), ["fold_normalization"])

    assert folded.code == plain.code
    assert told == ["fold_normalization: nothing in this model is for it, which is as it was."]


class Shared(nn.Module):
    """One layer for raw features and for z-scores."""

    def __init__(self):
        super().__init__()
        self.score = ZScore(torch.full((3,), 2.0), torch.full((3,), 4.0))
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(self.score.normalize(x)) + self.layer(x)


def test_a_layer_that_is_called_elsewhere_too_keeps_its_weights_there():
    module, x_NF = Shared().eval(), torch.ones(2, 3)
    exact = copy.deepcopy(module).double()
    expected = exact.layer((x_NF.double() - 2) / 4) + exact.layer(x_NF.double())

    folded, (told,) = transformed(module, x_NF, ["fold_normalization"])

    assert "z-scores of 3 features" in told
    torch.testing.assert_close(folded(x_NF).double(), expected, rtol=0, atol=20 * ROUNDOFF)
