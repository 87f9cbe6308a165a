"""Files of tensors and plain values with a format and a version, read without executing anything they hold."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pricebench.errors import ArtifactError
from pricebench.files import atomic_write

# What torch.load may raise on bytes that are no torch file, on a truncated one, or one whose pickle names code.
_UNREADABLE = (
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


def load_record(path: Path, kind: str, version: int) -> dict[str, Any]:
    """Read what `save_record` wrote, without executing anything that a file may hold.

    Raises:
        ArtifactError: The file is missing, damaged, of another format or version, or would run code.
    """
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: expected a {kind} file, found none. Make it: pricebench train.") from error
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{path}: expected a {kind} file, found one that is damaged or would run code; nothing in it was run. "
            "Train again: pricebench train."
        ) from error
    if not isinstance(record, dict) or record.get("format") != kind:
        raise ArtifactError(f"{path}: expected a {kind} file, found another kind. Give the file that train wrote.")
    if record.get("version") != version:
        raise ArtifactError(
            f"{path}: expected {kind} version {version}, found {record.get('version')!r}. "
            "Train again, or use the pricebench that wrote it."
        )
    return record
