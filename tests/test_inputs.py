from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from pricebench.inputs import Inputs, leaves

X = torch.arange(3.0)


@pytest.mark.parametrize(
    ("example", "args", "kwargs"),
    [
        (X, (X,), {}),
        ((X, 2), (X, 2), {}),
        ([X], (X,), {}),
        ({"x": X}, (), {"x": X}),
        (Inputs((X,), {"scale": 2}), (X,), {"scale": 2}),
    ],
    ids=["tensor", "tuple", "list", "mapping", "inputs"],
)
def test_an_example_becomes_arguments(example, args, kwargs):
    inputs = Inputs.of(example)

    assert inputs.args == args
    assert inputs.kwargs == kwargs


def test_every_tensor_is_told_with_its_place():
    inputs = Inputs((X, [X, {"mask": X}], 7), {"input_ids": X, "more": (X,), "flag": True})

    places = [place for place, _ in inputs.tensors()]

    assert places == ["0", "1[0]", "1[1]['mask']", "input_ids", "more[0]"]


def test_clones_share_nothing_and_constants_stay():
    inputs = Inputs((X, None, "mean"), {"y": X})

    cloned = inputs.clone()
    cloned.args[0].add_(1)

    assert torch.equal(X, torch.arange(3.0))
    assert torch.equal(cloned.kwargs["y"], X)
    assert cloned.args[1:] == (None, "mean")


def test_only_numbers_with_a_point_become_float64():
    mask, index = torch.tensor([True]), torch.tensor([1])

    doubled = Inputs((X, X.half(), X.to(torch.complex64), mask, index)).double()

    kinds = [tensor.dtype for _, tensor in doubled.tensors()]
    assert kinds == [torch.float64, torch.float64, torch.complex128, torch.bool, torch.int64]


def test_keywords_reach_the_parameters_of_their_names_in_any_order():
    module = nn.Bilinear(3, 3, 1)

    given = Inputs(kwargs={"input2": X * 2, "input1": X}).call(module)

    assert torch.equal(given, module(X, X * 2))


Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Scores:
    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...] = ()


@pytest.mark.parametrize(
    ("tree", "places"),
    [
        (X, [""]),
        ((X, X), ["[0]", "[1]"]),
        ({"a": X, "b": [X]}, ["['a']", "['b'][0]"]),
        (Pair(X, X), [".first", ".second"]),
        (Scores(X, (X, X)), [".logits", ".hidden[0]", ".hidden[1]"]),
        ([Scores(X)], ["[0].logits"]),
        (Scores, [""]),
    ],
    ids=["tensor", "tuple", "dict", "namedtuple", "dataclass", "dataclass in a list", "a class itself"],
)
def test_leaves_of_outputs_of_every_kind_are_told_with_their_place(tree, places):
    assert [place for place, _ in leaves(tree)] == places
