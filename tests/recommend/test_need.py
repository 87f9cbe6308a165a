from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.recommend.need import Goal, Need, RecommendError, make_need, read_sizes
from tests.recommend.made import SHAPES


def make(**options):
    return make_need(**{"goal": Goal.LATENCY, "shapes": SHAPES, "batch": "batch", **options})


@given(st.dictionaries(st.integers(1, 10_000), st.integers(1, 1000), min_size=1, max_size=8))
def test_shares_are_those_that_were_given_and_add_up_to_one(weights):
    text = ",".join(f"{rows}:{weight}" for rows, weight in weights.items())

    found = dict(read_sizes(text))

    total = sum(weights.values())
    assert found == pytest.approx({rows: weight / total for rows, weight in weights.items()})


@pytest.mark.parametrize("text", ["", "0:1", "1:0", "1:-2", "8:x", "1:0.5,1:0.5", "1;2", "-4:1", "1:0.5,"])
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(RecommendError, match=r"1:0\.7,8:0\.2,64:0\.1"):
        read_sizes(text)


def test_latency_is_about_single_rows_and_throughput_about_full_batches():
    assert [(share.shape, share.share) for share in make().traffic] == [("single", 1.0)]
    assert [share.shape for share in make(goal=Goal.THROUGHPUT).traffic] == ["full"]


def test_training_is_about_steps_most_of_them_full():
    need = make(goal=Goal.TRAINING)

    assert need.kind == "training"
    assert {share.shape: share.share for share in need.traffic} == {"full": 0.9, "residual": 0.1}


def test_a_workload_without_a_shape_for_the_goal_is_measured_on_full():
    need = make(shapes={"full": {"batch": 4}}, goal=Goal.LATENCY)

    assert [(share.shape, share.share) for share in need.traffic] == [("full", 1.0)]


def test_given_sizes_take_the_name_of_a_shape_where_there_is_one():
    need = make(sizes=((1, 0.75), (8, 0.25)))

    assert [(share.shape, dict(share.sizes)) for share in need.traffic] == [
        ("single", {"batch": 1}),
        ("batch=8", {"batch": 8}),
    ]


def test_sizes_of_a_workload_in_which_nothing_varies_are_refused():
    with pytest.raises(RecommendError, match="no dimension of the workload varies"):
        make(shapes={"full": {}}, batch="", sizes=((8, 1.0),))


def test_a_need_is_read_as_it_was_written():
    need = make(sizes=((1, 0.5), (64, 0.5)), no_python=True, cache="warm")

    assert Need.from_json(asdict(need)) == need
