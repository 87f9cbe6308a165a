"""Where two times faster is true: every way to be faster than eager, in forked, interleaved blocks.

    python -m evidence.two_times --artifacts DIR --blocks 12     measures; writes reports/two-times/
    python -m evidence.two_times                                 docs/where-2x-is-true.md from the reports that it names

A way is a mode with its transformations, and what multiplies, as `pricebench train --matmul` takes it. Eager stands in
every block twice: what it differs from itself is noise.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evidence.intervals import times_faster
from evidence.two_times_arm import _CASES
from pricebench.paired.blocks import blocks
from pricebench.paired.processes import Crew
from pricebench.paired.records import Block
from pricebench.paired.slices import Case, Experiment
from pricebench.paired.statistics import log_ratios, median_seconds
from pricebench.paired.worker import Process
from pricebench.paired.workspace import Workspace
from pricebench.reports import finite
from pricebench.units import counted, format_duration

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "where-2x-is-true.md"
FOLDER = ROOT / "reports" / "two-times"
_BLOCK = re.compile(r"<!-- ways from (?P<file>\S+) -->\n.*?<!-- end of ways -->\n", re.DOTALL)
_PER_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_MODULES = ("torch", "torch._dynamo", "torch._inductor.compile_fx", "pricebench.transforms")
EAGER, NULL = "eager", "eager again"
_REST = 0.05  # seconds before a slice of several threads: those of the arm before go on looking for work for a while


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run.

    Attributes:
        mode: With its transformations, or a rival's name.
        cases: That it is for.
        matmul: What multiplies; only training takes "bfloat16".
    """

    mode: str
    cases: tuple[str, ...]
    matmul: str = "torch"


_NETWORK, _NARROW, _ONE, _FULL, _STEP, _EPOCH = _CASES
WAYS = {
    EAGER: Way(mode="eager", cases=tuple(_CASES)),
    NULL: Way(mode="eager", cases=tuple(_CASES)),
    "torchscript": Way(mode="torchscript", cases=(_NETWORK, _NARROW, _ONE, _STEP)),
    "compile": Way(mode="compile", cases=(_NETWORK, _NARROW, _ONE, _STEP)),
    "aot": Way(mode="aot", cases=(_NETWORK, _NARROW, _ONE, _FULL)),
    "onnxruntime, as a mode": Way(mode="onnxruntime", cases=(_NETWORK, _NARROW)),
    "ONNX Runtime": Way(mode="onnxruntime", cases=(_ONE, _FULL)),
    "OpenVINO": Way(mode="openvino", cases=(_ONE, _FULL)),
    "eager, medium": Way(mode="eager", cases=(_NETWORK, _FULL, _STEP), matmul="onednn"),
    "compile, medium": Way(mode="compile", cases=(_NETWORK, _STEP), matmul="onednn"),
    "eager, mixed precision": Way(mode="eager", cases=(_STEP,), matmul="bfloat16"),
    "compile, mixed precision": Way(mode="compile", cases=(_STEP,), matmul="bfloat16"),
    "eager+fuse_linear_relu": Way(mode="eager+fuse_linear_relu", cases=(_NETWORK, _FULL)),
    "eager+matmul_backend": Way(mode="eager+matmul_backend", cases=(_NETWORK, _FULL)),
    "eager+bfloat16": Way(mode="eager+bfloat16", cases=(_NETWORK, _FULL)),
    "eager+bfloat16+fuse_linear_relu": Way(mode="eager+bfloat16+fuse_linear_relu", cases=(_NETWORK, _FULL)),
    "compile+bfloat16": Way(mode="compile+bfloat16", cases=(_NETWORK,)),
    "eager+fold_normalization": Way(mode="eager+fold_normalization", cases=(_ONE,)),
    "eager+fold_normalization+direct_calls": Way(mode="eager+fold_normalization+direct_calls", cases=(_ONE,)),
    "torchscript+fold_normalization": Way(mode="torchscript+fold_normalization", cases=(_ONE,)),
    "torchscript+fold_normalization+direct_calls": Way(
        mode="torchscript+fold_normalization+direct_calls", cases=(_ONE,)
    ),
    "aot+fold_normalization": Way(mode="aot+fold_normalization", cases=(_ONE,)),
    "eager+int8": Way(mode="eager+int8", cases=(_NETWORK, _FULL)),
    "torchscript+int8": Way(mode="torchscript+int8", cases=(_NETWORK,)),
    "compile+int8": Way(mode="compile+int8", cases=(_NETWORK,)),
    "aot+int8": Way(mode="aot+int8", cases=(_NETWORK, _FULL)),
    "eager+int8_dynamic": Way(mode="eager+int8_dynamic", cases=(_NETWORK,)),
    "aot+int8_dynamic": Way(mode="aot+int8_dynamic", cases=(_NETWORK,)),
    "our loop": Way(mode="our eager", cases=(_EPOCH,)),
    "our loop, medium": Way(mode="our eager", cases=(_EPOCH,), matmul="onednn"),
    "our loop, compile, medium": Way(mode="our compile", cases=(_EPOCH,), matmul="onednn"),
    "our loop, mixed precision": Way(mode="our eager", cases=(_EPOCH,), matmul="bfloat16"),
    "our loop, compile, mixed precision": Way(mode="our compile", cases=(_EPOCH,), matmul="bfloat16"),
}


def main() -> int:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, help="folder of a trained model: measure")
    parser.add_argument("--blocks", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--case", choices=_CASES, action="append", dest="cases", help="only these")
    parser.add_argument("--most", type=float, default=0.6, help="seconds of an arm's slices of a case")
    options = parser.parse_args()
    if options.artifacts is None:
        PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    report = _measured(options)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{report['fingerprint']}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(finite(report), separators=(",", ":")).replace('{"number":', '\n{"number":') + "\n")
    sys.stdout.write(table(report))
    sys.stderr.write(f"wrote {path}\n")
    return 0


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - only where it is measured

    from pricebench.machine import this_machine  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    machine = this_machine()
    ways = {arm: [name for name in options.cases or _CASES if name in way.cases] for arm, way in WAYS.items()}
    cases = [
        Case(name=name, ids={arm: name for arm, own in ways.items() if name in own}, most=options.most)
        for name in options.cases or _CASES
    ]
    found: list[Block] = []
    with Workspace() as workspace:
        # One thread until the arms set theirs: a process with several cannot be forked.
        crew = Crew(workspace=workspace, threads=options.threads, environment=dict.fromkeys(_PER_THREAD, "1"))
        processes = [
            Process(
                arm=arm,
                folder=workspace.folder,
                python=Path(sys.executable),
                target="evidence.two_times_arm:main",
                arguments={
                    "arguments": {
                        "mode": way.mode,
                        "matmul": way.matmul,
                        "cases": ways[arm],
                        "threads": options.threads,
                        "artifacts": str(options.artifacts.absolute()),
                    }
                },
                path=(str(ROOT),),
                name=arm,
            )
            for arm, way in WAYS.items()
            if ways[arm]
        ]
        for block in blocks(
            crew,
            lambda: processes,
            lambda: cases if len(found) < options.blocks else (),
            modules=_MODULES,
            seed=0,
            experiment=Experiment(before_slice=lambda _: time.sleep(_REST if options.threads > 1 else 0.0)),
        ):
            found.append(block)
            sys.stderr.write(f"block {block.number}: {block.wall:.0f} s, others used {block.others or 0:.2f} cores\n")
            for name, reasons in block.failures.items():
                sys.stderr.write(f"  {name}: {reasons}\n")
    return {
        "schema": 1,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": machine.digest,
        "machine": asdict(machine),
        "cores": os.cpu_count(),
        "blocks": [block.to_json() for block in found],
    }


def faster(found: Sequence[Block], case: str, arm: str) -> tuple[float, float, float] | None:
    """How many times faster than eager, with a 95 % interval; None where it was not measured."""
    ratios = log_ratios(found, case, arm, [EAGER])
    if len(ratios) < 3:
        return None
    return times_faster(-ratios)


def table(report: dict[str, Any]) -> str:
    """A row per way, a column per case: times, and times faster than eager."""
    found = [Block.from_json(record) for record in report["blocks"]]
    cases = [case for case in _CASES if any(case in block.seconds for block in found)]
    lines = [f"| way | {' | '.join(cases)} |", f"|---|{'---:|' * len(cases)}"]
    for arm in WAYS:
        cells = [_cell(found, case, arm) for case in cases]
        if any(cell != "-" for cell in cells):
            lines.append(f"| {arm} | {' | '.join(cells)} |")
    machine = report["machine"]
    others = float(np.median([block.others or 0.0 for block in found]))
    told = (
        "Medians, and in brackets how many times faster than eager with 95 % intervals; "
        f"{len(found)} blocks of forked, interleaved processes. {machine['cpu']}, {report['cores']} cores, "
        f"{counted(machine['threads'], 'thread')}, torch {machine['torch']}, {report['started'][:10]}; "
        f"other programs used {others:.2f} cores."
    )
    return "\n".join([*lines, "", told]) + "\n"


def _cell(found: Sequence[Block], case: str, arm: str) -> str:
    ratio = faster(found, case, arm)
    if ratio is None:
        return format_duration(median_seconds(found, case, arm)) if arm == EAGER else "-"
    seconds = format_duration(median_seconds(found, case, arm))
    return seconds if arm == EAGER else f"{seconds} ({ratio[0]:.2f}, {ratio[1]:.2f} to {ratio[2]:.2f})"


def rendered(text: str) -> str:
    """The page with its tables made anew from the reports that it names."""

    def block(found: re.Match[str]) -> str:
        report = json.loads((ROOT / found["file"]).read_text(encoding="utf-8"))
        return f"<!-- ways from {found['file']} -->\n{table(report)}<!-- end of ways -->\n"

    return _BLOCK.sub(block, text)


if __name__ == "__main__":
    sys.exit(main())
