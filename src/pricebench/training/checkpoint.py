"""Where a training stands, in a file: written by rank 0, read by it for all ranks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pricebench.errors import ArtifactError
from pricebench.files import read_file
from pricebench.tensorfile import load_record, save_record
from pricebench.training.ranks import Ranks

_FORMAT = "pricebench.checkpoint"
_VERSION = 1


class Checkpoint:
    """A training's file, or none."""

    def __init__(self, path: Path | None, identity: Mapping[str, Any], ranks: Ranks) -> None:
        """Name the file; nothing is read.

        Args:
            path: Where rank 0 has it; None to keep nothing.
            identity: What a training has to share with the one that is resumed.
            ranks: Who trains together.
        """
        self._path = path
        self._identity = identity
        self._ranks = ranks

    def save(self, content: Mapping[str, Any]) -> None:
        """Write what a resumed training needs, beside whose it is."""
        if self._path is not None and self._ranks.is_leader:
            save_record(self._path, _FORMAT, _VERSION, {**self._identity, "run": self._ranks.run, **content})

    def remove(self) -> None:
        """Forget what was written: the training has ended."""
        if self._path is not None and self._ranks.is_leader:
            self._path.unlink(missing_ok=True)

    def is_of_this_run(self) -> bool:
        """Whether it was left when a rank died, and torchrun has started all of them again."""
        ranks = self._ranks
        return ranks.any(ranks.run is not None and ranks.is_leader and self._is_whole_and_of(ranks.run))

    def _is_whole_and_of(self, run: str) -> bool:
        if self._path is None or not self._path.is_file():
            return False
        try:
            record = load_record(self._path, _FORMAT, _VERSION)
        except ArtifactError:
            return False
        return all(record.get(key) == wanted for key, wanted in {**self._identity, "run": run}.items())

    def load(self) -> dict[str, Any]:
        """What `save` wrote, on every rank: the others may be on machines that have no such file.

        Raises:
            ArtifactError: There is none, or it is damaged or another training's.
        """
        content = self._ranks.bytes_of_leader(self._ranks.together(self._content))
        return self._ranks.together(lambda: self._record(content))

    def _content(self) -> bytes:
        if not self._ranks.is_leader:
            return b""
        if self._path is None or not self._path.is_file():
            raise ArtifactError(f"{self._path}: expected a checkpoint to resume, found none. Train without --resume.")
        return read_file(self._path)

    def _record(self, content: bytes) -> dict[str, Any]:
        assert self._path is not None
        record = load_record(self._path, _FORMAT, _VERSION, content=content)
        for key, wanted in self._identity.items():
            if key not in record:
                raise self.lacks_parts()
            if record[key] != wanted:
                raise ArtifactError(f"{self._path}: {_difference(key, record[key], wanted)}")
        return record

    def lacks_parts(self) -> ArtifactError:
        """The error of a file that does not hold what it should."""
        return ArtifactError(
            f"{self._path}: expected a whole checkpoint, found one that lacks parts. Train without --resume."
        )


def _difference(key: str, found: Any, wanted: Any) -> str:
    if key == "data_digest":
        return "the checkpoint belongs to other data. Give that data, or train without --resume."
    names = [name for name in wanted if not isinstance(found, dict) or found.get(name) != wanted[name]]
    shown = ", ".join(f"{name}={found.get(name)!r}" for name in names) if isinstance(found, dict) else repr(found)
    return f"the checkpoint was made with {shown}. Give the same options, or train without --resume."
