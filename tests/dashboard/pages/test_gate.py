from __future__ import annotations

from tests.dashboard.pages.opened import opened, unescaped_marks
from tests.dashboard.stored import EVIL, MARKDOWN
from tests.gate.made import block, finding, report


def test_a_report_is_a_sentence_a_table_and_a_picture(tmp_path):
    folder = tmp_path / "reports" / "gate"
    folder.mkdir(parents=True)
    measured = {"num_blocks": 8, "num_slower": 8, "change": 0.1, "low": 0.08, "high": 0.12, "base": 1.0, "head": 1.1}
    stored = report(finding("slower", **measured), warnings=(EVIL, MARKDOWN), blocks=(block(0, head=0.1),))
    stored.save(folder / "aaaaaaaaaa_20260101T000000Z.json")
    (folder / "aaaaaaaaaa_20260102T000000Z.json").write_text("{")

    app = opened(tmp_path, "gate")

    assert not app.exception
    assert "Do not merge: 1 slower" in app.error[0].value.replace("\\", "")
    assert app.dataframe[0].value["verdict"].tolist() == ["slower"]
    assert len(app.get("vega_lite_chart")) == 1
    assert app.expander[0].label == "1 file could not be read"
    assert unescaped_marks(app) == []
