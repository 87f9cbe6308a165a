from __future__ import annotations

from dataclasses import replace

import pytest

from pricebench.dashboard.charts.recommendation import costs_chart
from pricebench.dashboard.recommendations import answers_frame, costs_frame, need_label, shown, upgrades
from pricebench.recommend.decision import Ratio
from pricebench.recommend.need import RecommendError
from tests.dashboard.recommended import recommendation
from tests.dashboard.stored import EVIL


def test_every_mode_has_its_cost_with_the_interval_and_one_is_to_ship():
    frame = costs_frame(recommendation(0.6)).set_index("name")

    # A day of a million calls of a millisecond, ten starts aside: six tenths of eager's.
    assert frame.loc["fx", "ratio"] == pytest.approx(0.6, abs=0.02)
    assert frame.loc["fx", "low"] < frame.loc["fx", "ratio"] < frame.loc["fx", "high"] < 1.0
    assert frame["chosen"].to_dict() == {"eager": "not chosen", "fx": "ship", "compile": "not chosen"}


def test_an_interval_that_is_not_known_yet_is_not_drawn():
    report = recommendation()
    unknown = Ratio(ratio=0.6, low=0.0, high=float("inf"))
    report = replace(report, candidates=tuple(replace(each, relative=unknown) for each in report.candidates))

    assert costs_frame(report)[["low", "high"]].isna().all(axis=None)
    assert shown(replace(report, null=unknown)).noise is None


def test_the_page_says_why_each_other_mode_was_not_chosen_and_each_sentence_once():
    report = recommendation(0.6, warnings=("busy machine",))

    found = shown(report)

    assert found.why_not["mode"].tolist() == ["eager", "compile"]
    assert all(found.why_not["why not"])
    assert found.warnings == ("busy machine",)
    assert not [sentence for sentence in found.sentences if "busy machine" in sentence or "it costs" in sentence]
    assert any("made, 2 cores, Linux" in sentence for sentence in found.sentences)
    assert found.tables[0].title == "Cost of a day"


def test_a_report_that_lacks_a_fact_is_one_sentence():
    report = recommendation()

    with pytest.raises(RecommendError, match=r"'cpu'.*pricebench recommend"):
        shown(replace(report, machine={}))


def test_names_of_a_file_are_one_line_each():
    report = recommendation()
    report = replace(
        report,
        candidates=tuple(replace(each, mode=f"{EVIL}\n{each.mode}", status="a\x00b") for each in report.candidates),
    )

    assert costs_frame(report)["name"].tolist()[0] == f"{EVIL} eager"
    assert set(shown(report).why_not["status"]) == {"a b"}


# ---- several reports -----------------------------------------------------------------------------------------------


def test_answers_are_listed_with_machine_torch_and_need():
    reports = [recommendation(0.6), recommendation(1.2, torch="2.11.0", machine={"cpu": "another"})]

    table = answers_frame(reports)

    assert table["answer"].tolist() == ["fx", "eager"]
    assert table["torch"].tolist() == ["2.15.0", "2.11.0"]
    assert table["machine"].tolist() == ["made, 2 cores, cpu, 1 thread", "another, 2 cores, cpu, 1 thread"]
    assert table["need"].tolist()[0] == ("latency: 1 single; 1,000,000 calls and 10 restarts a day; cold cache")
    assert table["against eager"].tolist()[1] == "-"


def test_an_upgrade_that_changes_the_answer_is_said():
    (told,) = upgrades([recommendation(1.2, torch="2.11.0"), recommendation(0.6, torch="2.15.0")])

    assert told.startswith("From torch 2.11.0 to 2.15.0 the answer changed from eager to fx (latency: 1 single;")


def test_an_upgrade_that_leaves_it_is_said_too():
    (told,) = upgrades([recommendation(0.7, torch="2.11.0"), recommendation(0.6, torch="2.15.0")])

    assert "the answer stayed fx" in told


def test_an_answer_that_was_no_different_before_is_no_change():
    before = replace(recommendation(1.2, torch="2.11.0"), equal=("fx",))

    (told,) = upgrades([before, recommendation(0.6)])

    assert "the answer went from eager to fx, which are no different" in told


def test_another_machine_or_need_is_no_upgrade():
    before = recommendation(1.2, torch="2.11.0")

    assert upgrades([before, recommendation(0.6, machine={"cpu": "another"})]) == []
    assert upgrades([before, recommendation(0.6, calls_per_day=10.0)]) == []
    assert upgrades([before, recommendation(0.6, torch="2.11.0")]) == []


def test_needs_that_differ_in_anything_have_two_labels():
    needs = [
        recommendation(**changes).need
        for changes in ({}, {"no_python": True}, {"no_compiler": True}, {"cache": "warm"}, {"restarts_per_day": 11.0})
    ]

    assert len(set(map(need_label, needs))) == 5


# ---- the chart -----------------------------------------------------------------------------------------------------


def test_the_chart_has_a_line_at_one_the_noise_and_an_interval_per_mode():
    report = recommendation(0.6)

    found = costs_chart(costs_frame(report), noise=(0.99, 1.01)).to_dict()

    assert [layer["mark"]["type"] for layer in found["layer"]] == ["rect", "rule", "rule", "point"]
    assert {"low": 0.99, "high": 1.01} in [row for rows in found["datasets"].values() for row in rows]
    # From 0.6 to 1: no need for a logarithm.
    assert "type" not in found["layer"][-1]["encoding"]["x"]["scale"]


def test_costs_that_differ_by_more_than_ten_times_are_logarithmic():
    frame = costs_frame(recommendation(0.6))
    frame.loc[2, "ratio"] = 1000.0

    found = costs_chart(frame, noise=None).to_dict()

    assert found["layer"][0]["mark"]["type"] == "rule"
    assert found["layer"][-1]["encoding"]["x"]["scale"]["type"] == "log"
