"""The disposable index: Arrow files in the user's cache folder that spare reading every run again.

Segments are written once, by rename, and never changed; a row is valid only while its file has the same stamp. So
readers need no lock: what one of them misses, because another has just merged them, it reads from the runs again.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pricebench.caches import cache_home
from pricebench.files import atomic_write
from pricebench.history.columns import SCHEMA

_VERSION = "v3"  # of the rows: whoever changes what they hold raises it
_SUFFIX = ".arrow"
_MOST_SEGMENTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCache:
    """The segments that belong to one place.

    Attributes:
        folder: Holds nothing else; deleting it loses nothing.
    """

    folder: Path

    @classmethod
    def of(cls, key: str, home: Path | None = None) -> IndexCache:
        """The cache of the place with this key."""
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
        return cls(folder=(home or cache_home()) / "history" / digest)

    def load(self) -> dict[Path, pa.Table]:
        """Every readable segment; a broken or outdated one is removed."""
        segments = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                if not path.name.startswith(f"{_VERSION}-"):
                    raise pa.ArrowInvalid("another version")  # noqa: TRY301 - treated as any unusable segment
                with pa.memory_map(str(path)) as file:
                    table = pa.ipc.open_file(file).read_all()
                if table.schema != SCHEMA:
                    raise pa.ArrowInvalid("other columns")  # noqa: TRY301
                table.validate()
            except (pa.ArrowInvalid, OSError):
                remove(path)
            else:
                segments[path] = table
        return segments

    def add(self, rows: pa.Table) -> None:
        """Write a segment; where the folder cannot be written, the next reader starts from the runs again."""
        try:
            with (
                atomic_write(self.folder / f"{_VERSION}-{uuid.uuid4().hex}{_SUFFIX}") as file,
                pa.ipc.new_file(file, SCHEMA) as segment,
            ):
                segment.write_table(rows)
        except OSError:
            return

    def is_worth_merging(self, *, num_segments: int, num_rows: int, num_valid: int) -> bool:
        """Whether so much is scattered or stale that one new segment is better."""
        return num_segments > _MOST_SEGMENTS or num_rows > 2 * num_valid + 100


def remove(path: Path) -> None:
    """Remove a segment, unless another process holds it open (Windows) or was faster."""
    try:
        path.unlink()
    except OSError:
        return
