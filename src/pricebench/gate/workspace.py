"""A temporary folder whose contents, worktrees and processes are gone afterwards, whatever happens to the gate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from pricebench.gate import janitor


class Workspace:
    """A context: on leaving it, or when this process dies in any way, a janitor removes all that was made in it.

    Attributes:
        folder: The temporary folder.
    """

    def __init__(self, repository: Path | None = None) -> None:
        """Make the folder and start its janitor.

        Args:
            repository: Whose list of worktrees is to be pruned.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="pricebench-gate-")).resolve()
        self._janitor = subprocess.Popen(
            [sys.executable, "-S", janitor.__file__, str(self.folder), str(repository or "")],
            stdin=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )

    def will_end(self, process: subprocess.Popen[str]) -> None:
        """Have a process, the leader of its group, killed with all its children if it is still there at the end."""
        self._tell(process.pid)

    def has_ended(self, process: subprocess.Popen[str]) -> None:
        """It was waited for: its number may soon be somebody else's."""
        self._tell(-process.pid)

    def _tell(self, number: int) -> None:
        assert self._janitor.stdin is not None
        self._janitor.stdin.write(f"{number}\n")
        self._janitor.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait()
