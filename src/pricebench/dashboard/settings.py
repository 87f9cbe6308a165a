"""What a dashboard is started with: which folders it reads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPORTS = Path("reports")
ARTIFACTS = Path("artifacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The folders.

    Attributes:
        reports: Stored runs and reports.
        artifacts: What training wrote.
    """

    reports: Path = REPORTS
    artifacts: Path = ARTIFACTS

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Settings:
        """Read what stands behind `--` in `streamlit run dashboard.py -- --reports DIR --artifacts DIR`.

        Raises:
            SystemExit: An option is unknown; argparse has said which.
        """
        parser = argparse.ArgumentParser(prog="dashboard.py", description="pricebench's dashboard", allow_abbrev=False)
        parser.add_argument("--reports", metavar="DIR", type=Path, default=REPORTS)
        parser.add_argument("--artifacts", metavar="DIR", type=Path, default=ARTIFACTS)
        given = parser.parse_args(arguments)
        return cls(reports=given.reports, artifacts=given.artifacts)

    def arguments(self) -> list[str]:
        """The same, as text that `from_arguments` reads."""
        # One word each: a folder's name may begin with a dash.
        return [f"--reports={self.reports}", f"--artifacts={self.artifacts}"]
