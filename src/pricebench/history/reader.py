"""One file's bytes become a run: plain or gzipped JSON, from anybody; what is broken says why."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import orjson

from pricebench.files import MOST_BYTES, read_file
from pricebench.history.records import HistoryError, Run

_GZIP_MAGIC = b"\x1f\x8b"


def stored_runs(folder: Path) -> list[Path]:
    """The run files of one fingerprint's folder, oldest first; empty where there is no such folder."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.json"))


def read_run(path: Path) -> Run:
    """Read one run.

    Raises:
        HistoryError: The file is missing, not JSON, or not a run.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise HistoryError(
            f"{path}: expected a stored run, found: {error.strerror}. Run: pytest benchmarks."
        ) from error
    try:
        return parse_run(content)
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}") from error


def parse_run(content: bytes) -> Run:
    """Build a run from a file's content.

    Raises:
        HistoryError: Says what was found instead, in one line and without the file's name.
    """
    return Run.from_json(parse_json(content))


def unpacked(content: bytes) -> bytes:
    """The content without gzip's packing, if it has one.

    Raises:
        HistoryError: The packing is broken, or holds more than any run.
    """
    if len(content) > MOST_BYTES:  # from a store that we do not ask for sizes
        raise HistoryError(f"expected a run, found a file of more than {MOST_BYTES:,} bytes. Delete it.")
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise HistoryError(
            f"expected gzip, found a broken file ({_one_line(error)}). Delete it or restore it."
        ) from error
    if len(plain) > MOST_BYTES:
        raise HistoryError(f"expected a run, found one that unpacks to more than {MOST_BYTES:,} bytes. Delete it.")
    return plain


def parse_json(content: bytes) -> Any:
    """The JSON of a file, unpacked.

    Raises:
        HistoryError: It is none.
    """
    content = unpacked(content)
    if not content.strip():
        raise HistoryError("expected JSON, found an empty file. Delete it or restore it.")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    # Python writes NaN and Infinity, which JSON lacks and orjson refuses; its own reader takes them.
    try:
        parsed = json.loads(content)
        # Half a surrogate pair is no text: it could be neither stored nor shown.
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HistoryError(
            f"expected JSON, found a broken or half-written file ({_one_line(error)}). Delete it or restore it."
        ) from error
    return parsed


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
