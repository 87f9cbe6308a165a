from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pricebench.recommend.decision import INDIFFERENT, WORTH, Ratio, decide, turning_point
from pricebench.recommend.evidence import Answered, Evidence
from pricebench.recommend.need import Goal
from tests.recommend.made import SHAPES, blocks, evidence, life, need, tried

ONE = {"single": {"torchscript": 1.0, "fx": 1.0, "compile": 1.0}}


def shape(**ratios):
    return {"single": ratios}


def test_the_interval_of_five_blocks_is_that_of_student():
    values = np.exp([0.10, 0.12, 0.08, 0.11, 0.09])

    found = Ratio.of(values)

    # The first look has half of 2.5 % at either end; five values are not trimmed.
    reach = stats.t.ppf(1 - 0.025 / 2, 4) * stats.sem(np.log(values))
    assert (found.low, found.high) == pytest.approx((np.exp(0.10 - reach), np.exp(0.10 + reach)))


def test_fewer_blocks_than_the_first_look_say_nothing():
    found = Ratio.of([0.5, 0.5, 0.51])

    assert found.ratio == pytest.approx(0.5)
    assert not found.is_lower


def test_a_mode_that_saves_a_third_is_shipped():
    decision = decide(evidence(shape(torchscript=0.65, fx=1.01, compile=0.9)), need())

    assert decision.mode == "torchscript"
    assert decision.is_decided
    assert decision.equal == ()
    # By hand: ten starts of two seconds, and a thousand seconds of calls for eager.
    assert decision.relative["torchscript"].ratio == pytest.approx((20 + 650) / 1020, rel=0.01)
    assert "against torchscript" in decision.why_not["compile"]


def test_a_start_that_never_pays_keeps_a_faster_mode_out():
    made = evidence(shape(compile=0.9), {"compile": life(60.0)})

    assert decide(made, need(calls_per_day=1000.0)).mode == "eager"
    assert decide(made, need(calls_per_day=100e6)).mode == "compile"


def test_within_noise_the_simplest_mode_is_shipped_and_the_others_are_no_different():
    decision = decide(evidence(ONE, noise=0.01), need(restarts_per_day=0.0))

    assert decision.mode == "eager"
    assert set(decision.equal) <= {"torchscript", "fx", "compile"}


def test_a_certain_gain_below_one_percent_is_no_reason_to_change():
    decision = decide(evidence(shape(fx=1 - WORTH / 2), noise=0.0005), need(restarts_per_day=0.0))

    assert decision.relative["fx"].is_lower
    assert decision.mode == "eager"
    assert "has to be worth" in decision.why_not["fx"]


def test_of_two_equal_winners_the_one_that_is_not_deprecated_is_shipped():
    decision = decide(evidence(shape(torchscript=0.6, compile=0.6)), need())

    assert decision.mode == "compile"


def test_a_machine_on_which_two_copies_of_eager_differ_hides_smaller_gains():
    made = evidence({"single": {"fx": 0.95, "null": 0.9}})

    assert decide(made, need(restarts_per_day=0.0)).mode == "eager"


def test_a_wrong_answer_is_never_shipped_however_fast():
    made = evidence(shape(fx=0.1, compile=0.9))
    wrong = Answered(error=0.3, eager=1e-7, by="float64", wrong="the output[0] is 2, float64 gives 1")
    made = replace(
        made, tried=tuple(replace(t, answers={"inference": wrong}) if t.mode == "fx" else t for t in made.tried)
    )

    decision = decide(made, need())

    assert decision.mode == "compile"
    assert "float64 gives 1" in decision.why_not["fx"]


def test_without_python_or_a_compiler_those_that_need_it_are_out():
    made = evidence(shape(torchscript=1.2, fx=0.8, compile=0.5))

    assert decide(made, need(no_compiler=True)).mode == "fx"
    decision = decide(made, need(no_python=True))
    assert decision.mode == "torchscript"
    assert "--no-python" in decision.why_not["eager"]


def test_where_nothing_runs_there_is_no_decision():
    made = Evidence(tried=(tried("eager", failures={"inference": "no"}),), blocks=())

    assert decide(made, need()) is None


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["torchscript", "fx", "compile"]), st.floats(0.3, 3.0), min_size=1),
    st.integers(0, 1000),
)
def test_when_decided_the_chosen_mode_costs_little_more_than_the_best(ratios, seed):
    free = need(restarts_per_day=0.0)

    decision = decide(evidence(shape(**ratios), number=8, noise=0.004, seed=seed), free)

    best = min(1.0, *ratios.values())
    chosen = 1.0 if decision.mode == "eager" else ratios[decision.mode]
    if decision.is_decided:
        # What it was made with, not what it measured; a tenth of the margin for the noise of the estimate.
        assert chosen / best <= (1 + 1.1 * INDIFFERENT)


def test_what_pays_only_with_many_calls_turns_at_the_number_that_arithmetic_gives():
    made = evidence(shape(compile=0.5), {"compile": life(102.0)}, noise=0.0)
    now = need(calls_per_day=1e6)

    assert decide(made, now).mode == "eager" if 10 * 100 > 1e6 * 0.5e-3 else "compile"
    turn = turning_point(made, now, SHAPES)

    # By hand: ten starts cost 1000 s more, a call saves half a millisecond: 2 million calls, and 1 % for the worth.
    assert turn.mode == "compile"
    assert turn.condition.startswith("more than 2,")
    assert turn.condition.endswith("calls a day")


def test_another_shape_is_named_where_the_number_of_calls_changes_nothing():
    made = evidence({"single": {"fx": 1.2}, "full": {"fx": 0.5}, "residual": {"fx": 1.0}})

    turn = turning_point(made, need(restarts_per_day=0.0), SHAPES)

    assert turn.mode == "fx"
    assert turn.condition == "calls of shape full (batch 64) alone"


def test_a_shape_that_too_few_blocks_measured_is_not_named():
    made = evidence({"single": {"fx": 0.5}, "full": {"fx": 1.2}})
    later = [replace(block, seconds={"inference[single]": block.seconds["inference[single]"]}) for block in made.blocks]

    for enough, words in ((4, None), (5, "calls of shape full (batch 64) alone")):
        some = replace(made, blocks=(*made.blocks[:enough], *later[enough:]))
        turn = turning_point(some, need(restarts_per_day=0.0), SHAPES)
        assert (turn and turn.condition) == words


def test_nothing_that_was_measured_may_change_the_answer():
    made = evidence({name: {"fx": 1.5} for name in SHAPES})

    assert turning_point(made, need(restarts_per_day=0.0), SHAPES) is None


def test_a_goal_of_first_answers_ships_what_answers_first():
    starts = {"eager": (2.0, 2.1, 1.9, 2.0, 2.05), "null": (2.0, 2.05, 1.9, 2.1, 2.0)}
    made = Evidence(
        tried=(tried("eager"), tried("fx")),
        blocks=(),
        starts={**starts, "fx": tuple(0.5 * start for start in starts["eager"])},
    )

    decision = decide(made, need(goal=Goal.STARTUP))

    assert decision.mode == "fx"


def test_training_is_judged_by_its_own_blocks():
    made = evidence(shape(fx=1.0))
    steps = blocks({"full": {"fx": 0.7}}, kind="training")
    made = replace(made, blocks=steps)
    training = need(goal=Goal.TRAINING, traffic=(replace(need().traffic[0], shape="full"),))

    assert decide(made, training).mode == "fx"
