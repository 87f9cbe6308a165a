from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from pricebench.modes.graph_breaks import graph_breaks

X = torch.ones(2, 3)


def line_of(function, text):
    """The number of the line that holds a text, counted by hand so to say."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


class Branches(nn.Module):
    def forward(self, x):
        x = x + 1
        if x.sum() > 0:
            return x * 2
        return x * 3


class Settles(nn.Module):
    def forward(self, x):
        for _ in range(3):
            x = x / 2
            if x.sum() < 1:
                break
        return x


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(x).add_(1)


def test_a_module_of_one_graph_has_none():
    assert graph_breaks(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), X) == []


def test_a_branch_on_a_value_is_told_with_file_and_line():
    (found,) = graph_breaks(Branches(), {"x": X})

    assert (found.file, found.line) == ("test_graph_breaks.py", line_of(Branches.forward, "if x.sum()"))
    assert str(found).endswith(f"(test_graph_breaks.py, line {found.line})")
    assert "\n" not in str(found)


def test_a_break_in_a_loop_gives_up_the_whole_function_and_is_told():
    (found,) = graph_breaks(Settles(), X)

    assert (found.file, found.line) == ("test_graph_breaks.py", line_of(Settles.forward, "if x.sum()"))
    assert found.reason.endswith("all of forward runs without a graph")


def test_a_break_before_the_first_operator_is_told():
    found = graph_breaks(nn.Sequential(nn.LSTM(3, 3)), X)

    assert len(found) == 1


def test_what_a_module_raises_is_the_callers():
    with pytest.raises(RuntimeError):
        graph_breaks(nn.Linear(7, 1), X)


def test_module_and_inputs_are_left_as_they_are():
    module, x = Remembers().train(), X.clone()

    graph_breaks(module, x)

    assert module.training
    assert module.norm.num_batches_tracked == 0
    assert torch.equal(x, X)
