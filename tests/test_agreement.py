from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pricebench.agreement import default_tolerance, expected_output, largest_difference
from pricebench.inputs import Inputs

NAN, INF = math.nan, math.inf


@dataclass
class Scores:
    logits: torch.Tensor


def test_the_largest_difference_is_told_with_output_place_and_values():
    expected = {"mean": torch.tensor([1.0]), "logits": torch.tensor([[1.0, -4.0], [2.0, 3.0]])}
    found = {"mean": torch.tensor([1.0]), "logits": torch.tensor([[1.0, -4.0], [2.0, 2.0]])}

    difference = largest_difference(found, expected)

    assert (difference.output, difference.index) == ("['logits']", (1, 1))
    assert (difference.found, difference.expected) == (2.0, 3.0)
    assert difference.error == 0.25  # 1 of 4, the largest
    assert str(difference) == "['logits'][1, 1] is 2, float64 gives 3: off by 0.25 of the largest"


def test_gradients_are_compared_with_the_largest_of_all():
    expected = [torch.tensor([100.0]), torch.tensor([1e-9])]
    found = [torch.tensor([100.0]), torch.tensor([2e-9])]

    assert largest_difference(found, expected).error == pytest.approx(1.0)
    assert largest_difference(found, expected, together=True).error == pytest.approx(1e-11)


@pytest.mark.parametrize(
    ("found", "expected", "error"),
    [
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([INF, 1.0], [INF, 1.0], 0.0),
        ([-INF, 1.0], [INF, 1.0], INF),
        ([NAN, 1.0], [2.0, 1.0], INF),
        ([2.0, 1.0], [NAN, 1.0], INF),
        ([INF, 1.0], [2.0, 1.0], INF),
        ([INF, 1.5], [INF, 1.0], 0.5),
        ([], [], 0.0),
        ([0.0, 1e-3], [0.0, 0.0], 1e-3),
        ([1 + 1j, 2j], [1 + 1j, 4j], 0.5),
    ],
)
def test_values_that_are_no_ordinary_numbers(found, expected, error):
    assert largest_difference(torch.tensor(found), torch.tensor(expected)).error == pytest.approx(error)


@pytest.mark.parametrize(
    ("found", "expected", "reason"),
    [
        (torch.ones(2), torch.ones(3), "the output has shape (2,), expected (3,)"),
        ((torch.ones(2),), (torch.ones(2), torch.ones(2)), "1 tensors, expected 2"),
        ({"a": torch.ones(1, 2)}, {"a": torch.ones(2)}, "['a'] has shape (1, 2), expected (2,)"),
        (torch.ones(1) * 1j, torch.ones(1), "the output is torch.complex64, expected torch.float32"),
        (torch.ones(1), torch.ones(1) * 1j, "the output is torch.float32, expected torch.complex64"),
        (None, None, "there is no tensor and no number in the output, so nothing to compare"),
        ("yes", "no", "there is no tensor and no number in the output, so nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_wrong_with_its_reason(found, expected, reason):
    difference = largest_difference(found, expected)

    assert difference.error == INF
    assert str(difference) == reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (torch.tensor([1, 2, 4]), torch.tensor([1, 2, 8])),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (Scores(torch.tensor([2.0])), Scores(torch.tensor([4.0]))),
        ({"loss": 1.0}, {"loss": 2.0}),
        (torch.tensor([2.0]).half(), torch.tensor([4.0], dtype=torch.float64)),
    ],
    ids=["integers", "truth values", "dataclass", "number", "half precision"],
)
def test_outputs_of_every_kind_are_compared(found, expected):
    assert largest_difference(found, expected).error >= 0.5
    assert largest_difference(expected, expected).error == 0.0


class InFloat32(nn.Module):
    """Refuses any other precision, in one of the ways that people do."""

    def __init__(self, error):
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.error = error

    def forward(self, x):
        if x.dtype != torch.float32:
            raise self.error
        return self.linear(x)


@pytest.mark.parametrize("error", [TypeError("float32 only"), AssertionError("float32 only"), KeyError("float64")])
def test_where_float64_fails_eager_is_the_reference_and_says_why(error):
    module, x = InFloat32(error), torch.ones(2, 3)

    value, by = expected_output(module, Inputs.of(x))

    assert torch.equal(value, module.linear(x))
    assert by == f"eager, for in float64 it fails: {error}"


class MakesATensor(nn.Module):
    def forward(self, x):
        return x @ torch.full((3, 3), 0.1)


def test_tensors_that_a_module_makes_are_in_float64_too():
    value, by = expected_output(MakesATensor(), Inputs.of(torch.ones(1, 3)))

    assert by == "float64"
    assert float(value[0, 0]) == pytest.approx(0.3, rel=1e-15)
    assert torch.get_default_dtype() == torch.float32


class AddsToItsInput(nn.Module):
    def forward(self, x):
        return x.add_(1.0)


def test_the_reference_leaves_inputs_and_buffers_alone():
    norm, x = nn.BatchNorm1d(3).train(), torch.zeros(4, 3)

    expected_output(AddsToItsInput(), Inputs.of(x))
    expected_output(norm, Inputs.of(x))

    assert torch.equal(x, torch.zeros(4, 3))
    assert norm.training
    assert norm.num_batches_tracked == 0


def test_the_tolerance_of_the_house_price_network_by_hand():
    layers = nn.Sequential(nn.Linear(5, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))

    # Ten times three layers times sqrt(256) roundings of 2 ** -24; half precision has 2 ** -11, which would be more
    # than a tenth.
    assert default_tolerance(layers) == 10 * 3 * 16 * 2.0**-24
    assert default_tolerance(layers.half()) == 0.1
    assert default_tolerance(nn.ReLU()) == 10 * 2.0**-24
    # Steps of 8 bits: 127 to each side of zero.
    assert default_tolerance(nn.Linear(1, 1), dtype=torch.int8) == pytest.approx(10 / 127 / 2)


@given(
    widths=st.lists(st.integers(1, 200), min_size=2, max_size=6), seed=st.integers(0, 2**31), rows=st.integers(64, 96)
)
def test_rounding_of_random_networks_stays_below_the_tolerance_of_many_outputs(widths, seed, rows):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.Tanh())]
        module, x = nn.Sequential(*layers), torch.randn(rows, widths[0])

    expected, by = expected_output(module, Inputs.of(x))

    # Of many: a lone output may cancel, and be small beside the values that it is a sum of.
    assert by == "float64"
    assert largest_difference(module(x), expected).error <= default_tolerance(module)
