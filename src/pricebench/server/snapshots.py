"""The model as it was when it was accepted, in a folder of its own: a worker that starts later must not find another.

No torch: the files are copied, and checked by who loads them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

EXPORTED = "exported"
"""What the copy of an exported file is called."""
FILES = ("model.pt", "training_stats.pt", "metrics.json", "calibration.pt")
"""What `pricebench train` leaves for others; `pricebench.artifacts` has the same names."""


class Snapshots:
    """Copies of an artifacts folder, the newest few of them; a context that leaves none behind."""

    _KEPT = 3  # the one that serves, the one before, which a worker may be reading, and one that is tried

    def __init__(self, artifacts: Path, exported: Path | None = None) -> None:
        self._artifacts = artifacts
        self._exported = exported
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
        for name, source in _sources(self._artifacts, self._exported).items():
            if source.exists():  # what is missing is said by who needs it
                shutil.copyfile(source, folder / name)
        shutil.rmtree(self._folder / str(self._newest - self._KEPT), ignore_errors=True)
        return self._newest, folder

    def told(self, message: str) -> str:
        """A message about a copy as one about what was copied."""
        for number in range(self._newest + 1):
            if self._exported:
                message = message.replace(str(self._folder / str(number) / EXPORTED), str(self._exported))
            message = message.replace(str(self._folder / str(number)), str(self._artifacts))
        return message


class Watch:
    """Tells that an artifacts folder was changed, once the change is over."""

    def __init__(
        self, artifacts: Path, exported: Path | None = None, *, look: Callable[[Path], object] | None = None
    ) -> None:
        """Begin with what is there now.

        Args:
            artifacts: The folder.
            exported: A file beside it, or None.
            look: `folder` -> what differs after a change; files' times and sizes, unless said.
        """
        self._artifacts = artifacts
        self._look = look or partial(_state, exported=exported)
        self._known = self._seen = self._look(artifacts)

    def has_changed(self) -> bool:
        """Whether it differs from what it was at the last yes, and has stayed the same since the last question."""
        seen = self._look(self._artifacts)
        is_settled, self._seen = seen == self._seen, seen
        if is_settled and seen != self._known:
            self._known = seen
            return True
        return False


def _sources(artifacts: Path, exported: Path | None) -> dict[str, Path]:
    """What is copied, by the name of the copy."""
    return {name: artifacts / name for name in FILES} | ({EXPORTED: exported} if exported else {})


def _state(artifacts: Path, exported: Path | None) -> object:
    found: list[tuple[int, int, int] | None] = []
    for source in _sources(artifacts, exported).values():
        try:
            stat = source.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found
