from __future__ import annotations

import json
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from pricebench.artifacts import METRICS_FILE, MODEL_FILE, STATS_FILE
from pricebench.data import make_houses
from pricebench.serving import Predictor
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
    ],
)
@pytest.mark.parametrize("exists", [False, True], ids=["no folder", "empty folder"])
def test_where_nothing_is_a_sentence_names_the_command_that_mends_it(tmp_path, path, command, exists):
    if exists:
        for folder in ("reports/history", "reports/traces", "reports/cliff", "reports/gate", "artifacts"):
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
