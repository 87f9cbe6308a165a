from __future__ import annotations

import pytest

from pricebench.cliff.records import Report as CliffReport
from pricebench.dashboard.reports import read_reports
from pricebench.gate.report import Report as GateReport
from tests.cliff import made as cliff_made
from tests.gate import made as gate_made


@pytest.mark.parametrize(
    ("made", "load"),
    [
        (cliff_made.report(cliff_made.cell("eager", (1.0, 1.0, 1.0, 1.0))), CliffReport.load),
        (gate_made.report(gate_made.finding("new")), GateReport.load),
    ],
    ids=["cliff", "gate"],
)
def test_reports_are_listed_newest_first_and_broken_ones_with_their_reason(tmp_path, made, load):
    paths = [tmp_path / f"a_{day}.json" for day in (1, 2, 3)]
    made.save(paths[0])
    paths[1].write_text("{")
    made.save(paths[2])

    found = read_reports(paths, load)

    assert list(found.found) == [paths[2], paths[0]]
    assert list(found.unreadable) == [paths[1]]
