"""What a dashboard is started with: which folders it reads, where the stored runs are, and which server it asks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPORTS = Path("reports")
ARTIFACTS = Path("artifacts")
_RUNS = "history"  # below `REPORTS`


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The folders and the server.

    Attributes:
        reports: Stored runs and reports.
        runs_from: Folder or URL of stored runs in place of the one below `reports`, or None.
        artifacts: What training wrote.
        server: URL of a `pricebench serve` that prices in place of this process, or None.
        server_token_file: Holds the token that it wants, or None.
    """

    reports: Path = REPORTS
    runs_from: str | None = None
    artifacts: Path = ARTIFACTS
    server: str | None = None
    server_token_file: Path | None = None

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Settings:
        """Read what stands behind `--` in `streamlit run dashboard.py -- --reports DIR --artifacts DIR`, and so on.

        Raises:
            SystemExit: An option is unknown; argparse has said which.
        """
        parser = argparse.ArgumentParser(prog="dashboard.py", description="pricebench's dashboard", allow_abbrev=False)
        parser.add_argument("--reports", metavar="DIR", type=Path, default=REPORTS)
        parser.add_argument("--from", metavar="FOLDER|URL", dest="runs_from")
        parser.add_argument("--artifacts", metavar="DIR", type=Path, default=ARTIFACTS)
        parser.add_argument("--server", metavar="URL")
        parser.add_argument("--server-token-file", metavar="FILE", type=Path)
        return cls(**vars(parser.parse_args(arguments)))

    @property
    def runs(self) -> Path | str:
        """Folder or URL of the stored runs."""
        return self.reports / _RUNS if self.runs_from is None else self.runs_from

    def arguments(self) -> list[str]:
        """The same, as text that `from_arguments` reads."""
        # One word each: a folder's name may begin with a dash.
        given = [f"--reports={self.reports}", f"--artifacts={self.artifacts}"]
        if self.runs_from is not None:
            given.append(f"--from={self.runs_from}")
        if self.server is not None:
            given.append(f"--server={self.server}")
        if self.server_token_file is not None:
            given.append(f"--server-token-file={self.server_token_file}")
        return given
