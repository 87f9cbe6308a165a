"""Real gate runs of this checkout against itself, with something done to head or to the machine.

    python -m evidence.gate_runs --planted 0.10 --runs 20         a spin in head, as a share of every call
    python -m evidence.gate_runs --adversity other-core --runs 3  somebody else's load; head is not slower

Each run is judged as `pricebench gate` judges, by blocks of its own; trees and rehearsal are shared by the runs of one
call. Verdicts are appended to reports/gate/runs.jsonl, from which `gate_rates` makes its table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from evidence.gate_rates import RUNS
from pricebench.errors import PricebenchError
from pricebench.gate import trees
from pricebench.gate.driver import Request, prepare
from pricebench.gate.records import Arm
from pricebench.gate.report import exit_code
from pricebench.gate.settings import Settings
from pricebench.gate.trial import Trial
from pricebench.paired.processes import usable_cores
from pricebench.paired.slices import Experiment
from pricebench.paired.workspace import Workspace

_SPINNER = "while True: pass"


def main() -> int:
    """Run, and record what was said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planted", type=float, default=0.0, help="share of a call (default: %(default)s)")
    parser.add_argument("--adversity", choices=sorted(ADVERSITIES), help="load beside the gate")
    parser.add_argument("--runs", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("-k", dest="select", help="which benchmarks (default: the project's slim suite)")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds of measuring a run (default: %(default)s)")
    options = parser.parse_args()
    kind = f"a spin of {options.planted:.0%}".replace("%", " %") if options.planted else "nothing"
    if options.adversity:
        kind += f"; {ADVERSITIES[options.adversity][0]}"
    try:
        root = trees.repository(Path.cwd())
        settings = Settings.load(root)
        suite, select = settings.chosen(select=options.select)
        request = Request(root=root, base="HEAD", head="HEAD", suite=suite, select=select, carry=settings.carry)
        with Workspace(root) as workspace:
            prepared = prepare(request, workspace, say=lambda words: print(words, file=sys.stderr))  # noqa: T201
            for number in range(options.runs):
                load = ADVERSITIES[options.adversity][1] if options.adversity else quiet
                with load() as before_slice:
                    experiment = Experiment(planted={Arm.HEAD: options.planted}, before_slice=before_slice)
                    started = time.monotonic()
                    trial = Trial(prepared=prepared, settings=settings, deadline=started + options.budget)
                    trial.run(seed=secrets.randbelow(2**31), experiment=experiment)
                findings = trial.findings()
                record = {
                    "kind": kind,
                    "at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "commit": prepared.head.commit,
                    "verdicts": {finding.benchmark: str(finding.verdict) for finding in findings},
                    "changes": {finding.benchmark: round(finding.change or 0.0, 4) for finding in findings},
                    "notes": {finding.benchmark: finding.note for finding in findings if finding.note},
                    "exit_code": int(exit_code(findings, trial.control())),
                    "blocks": len(trial.blocks),
                    "seconds": round(time.monotonic() - started, 1),
                }
                with RUNS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record, separators=(",", ":")) + "\n")
                print(number, json.dumps(record["verdicts"]), record["notes"], file=sys.stderr)  # noqa: T201
    except PricebenchError as error:
        print(f"gate_runs: {error}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    except KeyboardInterrupt:
        return 130
    return 0


# ---- what else runs on the machine ---------------------------------------------------------------------------------


@contextmanager
def quiet() -> Iterator[Callable[[Arm], None]]:
    """Nothing."""
    yield lambda _: None


@contextmanager
def _spinner(core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-S", "-c", _SPINNER], start_new_session=True)
    os.sched_setaffinity(process.pid, [core])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def other_core() -> Iterator[Callable[[Arm], None]]:
    """A busy neighbour, all the time."""
    with _spinner(usable_cores()[0]):
        yield lambda _: None


@contextmanager
def bursts() -> Iterator[Callable[[Arm], None]]:
    """On the measuring core, at random: one slice in six starts or ends a burst."""
    chance = random.Random(0)  # noqa: S311 - an order, no secret
    with _spinner(usable_cores()[-1]) as process:
        process.send_signal(signal.SIGSTOP)
        running = False

        def before_slice(_: Arm) -> None:
            nonlocal running
            if chance.random() < (0.5 if running else 0.1):
                running = not running
                process.send_signal(signal.SIGCONT if running else signal.SIGSTOP)

        yield before_slice


def _only_beside_head(core: int) -> Iterator[Callable[[Arm], None]]:
    with _spinner(core) as process:

        def before_slice(arm: Arm) -> None:
            process.send_signal(signal.SIGCONT if arm == Arm.HEAD else signal.SIGSTOP)

        yield before_slice


@contextmanager
def head_only_other_core() -> Iterator[Callable[[Arm], None]]:
    """A busy neighbour exactly while head is measured."""
    yield from _only_beside_head(usable_cores()[0])


@contextmanager
def head_only_same_core() -> Iterator[Callable[[Arm], None]]:
    """Half of the core is taken exactly while head is measured."""
    yield from _only_beside_head(usable_cores()[-1])


ADVERSITIES = {
    "other-core": ("load on the other core", other_core),
    "bursts": ("bursts on the same core", bursts),
    "head-other-core": ("load on the other core only while head runs", head_only_other_core),
    "head-same-core": ("load on the same core only while head runs", head_only_same_core),
}


if __name__ == "__main__":
    sys.exit(main())
