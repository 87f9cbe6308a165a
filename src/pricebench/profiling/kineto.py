"""torch's profiler library, Kineto: what must be said to it before a process profiles for the first time."""

from __future__ import annotations

import os


def silence() -> None:
    """Have it not tell of its own starting and stopping, nor of a missing GPU, on stderr.

    It reads this once a process, at the first profile: whoever starts one says this first.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
