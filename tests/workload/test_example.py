from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pricebench.errors import WorkloadError
from pricebench.inputs import Inputs
from pricebench.workload import from_example
from pricebench.workload.example import resized

LINEAR, X = nn.Linear(3, 1), torch.arange(12.0).reshape(4, 3)


class Words(nn.Module):
    def forward(self, mask, ids):
        return ids * mask


WORDS = {"ids": torch.arange(12).reshape(2, 6), "mask": torch.ones(2, 6, dtype=torch.long)}
WORD_DIMS = {"ids": {0: "batch", 1: "sequence"}, "mask": {0: "batch", 1: "sequence"}}


@given(rows=st.integers(1, 7), columns=st.integers(1, 5), batch=st.integers(1, 20), width=st.integers(1, 20))
def test_other_sizes_are_rows_of_the_example_in_a_cycle(rows, columns, batch, width):
    x = torch.arange(rows * columns).reshape(rows, columns)

    (given_x,) = resized(Inputs.of(x), {"0": {0: "batch", 1: "width"}}, {"batch": batch, "width": width}).args

    expected = [[int(x[row % rows, column % columns]) for column in range(width)] for row in range(batch)]
    assert given_x.tolist() == expected


def test_inputs_of_the_examples_own_size_are_fresh_each_time():
    workload = from_example("mine", LINEAR, X, dims={"batch": 0})

    workload.inputs("full").args[0].zero_()

    assert torch.equal(workload.inputs("full").args[0], X)


def test_default_shapes_are_the_example_three_fifths_of_it_and_one_row():
    workload = from_example("mine", LINEAR, torch.ones(10, 3), dims={"batch": 0})

    assert workload.shapes == {"full": {"batch": 10}, "residual": {"batch": 6}, "single": {"batch": 1}}


def test_an_example_of_one_row_is_repeated_and_that_is_said():
    workload = from_example("mine", LINEAR, X[:1], dims={"batch": 0})

    assert workload.rows("full") == 8
    assert workload.notes == ("the example has one row: full repeats it 8 times",)


def test_keywords_in_another_order_than_the_signature_are_resized_by_name():
    workload = from_example("mine", Words(), WORDS, dims=WORD_DIMS)

    inputs = workload.inputs({"batch": 1, "sequence": 3})

    assert inputs.kwargs["ids"].tolist() == [[0, 1, 2]]
    assert inputs.kwargs["mask"].shape == (1, 3)


def test_targets_follow_the_batch_and_others_stay():
    targets = {"value": torch.tensor([1, 2, 3, 4]), "weights": torch.ones(5), "scale": 2}
    workload = from_example("mine", LINEAR, X, dims={"batch": 0}, loss=lambda output, _: output.sum(), targets=targets)

    found = workload.targets(6)

    assert found["value"].tolist() == [1, 2, 3, 4, 1, 2]
    assert len(found["weights"]) == 5
    assert found["scale"] == 2


@pytest.mark.parametrize(
    ("module", "example", "given_more", "message"),
    [
        ("net", X, {}, "mine gave a str as its module, expected a torch.nn.Module."),
        (
            Words(),
            {"mask": X},
            {"dims": {"batch": 0}},
            (
                "mine: the module Words does not take its example: TypeError: Words.forward() missing 1 required "
                "positional argument: 'ids'. Give the arguments of a call that works."
            ),
        ),
        (
            LINEAR,
            X,
            {"dims": {"x": {0: "batch"}}},
            "mine: dims name the input 'x', which is no tensor of the example. Known: 0.",
        ),
        (LINEAR, X, {"dims": {"0": {2: "batch"}}}, "mine: dims name axis 2 of input 0, whose shape is (4, 3)."),
        (LINEAR, X, {"dims": {"batch": 2}}, "mine: dims say that batch is axis 2, which no input has."),
        (
            LINEAR,
            X,
            {"dims": {"batch": "0"}},
            (
                "mine: dims give batch a str, expected an axis, such as {'batch': 0}, or axes by number, such as "
                "{'batch': {0: 'batch'}}."
            ),
        ),
        (LINEAR, X, {"dims": ["batch"]}, "mine: dims are a list, expected a mapping such as {'batch': 0}."),
        (
            Words(),
            WORDS,
            {"dims": {"ids": {0: "batch"}, "mask": {1: "batch"}}},
            "mine: batch is 2 in one input and 6 in input mask. Give them dimensions of their own.",
        ),
        (
            LINEAR,
            torch.ones(0, 3),
            {"dims": {"batch": 0}},
            (
                "mine: batch is 0 in input 0, whose shape is (0, 3): there is nothing to repeat. Give an "
                "example with at least one."
            ),
        ),
        (
            LINEAR,
            X,
            {"dims": {"batch": 0}, "shapes": {"full": {"rows": 3}}},
            "mine: shape full sets rows, which is no dimension of the example. Known: batch.",
        ),
        (
            LINEAR,
            X,
            {"dims": {}, "shapes": {"full": 3}},
            "mine: shape full sets batch, which is no dimension of the example. Known: none.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(module, example, given_more, message):
    with pytest.raises(WorkloadError) as caught:
        from_example("mine", module, example, **given_more)

    assert str(caught.value) == message
