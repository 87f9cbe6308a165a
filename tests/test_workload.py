from __future__ import annotations

import torch

from pricebench.model import MLP
from pricebench.workload import compulsory_bytes, count_flop, house_prices


def test_batches_are_the_same_for_the_same_number_of_rows():
    workload = house_prices(residual_rows=9)

    assert {shape: workload.rows(shape) for shape in workload.shapes} == {"full": 2048, "residual": 9, "single": 1}
    assert torch.equal(workload.inputs(9).args[0], workload.inputs(9).args[0])
    assert workload.inputs(9).args[0].shape == (9, 5)
    assert workload.targets(9).shape == (9, 1)


def test_few_rows_are_repeated_to_fill_a_batch():
    x_NF = torch.arange(15.0).reshape(3, 5)

    workload = house_prices(x_NF=x_NF, z_N1=x_NF[:, :1])

    assert torch.equal(workload.inputs(7).args[0], x_NF[[0, 1, 2, 0, 1, 2, 0]])


def test_flop_of_a_forward_pass_are_counted_by_hand():
    model, x_NF = MLP(), torch.zeros(2048, 5)

    # Two per multiply-add of 5x256, 256x256 and 256x1, per row.
    assert count_flop(lambda: model(x_NF)) == 2048 * 2 * (5 * 256 + 256 * 256 + 256)


def test_compulsory_bytes_are_parameters_inputs_and_outputs():
    assert compulsory_bytes(MLP(), torch.zeros(10, 5), torch.zeros(10, 1)) == 4 * (67_585 + 50 + 10)
