"""What arms of the tests run after the fork."""

from __future__ import annotations

import os
import time

from pricebench.paired import answering


def spin(**seconds):
    """Each case keeps the processor busy for so long a call; its clock stands still while another has the core."""

    def case(length):
        def call():
            until = time.process_time() + length
            while time.process_time() < until:
                pass

        return answering.timed(call, timer=time.process_time)

    _serve({name: case(length) for name, length in seconds.items()})


def pretend(**seconds):
    """Each case says that it took so long, which no machine can disturb; at 0 it raises."""

    def case(length):
        return lambda calls, slowdown: calls * (length + slowdown) * (length / length)

    _serve({name: case(length) for name, length in seconds.items()})


def skip(reason):
    """One case, which ends before it is reached."""
    line = answering.Line.of_environment()
    line.say(collected=["sums"], machine={})
    for name in line.hear()["run"]:
        line.say(ended=name, outcome="skipped", reason=reason)
    line.say(finished=0)


def die():
    """Before it has said anything."""
    raise RuntimeError("no worker today")


def _serve(cases):
    answering.serve(answering.Line.of_environment(), cases, machine={"cores": sorted(os.sched_getaffinity(0))})
