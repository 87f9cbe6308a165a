from __future__ import annotations

from dataclasses import replace

from pricebench.traffic.records import Traffic
from tests.dashboard.pages.opened import opened, texts, unescaped_marks
from tests.dashboard.stored import EVIL, MARKDOWN
from tests.traffic.made import OURS, RIVAL, probe, report, server, trial, whole


def keep(home, *reports):
    folder = home / "reports" / "serving"
    folder.mkdir(parents=True)
    for number, each in enumerate(reports, start=1):
        each.save(folder / f"aaaaaaaaaa_2026010{number}T000000Z.json")
    return folder


def test_the_newest_report_is_a_sentence_a_picture_and_its_tables(tmp_path):
    folder = keep(tmp_path, report(probe(500)), whole())
    (folder / "aaaaaaaaaa_20260109T000000Z.json").write_text("{")

    app = opened(tmp_path, "serving")

    assert not app.exception
    assert f"One house per request: 8,000 requests a second, 4.00 times {RIVAL} (2,000)." in texts(app)
    assert app.selectbox(key="serving-percentile").value == "p99"
    assert len(app.get("vega_lite_chart")) == 2
    assert app.dataframe[0].value["server"].tolist() == [OURS, RIVAL]
    assert [element.value.replace("\\", "").partition(":")[0] for element in app.subheader] == [
        "One house per request",
        "One house per request",
        "Where the time of one house goes",
        "Soak",
        "Hostile requests",
        "Faults under load",
        "Memory while it was soaked",
        "Conditions",
    ]
    assert "Test CPU" in texts(app)
    assert app.expander[0].label == "1 file could not be read"


def test_a_report_that_has_only_begun_is_shown_as_far_as_it_is(tmp_path):
    keep(tmp_path, report(servers=(), is_complete=False))

    app = opened(tmp_path, "serving")

    assert not app.exception
    assert "The run ended before all its probes." in texts(app)
    assert app.get("vega_lite_chart") == []


def test_traffic_and_percentile_are_in_the_address(tmp_path):
    keep(tmp_path, report(probe(500), probe(100, traffic=Traffic.MIXED)))

    app = opened(tmp_path, "serving", traffic=Traffic.MIXED.value, percentile="p50")

    assert app.selectbox(key="serving-traffic").value == Traffic.MIXED.value
    assert app.selectbox(key="serving-percentile").value == "p50"


def test_nothing_of_a_report_is_markup(tmp_path):
    traps = whole(
        servers=(
            server(title=MARKDOWN),
            server(RIVAL, is_ours=False, title=EVIL),
            server("x", is_ours=False, missing=EVIL),
        ),
        warnings=(EVIL, MARKDOWN),
        hostile=(trial(what=EVIL, findings=(MARKDOWN,), client={EVIL: 1}),),
        started=MARKDOWN,
    )
    traps = replace(traps, machine={**traps.machine, "cpu": EVIL}, conditions={**traps.conditions, "commit": MARKDOWN})
    keep(tmp_path, traps)

    app = opened(tmp_path, "serving")

    assert not app.exception
    assert unescaped_marks(app) == []
