from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.fx import MODE

EXAMPLE = torch.ones(2, 3)


class BranchesOnAValue(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class BranchesOnAShape(nn.Module):
    def forward(self, x):
        return x if x.shape[0] > 1 else -x


class IteratesOverRows(nn.Module):
    def forward(self, x):
        return sum(x)


class CountsRows(nn.Module):
    def forward(self, x):
        return x * len(x)


class LeavesTorch(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.asarray(x))


class TakesAFloat(nn.Module):
    def forward(self, x):
        return x * float(x.mean())


@pytest.mark.parametrize(
    "module",
    [BranchesOnAValue(), BranchesOnAShape(), IteratesOverRows(), CountsRows(), LeavesTorch(), TakesAFloat()],
    ids=lambda module: type(module).__name__,
)
@pytest.mark.parametrize("prepare", [MODE.prepare_inference, MODE.prepare_training, MODE.show])
def test_what_depends_on_a_value_is_refused_in_one_line(module, prepare):
    assert module(EXAMPLE).shape == (2, 3) or isinstance(module, IteratesOverRows)

    with pytest.raises(ModeError) as error:
        prepare(module, EXAMPLE)

    assert str(error.value).startswith(f"fx cannot trace {type(module).__name__}: ")
    assert str(error.value).endswith("Its control flow may not depend on values; use another mode.")
    assert "\n" not in str(error.value)


def test_the_regenerated_code_names_the_operators():
    code = MODE.show(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), EXAMPLE)

    assert code.startswith("def forward(self, input):")
    assert 'getattr(self, "1")' in code


class TakesMuch(nn.Module):
    """Every kind of parameter, and branches on what is known before a call."""

    def forward(self, x, *rest, scale=2.0, mode="same", mask=None, **more):
        for other in rest:
            x = x + other
        if mode == "negative":
            x = -x
        if mask is not None:
            x = x * mask
        for extra in more.values():
            x = x + extra["added"]
        return {"scaled": x * scale, "x": x}


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs((EXAMPLE,)),
        Inputs((EXAMPLE, EXAMPLE, EXAMPLE), {"scale": 3.0, "mode": "negative"}),
        Inputs((), {"mask": EXAMPLE * 2, "x": EXAMPLE}),
        Inputs((EXAMPLE,), {"scale": EXAMPLE * 5}),
        Inputs((EXAMPLE,), {"more": {"added": EXAMPLE}, "mode": "negative"}),
    ],
    ids=["defaults", "several and constants", "keywords in another order", "tensor for a number", "names of its own"],
)
def test_a_call_of_any_form_is_traced_for_that_form(inputs):
    infer = MODE.prepare_inference(TakesMuch(), inputs)

    found, expected = inputs.call(infer), inputs.call(TakesMuch())

    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_other_values_of_the_same_form_reach_the_graph():
    infer = MODE.prepare_inference(TakesMuch(), {"x": EXAMPLE, "mask": EXAMPLE})

    assert torch.equal(infer(mask=EXAMPLE * 3, x=EXAMPLE)["x"], EXAMPLE * 3)
