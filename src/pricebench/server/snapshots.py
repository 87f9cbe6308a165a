"""The model as it was when it was accepted, in a folder of its own: a worker that starts later must not find another.

No torch: the files are copied, and checked by who loads them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

FILES = ("model.pt", "training_stats.pt", "metrics.json")
"""What `pricebench train` leaves for others; `pricebench.artifacts` has the same names."""


class Snapshots:
    """Copies of an artifacts folder, the newest few of them; a context that leaves none behind."""

    _KEPT = 3  # the one that serves, the one before, which a worker may be reading, and one that is tried

    def __init__(self, artifacts: Path) -> None:
        self._artifacts = artifacts
        self._folder = Path(tempfile.mkdtemp(prefix="pricebench-serve-"))
        self._newest = 0

    def __enter__(self) -> Snapshots:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def take(self) -> tuple[int, Path]:
        """Copy what is there.

        Returns:
            The copy's number, counted from 1, and its folder.

        Raises:
            OSError: A file is there and cannot be read.
        """
        self._newest += 1
        folder = self._folder / str(self._newest)
        folder.mkdir()
        for name in FILES:
            source = self._artifacts / name
            if source.exists():  # what is missing is said by who needs it
                shutil.copyfile(source, folder / name)
        shutil.rmtree(self._folder / str(self._newest - self._KEPT), ignore_errors=True)
        return self._newest, folder

    def told(self, message: str) -> str:
        """A message about a copy as one about what was copied."""
        for number in range(self._newest + 1):
            message = message.replace(str(self._folder / str(number)), str(self._artifacts))
        return message


class Watch:
    """Tells that an artifacts folder was changed, once the change is over."""

    def __init__(self, artifacts: Path, *, look: Callable[[Path], object] | None = None) -> None:
        """Begin with what is there now.

        Args:
            artifacts: The folder.
            look: `folder` -> what differs after a change; files' times and sizes, unless said.
        """
        self._artifacts = artifacts
        self._look = look or _state
        self._known = self._seen = self._look(artifacts)

    def has_changed(self) -> bool:
        """Whether it differs from what it was at the last yes, and has stayed the same since the last question."""
        seen = self._look(self._artifacts)
        is_settled, self._seen = seen == self._seen, seen
        if is_settled and seen != self._known:
            self._known = seen
            return True
        return False


def _state(artifacts: Path) -> object:
    found: list[tuple[int, int, int] | None] = []
    for name in FILES:
        try:
            stat = (artifacts / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found
