from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
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
