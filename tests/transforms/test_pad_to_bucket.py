from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from pricebench.transforms import surrounded, transformed


class Layer(nn.Module):
    """A layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(("num_rows", "size"), [(1, 1), (2, 8), (8, 8), (9, 64), (2049, 4096)])
def test_what_runs_is_a_bucket_and_what_comes_out_are_the_rows(num_rows, size):
    module, sizes = Layer().eval(), []
    x_NF = torch.randn(num_rows, 3)
    graph, _ = transformed(module, x_NF[:1], ["pad_to_bucket"])
    graph.layer.register_forward_hook(lambda _, args, __: sizes.append(len(args[0])))

    found = surrounded(graph, graph)(x_NF)

    assert sizes == [size]
    assert len(found) == num_rows
    torch.testing.assert_close(found, module(x_NF), rtol=0, atol=1e-6)


def test_compile_meets_the_buckets_alone():
    module = Layer().eval()
    counted = CompileCounter()
    graph, (told,) = transformed(module, torch.randn(2, 3), ["pad_to_bucket"])
    forward = surrounded(graph, torch.compile(graph, backend=counted, dynamic=False))
    for num_rows in (2, 3, 5, 7, 8, 9, 33):
        forward(torch.randn(num_rows, 3))

    assert counted.frame_count == 2
    assert told == "pad_to_bucket: calls are padded to 1, 8, 64, 512, 2048 rows and multiples of 2048."


class Summed(nn.Module):
    """One value for all rows: padding would change it."""

    def forward(self, x):
        return x.sum(dim=0)


def test_a_model_whose_rows_do_not_come_out_again_is_left_alone():
    _, told = transformed(Summed(), torch.randn(4, 3), ["pad_to_bucket"])

    assert told == ["pad_to_bucket: nothing in this model is for it, which is as it was."]
