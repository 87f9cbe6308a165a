"""The zygote's side: it has imported what its children need, reads requests, and forks a child for each.

Requests and answers are JSON lines on stdin and stdout. Never more than one request waits, so that the zygote and its
only child can share the pipes. Where there is no safe fork the zygote serves one request itself, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Protocol

CAN_FORK = sys.platform == "linux"  # macOS's own libraries do not survive it


class Answer(Protocol):
    """Sends a line to who asked."""

    def __call__(self, **facts: object) -> None:
        """Send these facts."""


def fork_for_each_request(make_ready: Callable[[], None], serve: Callable[[dict[str, Any], Answer], None]) -> None:
    """Serve until stdin ends.

    Args:
        make_ready: Imports what the children are to find imported. It may start no thread that outlives it.
        serve: Called in each child with its request; asks for more by `next_request`.
    """
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**facts: object) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    make_ready()
    while (request := next_request()) is not None:
        if not CAN_FORK:
            answer(pid=os.getpid())
            serve(request, answer)
            return
        child = os.fork()
        if not child:
            # Ctrl-C is for the parent, who asks; and a child can be ended with all that it started.
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            answer(pid=os.getpid())
            serve(request, answer)
            answers.close()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        times = os.times()
        answer(ended=os.waitstatus_to_exitcode(status), cpu_seconds=sum(times[:4]))


def next_request() -> dict[str, Any] | None:
    """The next line, read past Python's buffer, which the zygote and its child do not share; None where stdin ended."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 16)
        if not part:
            return None
        line += part
    request: dict[str, Any] = json.loads(line)
    return request
