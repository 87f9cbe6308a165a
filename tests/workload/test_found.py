from __future__ import annotations

import torch
from torch import nn

from pricebench.workload import from_example


class Attends(nn.Module):
    def forward(self, words, mask):
        return (words * mask[..., None]).sum(1)


class Branches(nn.Module):
    """Control flow that depends on values: torch.export cannot take it."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class SendsMessages(nn.Module):
    """Edges name nodes: with fewer nodes they are out of range."""

    def forward(self, x_VF, edges_2E):
        return torch.zeros_like(x_VF).index_add(0, edges_2E[1], x_VF[edges_2E[0]])


def test_axes_that_are_equal_in_all_inputs_are_one_dimension():
    workload = from_example("mine", Attends(), {"words": torch.ones(3, 5, 2), "mask": torch.ones(3, 5)})

    assert workload.dims["words"][0] == workload.dims["mask"][0] == "batch"
    assert workload.dims["words"][1] == workload.dims["mask"][1] != "batch"
    assert workload.notes[0].startswith("found by torch.export: batch is axis 0 of input words, axis 0 of input mask")


def test_a_batch_of_one_row_is_found_too():
    workload = from_example("mine", nn.Linear(3, 1), torch.ones(1, 3))

    assert workload.dims == {"0": {0: "batch"}}
    assert workload.rows("full") == 8


def test_where_export_fails_other_batches_are_run_and_that_is_said():
    workload = from_example("mine", Branches(), torch.ones(4, 3))

    assert workload.dims == {"0": {0: "batch"}}
    assert workload.notes[0].startswith("found by running other batches, for torch.export cannot take it (")
    assert "\n" not in workload.notes[0]


def test_nodes_that_edges_name_are_fixed_and_edges_vary():
    edges = torch.tensor([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])

    workload = from_example("mine", SendsMessages(), (torch.ones(6, 3), edges))

    assert "0" not in workload.dims or 0 not in workload.dims["0"]
    assert "is fixed, for other sizes failed" in workload.notes[0]
    workload.inputs("full").call(workload.module)
