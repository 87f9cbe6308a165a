"""Freed memory stays with the process, so that the next call finds it again.

glibc gives it back to the system when 128 KiB lie free at the end of its heap, and the activations of 2,048 houses are
two MiB a layer: every call then asks for them anew, page by page, which takes as long again as half of the arithmetic
(docs/log.md).
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# malloc.h of glibc: names of what mallopt sets.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_MOST_KEPT = 64 * 1024 * 1024  # bytes
_LARGEST = 32 * 1024 * 1024  # glibc's own maximum of the threshold for blocks with a mapping of their own


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to 64 MiB that it has freed.

    Returns:
        Whether its memory comes from glibc, so that this could be said.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, _MOST_KEPT)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST))
