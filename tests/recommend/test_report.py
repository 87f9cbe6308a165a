from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import pytest

from pricebench.errors import ExitCode
from pricebench.files import stored_reports
from pricebench.recommend.conclusion import conclude, formula
from pricebench.recommend.evidence import Evidence
from pricebench.recommend.need import Goal, RecommendError
from pricebench.recommend.report import Report
from pricebench.recommend.table import sections, sentences
from tests.recommend.made import FACTS, evidence, life, need, tried


def report(made, wanted=None):
    return conclude(
        made,
        wanted or need(),
        started="2026-11-25T01:02:03+00:00",
        facts=FACTS,
        source="made:build",
        conditions={"threads": 1, "seconds": 61.0},
        warnings=("busy machine: other programs used 0.50 cores",),
    )


def test_the_sentence_says_what_to_ship_how_much_it_wins_from_when_and_what_would_change_it():
    made = evidence({"single": {"compile": 0.5}}, {"compile": life(12.0, cache=3_000_000)}, noise=0.001)

    sentence = report(made).sentence

    # By hand: (120 + 500) / (20 + 1000) is 39 % less; 10 s more at the start, half a millisecond less a call.
    assert sentence.startswith("Ship compile: a day of calls costs 39% less (39 to 39 %) against eager; ")
    assert "from 20,0" in sentence or "from 19,9" in sentence
    assert "With fewer than " in sentence
    assert sentence.endswith("calls a day the answer is eager.")


def test_where_no_mode_wins_the_answer_is_eager_and_names_the_nearest():
    sentence = report(evidence({"single": {"fx": 1.02, "compile": 1.2}})).sentence

    assert sentence.startswith("Ship eager: no mode is cheaper beyond doubt; fx comes nearest with 2% more")


def test_where_nothing_runs_the_report_says_why_and_exits_with_4():
    reason = "torch is angry"
    found = report(Evidence(tried=(tried("eager", cold=None, failures={"inference": reason}),), blocks=()))

    assert found.recommended is None
    assert found.exit_code is ExitCode.BROKEN
    assert found.candidate("eager").why_not == reason
    assert found.candidate("eager").status == "failed"


def test_an_undecided_ranking_exits_with_3_and_asks_for_time():
    found = report(evidence({"single": {"fx": 0.97, "compile": 0.96}}, number=5, noise=0.05))

    assert found.exit_code is ExitCode.INCONCLUSIVE
    assert "larger --budget" in found.sentence


def test_a_single_block_gives_no_interval():
    found = report(evidence({"single": {"fx": 0.5}}, number=1))

    assert found.recommended == "eager"
    assert math.isinf(found.candidate("fx").relative.high)


def test_a_report_is_read_as_it_was_written(tmp_path):
    found = report(evidence({"single": {"fx": 0.8, "torchscript": 0.7}, "full": {"fx": 1.0}}, number=5))

    found.save(tmp_path / "made-0123456789_20261125T010203Z.json")
    again = Report.load(stored_reports(tmp_path)[0])

    assert again.to_json() == found.to_json()
    assert again.sentence == found.sentence
    assert len(again.evidence.blocks) == 5


def test_an_interval_that_is_not_known_is_null_in_the_file_and_infinite_again_when_read(tmp_path):
    path = tmp_path / "a_b.json"

    report(evidence({"single": {"fx": 0.5}}, number=2)).save(path)

    assert "Infinity" not in path.read_text()
    assert math.isinf(Report.load(path).candidate("fx").relative.high)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 7}', '{"schema": 1}'])
def test_other_files_are_refused_with_their_name(tmp_path, text):
    path = tmp_path / "a_b.json"
    path.write_text(text)

    with pytest.raises(RecommendError, match=r"a_b\.json"):
        Report.load(path)


@pytest.mark.parametrize("field", ["need", "candidates", "evidence", "sentence", "machine"])
def test_a_file_that_lacks_a_field_is_refused(tmp_path, field):
    path = tmp_path / "a_b.json"
    record = report(evidence({"single": {"fx": 0.8}})).to_json()
    del record[field]
    path.write_text(json.dumps(record))

    with pytest.raises(RecommendError, match=field):
        Report.load(path)


def test_tables_mark_what_to_ship_and_sentences_say_the_formula_breaks_and_warnings():
    made = evidence({"single": {"compile": 0.5}})
    broken = {"reason": "Data dependent operator", "file": "mymodel.py", "line": 7}
    made = replace(
        made, tried=tuple(replace(t, graph_breaks=(broken,)) if t.mode == "compile" else t for t in made.tried)
    )
    found = report(made)

    cost = sections(found)[0]
    told = "\n".join(sentences(found))

    assert "compile <- ship" in [row[0] for row in cost.rows]
    assert "graph break in compile: Data dependent operator (mymodel.py, line 7)" in told
    assert "10 restarts x (first answer, cold cache" in told
    assert "busy machine" in told


def test_the_formula_of_startup_has_no_calls():
    assert "calls" not in formula(need(goal=Goal.STARTUP))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in its folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "a_b.json"
    os.mkfifo(path)

    with pytest.raises(RecommendError, match="a pipe instead of a file"):
        Report.load(path)
