from __future__ import annotations

import json

import pytest

from tests.dashboard.pages.opened import markdown, opened, unescaped_marks
from tests.dashboard.stored import EVIL, FACTS, MARKDOWN, forward, stored_benchmark, stored_run


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
    assert unescaped_marks(app) == []
    assert "https:/" not in markdown(app).replace("\\", "")
