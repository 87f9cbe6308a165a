from __future__ import annotations

import numpy as np
import pytest

from pricebench.recommend.costs import cost, measured, pays_from, startup
from pricebench.recommend.evidence import Evidence
from pricebench.recommend.need import Goal, Share
from tests.recommend.made import EAGER_CALL, blocks, evidence, life, need, tried


def test_a_day_is_restarts_times_starts_and_calls_times_seconds():
    found = cost(evidence({"single": {"compile": 0.5}}, {"compile": life(12.0)}, noise=0.0), "compile", need())

    # By hand: 10 starts of 12 s, a million calls of half a millisecond.
    assert found.startup == 120.0
    assert found.per_day == pytest.approx(120.0 + 1e6 * 0.5 * EAGER_CALL)
    # Eager: 10 x 2 s and 1000 s.
    assert found.ratios == pytest.approx(np.full(8, 620.0 / 1020.0))


def test_stalls_count_at_the_sizes_of_the_traffic_only():
    both = need(
        traffic=(
            Share(shape="single", sizes={"batch": 1}, share=0.5),
            Share(shape="full", sizes={"batch": 64}, share=0.5),
        )
    )
    made = evidence({"single": {"compile": 1.0}}, {"compile": life(12.0, stall=3.0, unseen=5.0)})

    assert startup(made, "compile", need()) == 12.0
    assert startup(made, "compile", both) == pytest.approx(15.0)
    assert made.of("compile").cold.stall_at_unseen([{"batch": 1}, {"batch": 64}]) == pytest.approx(5.0)


def test_a_warm_cache_takes_the_warm_start():
    made = Evidence(
        tried=(tried("eager"), tried("compile", cold=life(12.0), warm=life(5.0))),
        blocks=blocks({"single": {"compile": 1.0}}),
    )

    assert startup(made, "compile", need(cache="warm")) == 5.0
    assert startup(made, "eager", need(cache="warm")) == 2.0  # which leaves nothing in a cache


def test_traffic_weighs_sizes_by_share_and_time():
    both = need(
        restarts_per_day=0.0,
        traffic=(
            Share(shape="single", sizes={"batch": 1}, share=0.9),
            Share(shape="full", sizes={"batch": 64}, share=0.1),
        ),
    )

    found = cost(evidence({"single": {"fx": 0.5}, "full": {"fx": 2.0}}, noise=0.0), "fx", both)

    # By hand: both shapes of eager take a millisecond, so 0.9 x 0.5 + 0.1 x 2.
    assert found.ratios == pytest.approx(np.full(8, 0.65))


def test_a_start_pays_when_what_calls_save_is_as_much():
    made = evidence({"single": {"compile": 0.75, "fx": 1.1}}, {"compile": life(12.0)}, noise=0.0)

    # By hand: 10 s more at the start, a quarter of a millisecond less a call.
    assert pays_from(made, "compile", need()) == pytest.approx(10.0 / 0.25e-3)
    assert pays_from(made, "fx", need()) is None


def test_first_answers_alone_are_compared_round_by_round():
    made = Evidence(
        tried=(tried("eager"), tried("compile")),
        blocks=(),
        starts={"eager": (2.0, 4.0), "null": (2.0, 4.0), "compile": (6.0, 6.0)},
    )

    found = cost(made, "compile", need(goal=Goal.STARTUP, restarts_per_day=100.0))

    assert list(found.ratios) == [3.0, 1.5]
    assert found.per_day == 600.0


def test_a_mode_without_one_size_of_the_traffic_is_not_compared():
    made = evidence({"single": {"compile": 0.5, "fx": 1.0}, "full": {"fx": 1.0}})
    both = need(
        traffic=(
            Share(shape="single", sizes={"batch": 1}, share=0.5),
            Share(shape="full", sizes={"batch": 64}, share=0.5),
        )
    )

    assert measured(made, both, ["eager", "compile", "fx"]) == ["eager", "fx"]
