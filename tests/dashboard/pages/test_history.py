from __future__ import annotations

import numpy as np
import pytest

from tests.dashboard.pages.opened import opened, texts
from tests.dashboard.stored import forward, keep, stored_run


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


def test_a_line_of_history_is_of_one_workload_and_how_to_read_it_is_said_once(two_models):
    app = opened(two_models, "history", workload="house_prices")
    other = opened(two_models, "history", workload="mymodel")

    assert not app.exception
    assert texts(app).count("Click a point to open its run.") == 1
    assert app.dataframe[0].value["before"].tolist() == ["1.00 s", "1.00 s"]
    assert "only one run of this workload" in texts(other)
