from __future__ import annotations

import math

import pytest

from evidence.which_mode import MODELS, NUM_REPEATS, PAGE, agreement, first_reports, long_reports, page, regret, repeats
from pricebench.recommend.decision import INDIFFERENT, decide

FIRST, LATER = first_reports(), long_reports()


def test_the_page_is_that_of_the_committed_reports():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_model_has_a_recommendation_made_within_its_five_minutes():
    assert set(FIRST) == set(MODELS)
    for model, report in FIRST.items():
        # The last block may end behind the budget.
        assert report.conditions["budget"] == 300, model
        assert report.recommended is not None, model


@pytest.mark.parametrize("model", sorted(FIRST))
def test_todays_rule_gives_the_committed_answer_from_the_committed_blocks(model):
    report = FIRST[model]

    decision = decide(report.evidence, report.need)

    assert decision.mode == report.recommended
    assert decision.equal == report.equal
    # Stored with seven digits.
    chosen = report.candidate(report.recommended)
    assert decision.relative[decision.mode].ratio == pytest.approx(chosen.relative.ratio, rel=1e-4)


def test_independent_long_measurements_find_no_mode_that_is_more_than_three_percent_cheaper():
    assert set(LATER) == set(MODELS)
    for model, report in LATER.items():
        assert len(report.evidence.blocks) == 30, model
        assert regret(FIRST[model], report).ratio <= 1 + INDIFFERENT, model


def test_repeated_answers_are_the_same_or_no_different():
    for model in {each["workload"] for each in repeats()}:
        answers = [each for each in repeats() if each["workload"] == model]
        assert len(answers) <= NUM_REPEATS
        assert agreement(answers) == len(answers), model


def test_agreement_counts_answers_that_name_the_usual_mode_or_call_it_no_different():
    answers = [
        {"recommended": "compile", "equal": []},
        {"recommended": "compile", "equal": ["eager"]},
        {"recommended": "eager", "equal": ["compile"]},
        {"recommended": "eager", "equal": []},
        {"recommended": "compile", "equal": []},
    ]

    assert agreement(answers) == 4
    assert math.isclose(agreement(answers) / len(answers), 0.8)
