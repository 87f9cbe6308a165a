"""A zygote whose children say who they are, and do what they are asked."""

from __future__ import annotations

import os
import signal
import sys

from pricebench.zygote.process import fork_for_each_request, next_request

IMPORTED = []


def serve(request, answer):
    sys.stdout.write("what libraries print is no answer\n")
    if request.get("refuse"):
        answer(failure="not today")
        return
    answer(imported=IMPORTED, own=os.getpid(), parent=os.getppid())
    while asked := next_request():
        if asked["do"] == "die":
            sys.stderr.write("last words\n")
            os.kill(os.getpid(), signal.SIGKILL)
        while asked["do"] == "hang":
            signal.pause()
        IMPORTED.append(asked["do"])
        answer(said=asked["do"])


if __name__ == "__main__":
    fork_for_each_request(lambda: IMPORTED.append("once"), serve)
