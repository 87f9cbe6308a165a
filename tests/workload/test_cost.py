from __future__ import annotations

import torch
from torch import nn

from pricebench.workload import count_flop, count_operators


def test_each_operator_that_reaches_a_kernel_counts_once():
    x = torch.ones(3)

    assert count_operators(lambda: torch.relu(x + x)) == 2
    assert count_operators(lambda: None) == 0


def test_a_linear_layer_is_a_transposed_view_and_a_product():
    layer, x = nn.Linear(4, 2), torch.ones(3, 4)

    assert count_operators(lambda: layer(x)) == 2
    assert count_flop(lambda: layer(x)) == 2 * 3 * 4 * 2
