"""What the Gate page shows of a report: a row per benchmark, its interval, and the blocks that it comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pricebench.dashboard.plain import line_of
from pricebench.gate.judge import COUNTS_FROM, OK_BELOW, log_ratio
from pricebench.gate.records import Arm
from pricebench.gate.report import Report, short
from pricebench.gate.table import TITLES, row

FOLDER = "gate"


def findings_frame(report: Report) -> pd.DataFrame:
    """The table that the command prints, a row per benchmark."""
    rows = [[line_of(cell) for cell in row(finding)] for finding in report.findings]
    return pd.DataFrame(rows, columns=list(TITLES))


def intervals_frame(report: Report) -> pd.DataFrame:
    """A row per benchmark that was measured: `name`, `verdict`, `change`, `low`, `high`, `counts_from`, `ok_below`."""
    return pd.DataFrame(
        [
            {
                "name": line_of(short(finding.benchmark)),
                "verdict": str(finding.verdict),
                "change": finding.change,
                "low": finding.low,
                "high": finding.high,
                "counts_from": COUNTS_FROM * finding.threshold,
                "ok_below": OK_BELOW * finding.threshold,
            }
            for finding in report.findings
            if finding.low is not None and finding.high is not None and finding.change is not None
        ]
    )


def blocks_frame(report: Report) -> pd.DataFrame:
    """A row per benchmark and block: `name`, `block`, `change`."""
    return pd.DataFrame(
        [
            {
                "name": line_of(short(finding.benchmark)),
                "block": block.number + 1,
                "change": float(np.expm1(log_ratio(block, finding.benchmark))),
            }
            for finding in report.findings
            for block in report.blocks
            if {Arm.BASE, Arm.HEAD, Arm.NULL} <= block.seconds.get(finding.benchmark, {}).keys()
        ]
    )
