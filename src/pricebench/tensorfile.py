"""Files of tensors and plain values with a format and a version, read without executing anything they hold."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pricebench.errors import ArtifactError
from pricebench.files import atomic_write, read_file

# What zipfile and torch.load may raise on bytes that are no torch file, on a damaged one, or one that names code.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    OverflowError,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)


def save_record(path: Path, kind: str, version: int, content: Mapping[str, Any]) -> None:
    """Write a dictionary of tensors and plain values with its format and version, atomically."""
    buffer = io.BytesIO()
    torch.save({"format": kind, "version": version, **content}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def load_record(path: Path, kind: str, version: int, *, content: bytes | None = None) -> dict[str, Any]:
    """Read what `save_record` wrote, without executing anything that a file may hold.

    Args:
        path: The file.
        kind: Its format.
        version: Of the format.
        content: Of the file, where somebody else has read it.

    Raises:
        ArtifactError: The file is missing, damaged, of another format or version, or would run code.
    """
    try:
        record = _read(read_file(path) if content is None else content)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: expected a {kind} file, found none. Make it: pricebench train.") from error
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{path}: expected a {kind} file, found one that is damaged or would run code; nothing in it was run. "
            "Train again: pricebench train."
        ) from error
    if not isinstance(record, dict) or record.get("format") != kind:
        raise ArtifactError(f"{path}: expected a {kind} file, found another kind. Give the file that train wrote.")
    found = record.get("version")
    if not isinstance(found, int) or found != version:
        raise ArtifactError(
            f"{path}: expected {kind} version {version}, found {found!r}. "
            "Train again, or use the pricebench that wrote it."
        )
    return record


def _read(content: bytes) -> Any:
    """Load what the archive's checksums vouch for.

    torch.load skips the checksums that torch.save wrote: a flipped bit would pass as another mean or weight. So it gets
    a copy of the archive, made of the entries that zipfile has checked.
    """
    checked = io.BytesIO()
    with warnings.catch_warnings():
        # They announce what is refused right after: a TorchScript archive, two entries of one name.
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(checked, "w") as copy:
            for entry in source.infolist():
                copy.writestr(entry.filename, source.read(entry))
        checked.seek(0)
        return torch.load(checked, map_location="cpu", weights_only=True)
