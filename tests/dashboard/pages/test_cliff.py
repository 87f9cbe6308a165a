from __future__ import annotations

from tests.cliff.made import cell, report
from tests.dashboard.pages.opened import opened, texts, unescaped_marks
from tests.dashboard.stored import EVIL


def test_the_cliff_begins_with_its_finding_and_shows_one_arm_at_a_time(tmp_path):
    folder = tmp_path / "reports" / "cliff"
    folder.mkdir(parents=True)
    level = (1.0, 1.0, 1.0, 1.0)
    arms = [
        cell("eager", level),
        cell("compile", level, first=2.0, stall=1.0, served=("g0", "g1")),
        cell(EVIL, level, first=3.0, served=("g0", "g0")),
    ]
    report(*arms).save(folder / "aaaaaaaaaa_20260101T000000Z.json")

    app = opened(tmp_path, "cliff")
    linked = opened(tmp_path, "cliff", arm="eager")

    assert not app.exception
    assert app.info[0].value.replace("\\", "").startswith("The first batch of a new size stops compile")
    assert app.selectbox(key="cliff-arm").value == "compile"
    assert app.query_params["arm"] == "compile"
    assert len(app.get("vega_lite_chart")) == 2  # the calls of one arm, and the steady times of all
    assert linked.selectbox(key="cliff-arm").value == "eager"
    assert "Workload: house_prices" in texts(app)
    assert unescaped_marks(app) == []
