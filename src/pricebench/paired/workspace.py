"""A temporary folder whose contents, worktrees and processes are gone afterwards, whatever happens to the command."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pricebench.paired import janitor
from pricebench.paired.environment import tool_environment
from pricebench.units import Second


class Workspace:
    """A context: on leaving it, or when this process dies in any way, a janitor removes all that was made in it.

    Attributes:
        folder: The temporary folder.
    """

    def __init__(self, repository: Path | None = None) -> None:
        """Make the folder and start its janitor.

        Args:
            repository: On whose list the worktrees are that will be made.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="pricebench-")).resolve()
        self._janitor = subprocess.Popen(
            [sys.executable, "-S", janitor.__file__, str(self.folder), str(repository or "")],
            stdin=subprocess.PIPE,
            text=True,
            cwd="/",
            env=tool_environment(),
            start_new_session=True,
        )

    def run(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit: Second | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; if this process dies before, the program does too.

        Args:
            command: The program and its arguments.
            folder: Where it runs.
            environment: All of its variables.
            limit: Seconds that it may take.

        Raises:
            subprocess.TimeoutExpired: It took longer; it is killed when the workspace ends.
        """
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.will_end(process)
        output, errors = process.communicate(timeout=limit)
        self.has_ended(process)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

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
