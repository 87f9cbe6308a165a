from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from pricebench.artifacts import METRICS_FILE, MODEL_FILE, STATS_FILE
from pricebench.dashboard.app import VIEWS
from pricebench.data import make_houses
from pricebench.serving import Predictor
from tests.cliff.made import cell as cliff_cell
from tests.cliff.made import report as cliff_report
from tests.dashboard.recommended import recommendation
from tests.dashboard.stored import EVIL, FACTS, MARKDOWN, forward, keep, stored_benchmark, stored_run
from tests.gate.made import block as gate_block
from tests.gate.made import finding as gate_finding
from tests.gate.made import report as gate_report

PAGES = ("predict", "benchmarks", "history", "time", "debug")


def _script(reports, artifacts):
    from pricebench.dashboard.app import main  # noqa: PLC0415 - AppTest runs this body as a script of its own

    main([f"--reports={reports}", f"--artifacts={artifacts}"])


def opened(tmp_path, path, **query):
    """A page as the browser would get it from this address."""
    app = AppTest.from_function(
        _script, args=(str(tmp_path / "reports"), str(tmp_path / "artifacts")), default_timeout=60
    )
    # AppTest can only name pages that are files.
    app._page_hash = calc_hash(path)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def markdown(app):
    """Everything that is said in words, as the browser gets it."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.title, app.subheader)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def texts(app):
    """The same, as a person reads it."""
    return markdown(app).replace("\\", "") + "".join(element.value for element in app.code)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def desk(tmp_path, artifacts_folder):  # noqa: ARG001 - it fills tmp_path
    """A folder with a model and two runs."""
    samples = np.random.default_rng(0).normal(1e-3, 1e-5, 200).tolist()
    for day in (0, 1):
        run = stored_run(
            [*forward({"eager": 1e-3, "fx": 1.1e-3}, samples=samples), *forward({"eager": 1e-5}, "single")], day=day
        )
        keep(tmp_path / "reports", run, number=day + 1)
    return tmp_path


# ---- nothing there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("predict", "uv run pricebench train --out"),
        ("debug", "uv run pricebench train --out"),
        ("benchmarks", "uv run pytest benchmarks --reports"),
        ("history", "uv run pytest benchmarks --reports"),
        ("gate", "uv run pricebench gate --base main --reports"),
        ("cliff", "uv run pricebench cliff --reports"),
        ("time", "uv run pricebench profile --out"),
        ("recommend", "uv run pricebench recommend --reports"),
    ],
)
@pytest.mark.parametrize("exists", [False, True], ids=["no folder", "empty folder"])
def test_where_nothing_is_a_sentence_names_the_command_that_mends_it(tmp_path, path, command, exists):
    if exists:
        for folder in (
            "reports/history",
            "reports/traces",
            "reports/cliff",
            "reports/gate",
            "reports/recommendations",
            "artifacts",
        ):
            (tmp_path / folder).mkdir(parents=True)

    app = opened(tmp_path, path)

    assert not app.exception
    assert app.code[0].value.startswith(command)
    assert str(tmp_path) in app.code[0].value


@pytest.mark.parametrize("path", ["predict", "debug"])
def test_a_damaged_model_is_named_with_the_command(tmp_path, artifacts_folder, path):
    (artifacts_folder / MODEL_FILE).write_bytes(b"no model")

    app = opened(tmp_path, path)

    assert not app.exception
    assert "damaged" in app.error[0].value
    assert "pricebench train" in app.code[0].value


def test_a_model_without_its_statistics_is_no_model(tmp_path, artifacts_folder):
    (artifacts_folder / STATS_FILE).unlink()

    assert "pricebench train" in opened(tmp_path, "predict").code[0].value


@pytest.mark.parametrize("path", ["benchmarks", "history"])
def test_broken_runs_are_listed_and_the_others_shown(desk, path):
    folder = desk / "reports" / "history" / "aaaaaaaaaa"
    for name, content in {"0003_half.json": '{"benchmarks": [', "0004_empty.json": "", "0005_list.json": "[]"}.items():
        (folder / name).write_text(content)

    app = opened(desk, path)

    assert not app.exception
    assert app.expander[0].label == "3 files could not be read"
    assert "half-written" in texts(app)
    assert len(app.get("vega_lite_chart")) >= 1


def test_a_run_without_benchmarks_says_so(tmp_path):
    keep(tmp_path / "reports", stored_run([]))

    app = opened(tmp_path, "benchmarks")

    assert not app.exception
    assert app.code[0].value == "uv run pytest benchmarks"


def test_a_broken_analysis_is_listed(tmp_path):
    folder = tmp_path / "reports" / "traces" / "aaaaaaaaaa"
    folder.mkdir(parents=True)
    (folder / "eager_full_inference.analysis.json").write_text("{")

    app = opened(tmp_path, "time")

    assert not app.exception
    assert app.expander[0].label == "1 file could not be read"


# ---- Recommend -----------------------------------------------------------------------------------------------------


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
    assert re.findall(r"(?<!\\)(?:<|\[|\*\*|`|\$)", markdown(app)) == []


# ---- Predict -------------------------------------------------------------------------------------------------------


def test_the_price_follows_the_inputs(desk, artifacts):
    app = opened(desk, "predict")
    before = app.metric[0].value

    app.number_input(key="income").set_value(90_000.0).run()

    house = np.array([[given.value for given in app.number_input]])
    dollars = Predictor(artifacts).predict(house)[0]
    assert app.metric[0].value.replace("\\", "") == f"${dollars:,.0f}"
    assert app.metric[0].value != before
    assert not app.exception


def test_the_address_carries_the_house(desk):
    app = opened(desk, "predict", income="90000", rooms="8")

    assert app.number_input(key="income").value == 90_000.0
    assert app.number_input(key="rooms").value == 8.0


def test_every_mode_prices_the_house_and_compile_waits_for_a_click(desk):
    app = opened(desk, "predict")

    assert [metric.label for metric in app.metric] == ["Price", "eager", "torchscript", "fx", "compile"]
    prices = {mark.value for mark in app.markdown if mark.value.startswith("\\$")}
    assert len(prices) == 1
    assert [button.label for button in app.button] == ["Compile now"]


def test_the_range_comes_from_the_residuals_and_an_old_metrics_file_says_that_it_has_none(desk):
    with_range = texts(opened(desk, "predict"))
    metrics = json.loads((desk / "artifacts" / METRICS_FILE).read_text())
    del metrics["residual_quantiles"]
    (desk / "artifacts" / METRICS_FILE).write_text(json.dumps(metrics))
    without = texts(opened(desk, "predict"))

    assert "9 of 10" in with_range
    assert "9 of 10" not in without
    assert "kept no residuals" in without


def test_an_unfamiliar_house_is_priced_with_a_warning(desk):
    app = opened(desk, "predict", income="900000")

    assert "income is 900000" in app.warning[0].value.replace("\\", "")
    assert "No range" in texts(app)


def test_an_impossible_house_is_refused(desk):
    app = opened(desk, "predict", income="-5")

    assert not app.exception
    assert "income is \\-5" in app.error[0].value
    assert not app.metric


def test_an_uploaded_file_is_priced_and_can_be_downloaded(desk):
    app = opened(desk, "predict")

    app.file_uploader[0].set_value(
        ("houses.csv", make_houses(50).frame().to_csv(index=False).encode(), "text/csv")
    ).run()

    assert not app.exception
    assert app.success[0].value == "50 rows priced."
    assert "predicted_price" in app.dataframe[0].value.columns
    assert app.download_button[0].label == "Download with prices"


def test_a_wrong_file_is_one_sentence(desk):
    app = opened(desk, "predict")

    app.file_uploader[0].set_value(("x.csv", f"income,{EVIL}\n1,2\n".encode(), "text/csv")).run()

    assert not app.exception
    assert len(app.error) == 1


# ---- Benchmarks ----------------------------------------------------------------------------------------------------


def test_the_newest_run_is_shown_with_its_conditions(desk):
    app = opened(desk, "benchmarks")

    assert app.dataframe[0].value["contestant"].tolist() == ["eager", "fx"]
    assert app.dataframe[0].value["/ eager"].tolist() == ["1.00", "1.10"]
    assert "Test CPU" in texts(app)
    assert "00000001" in texts(app)
    assert app.query_params["run"] == "aaaaaaaaaa/0002_00000001_20260102T120000Z"


def test_a_link_leads_to_its_run_and_shape(desk):
    app = opened(desk, "benchmarks", run="aaaaaaaaaa/0001_00000000_20260101T120000Z", shape="single")

    assert app.selectbox(key="benchmarks-run").value == "aaaaaaaaaa/0001_00000000_20260101T120000Z"
    assert app.selectbox(key="shape").value == "single"
    assert app.dataframe[0].value["median"].tolist() == ["10.0 µs"]


def test_a_link_to_a_run_that_is_gone_says_so(desk):
    app = opened(desk, "benchmarks", run=EVIL)

    assert not app.exception
    assert "There is no run" in app.error[0].value
    assert EVIL not in app.error[0].value


def test_a_link_decides_the_machine_too(desk):
    keep(desk / "reports", stored_run(forward({"eager": 1.0}), day=9, fingerprint="bbbbbbbbbb"))

    app = opened(desk, "benchmarks", run="aaaaaaaaaa/0001_00000000_20260101T120000Z")

    assert app.selectbox(key="benchmarks-machine").value == "aaaaaaaaaa"


def test_warnings_of_a_run_stand_beside_its_numbers(tmp_path):
    keep(tmp_path / "reports", stored_run(forward({"eager": 1.0}), warnings=["busy machine", EVIL]))

    app = opened(tmp_path, "benchmarks")

    assert app.warning[0].value == "busy machine"
    assert EVIL not in markdown(app)


def test_the_finding_is_said_before_the_numbers_and_the_rule_below_them(desk):
    app = opened(desk, "benchmarks")

    # The quartiles of 1.1 ms and of 1 ms overlap.
    assert app.info[0].value.replace("\\", "") == (
        "forward: no difference from eager found for full (2,048 rows); "
        "nothing to compare with for single (2,048 rows)."
    )
    assert "not independent" in texts(app)
    assert app.dataframe[0].value["differs"].tolist() == ["-", "no"]


@pytest.fixture
def two_models(tmp_path):
    """Two runs of the house prices, and between them one of another model under the same names."""
    for day, workload in enumerate(("house_prices", "mymodel", "house_prices")):
        seconds = 9.0 if workload == "mymodel" else 1.0
        run = stored_run(forward({"eager": seconds, "fx": seconds}, workload=workload), day=day)
        keep(tmp_path / "reports", run, number=day + 1)
    return tmp_path


def test_one_workload_is_said(desk):
    assert "Workload: house_prices" in texts(opened(desk, "benchmarks"))


def test_of_two_workloads_one_is_chosen_and_stands_in_the_address(two_models):
    app = opened(two_models, "benchmarks", workload="mymodel")
    app.selectbox(key="benchmarks-workload").set_value("house_prices").run()
    chosen = app.query_params["workload"]

    assert app.dataframe[0].value["median"].tolist()[0] == "1.00 s"
    assert chosen == "house_prices"


def test_a_link_to_a_run_means_its_workload(two_models):
    app = opened(two_models, "benchmarks", run="aaaaaaaaaa/0002_00000001_20260102T120000Z")

    assert not app.error
    assert app.selectbox(key="benchmarks-workload").value == "mymodel"


def test_a_line_of_history_is_of_one_workload_and_how_to_read_it_is_said_once(two_models):
    app = opened(two_models, "history", workload="house_prices")
    other = opened(two_models, "history", workload="mymodel")

    assert not app.exception
    assert texts(app).count("Click a point to open its run.") == 1
    assert app.dataframe[0].value["before"].tolist() == ["1.00 s", "1.00 s"]
    assert "only one run of this workload" in texts(other)


# ---- History -------------------------------------------------------------------------------------------------------


@pytest.fixture
def stepped(tmp_path):
    """Forty runs with a step of 30 % in the middle, on two branches."""
    chance = np.random.default_rng(3)
    for day in range(40):
        level = (1.0 if day < 20 else 1.3) * chance.normal(1.0, 0.01)
        run = stored_run(forward({"eager": level, "fx": 2 * level}), day=day, branch="main" if day % 2 else "faster")
        keep(tmp_path / "reports", run, number=day + 1)
    return tmp_path


def test_a_step_is_listed_with_the_commits_around_it(stepped):
    app = opened(stepped, "history")

    steps = app.dataframe[0].value
    assert steps["name"].tolist() == ["eager", "fx"]
    assert steps["in commit"].tolist() == ["00000014"] * 2


def test_filters_come_from_the_address_and_an_unknown_commit_is_refused(stepped):
    narrow = opened(stepped, "history", modes="fx", since="00000020", branch="main")
    wrong = opened(stepped, "history", since="nothing")

    assert not narrow.exception
    assert narrow.multiselect(key="modes").value == ["fx"]
    assert narrow.text_input(key="since").value == "00000020"
    assert narrow.selectbox(key="history-branch").value == "main"
    assert "expected the start of a commit" in wrong.error[0].value.replace("\\", "")


def test_two_runs_are_compared(stepped):
    app = opened(stepped, "history")

    comparison = app.dataframe[1].value
    assert comparison["benchmark"].tolist() == ["test_forward[eager-full]", "test_forward[fx-full]"]


def test_one_run_has_nothing_to_be_compared_with(tmp_path):
    keep(tmp_path / "reports", stored_run(forward({"eager": 1.0})))

    assert "only one run" in texts(opened(tmp_path, "history"))


# ---- Debug ---------------------------------------------------------------------------------------------------------


def test_debug_ends_in_the_price_of_predict(desk):
    price = opened(desk, "predict", income="70000").metric[0].value.replace("\\", "").replace("$", "")
    debug = opened(desk, "debug", income="70000")

    assert price in debug.code[-1].value


@pytest.mark.parametrize("mode", ["eager", "fx", "torchscript"])
def test_a_modes_code_is_shown_or_said_to_be_none(desk, mode):
    app = opened(desk, "debug", look="Code of a mode", mode=mode)

    assert not app.exception
    assert ("def forward" in texts(app)) == (mode != "eager")


def test_the_environment_and_a_raw_run_can_be_read(desk):
    environment = opened(desk, "debug", look="Environment")
    raw = opened(desk, "debug", look="Raw run")

    assert "torch" in environment.dataframe[0].value["fact"].tolist()
    assert json.loads(raw.json[0].value)["version"] == "5.3.1"


# ---- Cliff ---------------------------------------------------------------------------------------------------------


def test_the_cliff_begins_with_its_finding_and_shows_one_arm_at_a_time(tmp_path):
    folder = tmp_path / "reports" / "cliff"
    folder.mkdir(parents=True)
    level = (1.0, 1.0, 1.0, 1.0)
    arms = [
        cliff_cell("eager", level),
        cliff_cell("compile", level, first=2.0, stall=1.0, served=("g0", "g1")),
        cliff_cell(EVIL, level, first=3.0, served=("g0", "g0")),
    ]
    cliff_report(*arms).save(folder / "aaaaaaaaaa_20260101T000000Z.json")

    app = opened(tmp_path, "cliff")
    linked = opened(tmp_path, "cliff", arm="eager")

    assert not app.exception
    assert app.info[0].value.replace("\\", "").startswith("The first batch of a new size stops compile")
    assert app.selectbox(key="cliff-arm").value == "compile"
    assert app.query_params["arm"] == "compile"
    assert len(app.get("vega_lite_chart")) == 2  # the calls of one arm, and the steady times of all
    assert linked.selectbox(key="cliff-arm").value == "eager"
    assert "Workload: house_prices" in texts(app)
    assert re.findall(r"(?<!\\)(?:<|\[|\*\*|`|\$)", markdown(app)) == []


# ---- Gate ----------------------------------------------------------------------------------------------------------


def test_a_gate_report_is_a_sentence_a_table_and_a_picture(tmp_path):
    folder = tmp_path / "reports" / "gate"
    folder.mkdir(parents=True)
    measured = {"num_blocks": 8, "num_slower": 8, "change": 0.1, "low": 0.08, "high": 0.12, "base": 1.0, "head": 1.1}
    stored = gate_report(
        gate_finding("slower", **measured), warnings=(EVIL, MARKDOWN), blocks=(gate_block(0, head=0.1),)
    )
    stored.save(folder / "aaaaaaaaaa_20260101T000000Z.json")
    (folder / "aaaaaaaaaa_20260102T000000Z.json").write_text("{")

    app = opened(tmp_path, "gate")

    assert not app.exception
    assert "Do not merge: 1 slower" in app.error[0].value.replace("\\", "")
    assert app.dataframe[0].value["verdict"].tolist() == ["slower"]
    assert len(app.get("vega_lite_chart")) == 1
    assert app.expander[0].label == "1 file could not be read"
    assert re.findall(r"(?<!\\)(?:<|\[|\*\*|`|\$)", markdown(app)) == []


# ---- what anybody may have written ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["benchmarks", "history", "debug"])
def test_no_name_of_a_file_reaches_the_page_as_markup(tmp_path, path):
    names = {EVIL: 1.0, MARKDOWN: 2.0}
    run = stored_run(
        [*forward(names, shape=EVIL), stored_benchmark(f"test_{MARKDOWN}", (EVIL, MARKDOWN), 1.0)],
        branch=EVIL,
        commit=MARKDOWN,
        warnings=[EVIL, MARKDOWN],
        facts={**FACTS, "cpu": EVIL, MARKDOWN: MARKDOWN},
    )
    (tmp_path / "reports" / "history" / "aaaaaaaaaa").mkdir(parents=True)
    (tmp_path / "reports" / "history" / "aaaaaaaaaa" / "0001_x.json").write_text(json.dumps(run))

    app = opened(tmp_path, path, look="Raw run")

    assert not app.exception
    # Every mark that could begin markup is escaped.
    assert re.findall(r"(?<!\\)(?:<|\[|\*\*|`|\$)", markdown(app)) == []
    assert "https:/" not in markdown(app).replace("\\", "")
