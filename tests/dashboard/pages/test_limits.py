from __future__ import annotations

import pytest

from tests.dashboard.pages.opened import markdown, opened, texts
from tests.dashboard.stored import EVIL, FACTS, MARKDOWN, keep, stored_benchmark, stored_run
from tests.limits.made import limits, rate

INFO = {"flop": 10**8, "bytes": 10**5, "threads": 1, "dtype": "float32", "device": "cpu"}


@pytest.fixture
def machine(tmp_path):
    """A folder with the limits of the machine on which its run was measured."""
    folder = tmp_path / "reports" / "limits"
    folder.mkdir(parents=True)
    limits(machine=dict(FACTS), warnings=(EVIL,)).save(folder / "aaaaaaaaaa_20260101T000000Z.json")
    measured = [stored_benchmark("test_forward", ("eager", "full"), 2e-3, info=INFO)]
    keep(tmp_path / "reports", stored_run(measured, facts={**FACTS, "threads": 1}))
    return tmp_path


def test_a_benchmark_stands_below_its_roof(machine):
    app = opened(machine, "limits")

    assert not app.exception
    # By hand: 0.1 GFLOP at 100 GFLOP/s is 1 ms, of 2 ms.
    assert app.info[0].value.replace("\\", "").startswith("forward eager full comes nearest to its limit: 50%")
    assert app.dataframe[0].value["of the limit"].tolist() == ["50%"]
    assert app.dataframe[0].value["what binds it"].tolist() == ["arithmetic"]
    assert len(app.get("vega_lite_chart")) == 1
    assert "torch.mm leaves 40% on the floor" in texts(app)
    assert EVIL not in markdown(app)


def test_the_number_of_threads_that_was_measured_is_shown_first(machine):
    folder = machine / "reports" / "limits"
    limits(rate("torch.mm", 60), rate("torch.mm", 100, threads=2), machine=dict(FACTS)).save(
        folder / "aaaaaaaaaa_20260102T000000Z.json"
    )
    for path in (machine / "reports" / "history").rglob("*.json"):
        path.unlink()
    measured = [stored_benchmark("test_forward", ("eager", "full"), 2e-3, info=INFO | {"threads": 2})]
    keep(machine / "reports", stored_run(measured, facts={**FACTS, "threads": 2}))

    app = opened(machine, "limits")

    assert not app.exception
    assert app.selectbox(key="limits-threads").value == "2"
    assert not app.code


def test_without_a_run_of_this_machine_the_roofs_are_drawn_and_the_command_is_named(tmp_path):
    folder = tmp_path / "reports" / "limits"
    folder.mkdir(parents=True)
    limits(rate(MARKDOWN, 60)).save(folder / "aaaaaaaaaa_20260101T000000Z.json")

    app = opened(tmp_path, "limits")

    assert not app.exception
    assert app.code[0].value.startswith("uv run pytest benchmarks --threads 1")
    assert len(app.get("vega_lite_chart")) == 1
