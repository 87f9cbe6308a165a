from __future__ import annotations

from tests.dashboard.pages.opened import markdown, opened, texts
from tests.dashboard.stored import EVIL, FACTS, forward, keep, stored_run
from tests.limits.made import limits


def test_the_newest_run_is_shown_with_its_conditions(desk):
    app = opened(desk, "benchmarks")

    assert app.dataframe[0].value["contestant"].tolist() == ["eager", "fx"]
    assert app.dataframe[0].value["/ eager"].tolist() == ["1.00", "1.10"]
    assert "Test CPU" in texts(app)
    assert "00000001" in texts(app)
    assert app.query_params["run"] == "aaaaaaaaaa/0002_00000001_20260102T120000Z"


def test_the_share_of_the_machines_limits_stands_beside_the_median(desk):
    info = {"flop": 10**8, "bytes": 10**5, "threads": 1, "dtype": "float32", "device": "cpu"}
    facts = {**FACTS, "threads": 1}
    keep(desk / "reports", stored_run(forward({"eager": 2e-3}, info=info), day=9, facts=facts))
    (desk / "reports" / "limits").mkdir()
    limits(machine={**FACTS, "blas": "aaaaaaaaaa"}).save(
        desk / "reports" / "limits" / "aaaaaaaaaa_20260101T000000Z.json"
    )

    app = opened(desk, "benchmarks")

    # By hand: 0.1 GFLOP at 100 GFLOP/s is 1 ms, of 2 ms.
    assert app.dataframe[0].value["of the limit"].tolist() == ["50%"]
    assert "is the time that arithmetic and compulsory bytes need" in texts(app)


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
