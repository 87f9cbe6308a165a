from __future__ import annotations

import numpy as np
import pytest
import torch

from pricebench.limits.libraries import LIBRARIES, Library, Operands
from pricebench.limits.measure import arithmetic_of, bandwidth, costs_of_calls, measured
from pricebench.limits.records import Precision, Product

SMALL = Product(rows=16, inner=64, columns=32)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_every_library_multiplies_in_the_precision_that_it_is_listed_under(library):
    if reason := library.missing():
        pytest.skip(f"{library.name} cannot run here: {reason}")

    (rate,) = measured([library], SMALL, torch.get_num_threads())

    # Under "medium" a CPU with AMX may truly use bfloat16.
    wanted = {str(library.precision), "less than float32"} if "medium" in library.name else {str(library.precision)}
    assert rate.arithmetic in wanted
    assert 0 < rate.seconds <= rate.median


def test_a_product_in_bfloat16_that_claims_float32_is_found_out():
    def rounded(operands, _):
        x, w = torch.from_numpy(operands.x_MK).bfloat16(), torch.from_numpy(operands.w_KN).bfloat16()
        return lambda: x.float() @ w.float()

    library = Library(
        name="liar",
        precision=Precision.FLOAT32,
        advice="",
        version=lambda: "1",
        missing=lambda: None,
        prepare=rounded,
    )

    (rate,) = measured([library], SMALL, 1)

    assert rate.arithmetic == "less than float32"


@pytest.mark.parametrize(
    ("precision", "error", "told"),
    [
        (Precision.FLOAT32, 2**-20, "float32"),
        (Precision.FLOAT32, 2**-16, "less than float32"),
        (Precision.FLOAT32, 0.5, "wrong"),
        (Precision.BFLOAT16, 2**-10, "bfloat16"),
        (Precision.INT8, 0.0, "int8"),
        (Precision.INT8, 1e-6, "wrong: its sums overflow"),
    ],
)
def test_arithmetic_is_known_by_its_error(precision, error, told):
    assert arithmetic_of(precision, error) == told


def test_whole_numbers_stay_within_what_int8_products_hold():
    operands = Operands.of(SMALL, Precision.INT8, seed=3)

    for values in (operands.x_MK, operands.w_KN):
        assert (values == np.round(values)).all()
    assert operands.x_MK.min() >= 0
    # Two products of a kernel without VNNI are added in 16 bits.
    assert 2 * operands.x_MK.max() * np.abs(operands.w_KN).max() < 2**15


def test_memory_and_calls_have_a_cost():
    found = bandwidth(2**16, torch.get_num_threads())

    assert found.per_second > 1e6
    assert set(costs_of_calls()) == {"python", "dispatcher", "operator", "clock"}
    assert all(0 < seconds < 1e-2 for seconds in costs_of_calls().values())
