"""A mode's file that other programs load: how it is written and loaded, and how what it says of itself is read.

What a file says of itself is read before anything of it runs: a package and a TorchScript file are code.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from torch import nn

from pricebench.inputs import Inputs

Forward: TypeAlias = Callable[..., object]

SAYS_FILE = "pricebench.json"
_MOST_BYTES = 64 * 1024
_ENCRYPTED = 0x1  # a ZIP entry's flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Portable:
    """How a mode writes a file that other programs load.

    Attributes:
        suffix: Of the file's name, with its dot.
        save: `(module, example, sizes, file, says)`: write a module in evaluation mode so that it takes any number
            of rows, and is quickest for those of `sizes`, where that makes a difference; `example` is of one row, and
            `says` is a text that goes with it.
        load: The callable that a file holds. This runs code of the file, unless it `is_data`.
        says: The text that goes with a file, read without running anything; None where there is none.
        is_data: Loading a file runs no code of it.
    """

    suffix: str
    save: Callable[[nn.Module, Inputs, Sequence[int], IO[bytes], str], None]
    load: Callable[[Path], Forward]
    says: Callable[[Path], str | None]
    is_data: bool = False


def said_in_archive(path: Path) -> str | None:
    """What a file of torch says of itself: these are ZIP archives, with a folder for what does not belong to the model.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                # Torch packs nothing and encrypts nothing, so nothing is unpacked here.
                is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & _ENCRYPTED
                if entry.filename.endswith(f"/extra/{SAYS_FILE}") and is_plain and entry.file_size <= _MOST_BYTES:
                    return archive.read(entry).decode()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        # No archive; no text; an archive of a newer format than the library knows.
        return None
    return None
