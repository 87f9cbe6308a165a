from __future__ import annotations

from dataclasses import replace

from pricebench.dashboard.app import VIEWS
from tests.dashboard.pages.opened import markdown, opened, texts, unescaped_marks
from tests.dashboard.recommended import recommendation
from tests.dashboard.stored import EVIL, MARKDOWN


def keep_recommendations(home, *reports):
    folder = home / "reports" / "recommendations"
    folder.mkdir(parents=True)
    for number, report in enumerate(reports, start=1):
        report.save(folder / f"0123456789_2026010{number}T000000Z.json")
    return folder


def test_the_first_page_begins_with_the_sentence_of_the_newest_recommendation(tmp_path):
    folder = keep_recommendations(tmp_path, recommendation(1.2, torch="2.11.0"), recommendation(0.6))
    (folder / "0123456789_20260109T000000Z.json").write_text("{")

    app = opened(tmp_path, "recommend")

    assert VIEWS[0].path == "recommend"
    assert not app.exception
    assert app.subheader[0].value.replace("\\", "").startswith("Ship fx: a day of calls costs")
    assert app.dataframe[0].value["mode"].tolist() == ["eager", "fx <- ship", "compile"]
    assert len(app.get("vega_lite_chart")) == 1
    assert app.expander[0].label == "1 file could not be read"
    assert "From torch 2.11.0 to 2.15.0 the answer changed from eager to fx" in texts(app)
    assert app.dataframe[-1].value["answer"].tolist() == ["fx", "eager"]
    assert "Workload: made" in texts(app)


def test_recommendations_of_two_workloads_are_never_on_one_page(tmp_path):
    keep_recommendations(tmp_path, recommendation(0.6, workload="theirs"), recommendation(1.2, workload="ours"))

    app = opened(tmp_path, "recommend", workload="theirs")

    assert app.selectbox(key="recommend-workload").value == "theirs"
    assert app.subheader[0].value.startswith("Ship fx")
    assert len(app.selectbox(key="recommend-report").options) == 1
    assert "Other machines" not in markdown(app)


def test_nothing_of_a_recommendation_is_markup(tmp_path):
    made = recommendation(0.6, workload=EVIL, warnings=(EVIL, MARKDOWN))
    traps = replace(
        made,
        sentence=f"Ship {EVIL} {MARKDOWN}",
        notes=(MARKDOWN,),
        candidates=tuple(
            replace(each, why_not=MARKDOWN, needs=MARKDOWN, graph_breaks=({"reason": EVIL, "file": "", "line": 0},))
            for each in made.candidates
        ),
    )
    keep_recommendations(tmp_path, traps, replace(traps, started=EVIL))

    app = opened(tmp_path, "recommend")

    assert not app.exception
    assert EVIL in app.subheader[0].value.replace("\\", "")
    assert unescaped_marks(app) == []
