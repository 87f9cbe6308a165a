"""Pages whose runs lie behind a URL: fsspec's file system in memory, which this process alone can see."""

from __future__ import annotations

import json

import fsspec
import pytest

from tests.dashboard.pages.opened import opened, texts
from tests.dashboard.stored import forward, stored_run


@pytest.fixture
def url(tmp_path):
    """A folder without runs, for one test only: pages keep what they have read."""
    system, path = fsspec.filesystem("memory"), f"/{tmp_path.name}/runs"
    system.makedirs(path)
    yield f"memory:/{path}"
    system.rm(path, recursive=True)


def put(url, day):
    content = stored_run(forward({"eager": 1.0 + day, "fx": 1.0}), day=day)
    with fsspec.open(f"{url}/aaaaaaaaaa/{day:04d}.json", "w") as file:
        json.dump(content, file)


def told(app):
    # Addresses are written so that a browser makes no link of them.
    return texts(app).replace("\u2060", "")


def test_runs_behind_a_url_are_shown_and_a_new_one_when_it_is_looked_for(tmp_path, url):
    put(url, 0)
    app = opened(tmp_path, "benchmarks", [f"--from={url}"])
    assert not app.exception
    assert app.selectbox(key="benchmarks-run").value == "aaaaaaaaaa/0000"

    put(url, 1)
    (look,) = app.button
    look.click().run()

    assert not app.exception
    assert len(app.selectbox(key="benchmarks-run").options) == 2


def test_a_history_behind_a_url_is_drawn(tmp_path, url):
    for day in range(3):
        put(url, day)

    app = opened(tmp_path, "history", [f"--from={url}"])

    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 1
    assert app.dataframe[0].value["before"].tolist() == ["2.00 s", "1.00 s"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("memory://nowhere/runs", "memory://nowhere/runs: expected a folder of stored runs, found none"),
        ("nonsense://bucket", "expected a URL that fsspec opens"),
    ],
)
@pytest.mark.parametrize("path", ["benchmarks", "history"])
def test_a_url_that_cannot_be_read_is_one_sentence(tmp_path, path, wrong, says):
    app = opened(tmp_path, path, [f"--from={wrong}"])

    assert not app.exception
    assert says in told(app)


def test_a_place_without_runs_says_so_and_names_no_command_that_would_not_fill_it(tmp_path, url):
    app = opened(tmp_path, "history", [f"--from={url}"])

    assert f"There are no stored runs in {url} yet." in told(app)
    assert not app.code
