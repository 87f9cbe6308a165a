"""A whole gate run: prepare, check the structure, measure until all is decided or the time is spent, conclude."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pricebench.extras import require
from pricebench.gate import trees
from pricebench.gate.driver import Prepared, Request, prepare
from pricebench.gate.judge import Verdict
from pricebench.gate.processes import import_paths
from pricebench.gate.records import GateError
from pricebench.gate.report import Finding, Report
from pricebench.gate.reviewed import differences, load_structure, unchecked
from pricebench.gate.settings import Settings
from pricebench.gate.sharding import take_part
from pricebench.gate.trial import Progress, Trial
from pricebench.paired.environment import worker_environment
from pricebench.paired.records import Block, machine_digest
from pricebench.paired.statistics import LOOKS
from pricebench.paired.workspace import Workspace
from pricebench.units import Second

_BUSY = 0.2  # cores; one fork server more or less is known, so this is somebody else
_STRUCTURE_LIMIT: Second = 600.0


def run_gate(
    request: Request,
    settings: Settings,
    *,
    budget: Second,
    today: date,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """May head be merged?

    Args:
        request: What is to be compared.
        settings: The project's.
        budget: Seconds for all of it; a verdict may still be missing then.
        today: For reviewed lines that end.
        say: Is told what happens.
        show: Is told how far it is.

    Raises:
        GateError: It cannot run; the message says what to do.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    with Workspace(request.root) as workspace:
        structure: Future[dict[str, Any]] | None = None
        pool = ThreadPoolExecutor(1)

        def begin_structure(head: Path) -> None:
            nonlocal structure
            # One look is enough: structure does not differ from shard to shard.
            if settings.structure and request.shard <= 1:
                structure = pool.submit(find_structure, workspace, head, settings.workload)

        try:
            prepared = prepare(request, workspace, say=say, after_rehearsal=begin_structure)
            shard = None
            if request.shard:
                prepared, shard = take_part(prepared, request, settings, budget)
            told, reasons = _structure_sentences(structure, settings.structure, prepared) if structure else ([], [])
        finally:
            # Not waited for: leaving the workspace ends what still runs.
            pool.shutdown(wait=False, cancel_futures=True)
        trial = Trial(prepared=prepared, settings=settings, deadline=clock + budget)
        trial.run(seed=request.seed, show=show)
    seen = trial.findings()
    if shard:
        seen = [finding for finding in seen if finding.benchmark in shard.benchmarks]
    findings, warnings = _accept(seen, prepared, request.root, today)
    if not findings and not shard:
        raise GateError("no benchmark was compared: all were skipped on both sides. Choose others with -k.")
    control, seconds = trial.control(), time.monotonic() - clock
    return Report(
        started=started.isoformat(timespec="seconds"),
        base=prepared.base.commit,
        head=prepared.head.commit,
        is_dirty=prepared.head.is_dirty,
        machine=prepared.on_head.machine,
        fingerprint=machine_digest(prepared.on_head.machine),
        conditions={
            "suite": list(request.suite),
            "select": request.select,
            "threads": request.threads,
            "cores": list(prepared.crew.measuring),
            "looks": list(LOOKS),
            "budget": budget,
            "seed": request.seed,
            "shared_imports": len(prepared.modules),
        },
        findings=tuple(findings),
        control=control,
        structure=tuple(told),
        unchecked=tuple(reasons),
        was_structure_checked=structure is not None,
        warnings=(*warnings, *_disturbances(trial.blocks), *_remarks(prepared)),
        blocks=tuple(trial.blocks),
        seconds=seconds,
        shard=shard and replace(shard, control=control, num_blocks=len(trial.blocks), seconds=seconds),
    )


def find_structure(workspace: Workspace, tree: Path, workload: str) -> dict[str, Any]:
    """The structural facts of a tree's code, found in a process of its own.

    Raises:
        GateError: They could not be found at all; a mode that fails is a fact.
        MissingPackageError: torch is not installed.
    """
    require("torch", needed_by=f"the structure of {workload}")
    folder = workspace.folder / "tmp-facts"
    folder.mkdir(exist_ok=True)
    environment = {
        **worker_environment(threads=1, seed=0),
        "PYTHONPATH": os.pathsep.join(import_paths(tree)),
        "TORCHINDUCTOR_CACHE_DIR": str(workspace.folder / "inductor-head"),
        "TMPDIR": str(folder),
    }
    command = [sys.executable, "-m", "pricebench.gate.structure", "--workload", workload]
    try:
        ended = workspace.run(command, folder=tree, environment=environment, limit=_STRUCTURE_LIMIT)
    except subprocess.TimeoutExpired:
        raise GateError(
            f"the structure of {workload} was not found within {_STRUCTURE_LIMIT:.0f} s. Make its workload smaller."
        ) from None
    if ended.returncode:
        last = [line.strip() for line in ended.stderr.splitlines() if line.strip()][-1:] or ["no reason given"]
        raise GateError(f"the structure of {workload} could not be found: {last[0]}. Mend that, or unset `structure`.")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _structure_sentences(
    structure: Future[dict[str, Any]], name: str, prepared: Prepared
) -> tuple[list[str], list[str]]:
    """What differs from the committed facts, and why some could not be compared."""
    found = structure.result()
    # Head's own file: the diff that changed it is what a reviewer sees.
    committed = load_structure(prepared.head.folder / name)
    if committed is None:
        return [f"{name} is missing. Make it and have it reviewed: pricebench gate --update-structure"], []
    return differences(committed, found), unchecked(committed, found)


def _accept(
    findings: Sequence[Finding], prepared: Prepared, root: Path, today: date
) -> tuple[list[Finding], list[str]]:
    """Mark the slowdowns that a reviewed line lets pass."""

    def is_between(commit: str) -> bool:
        base, head = prepared.base.commit, prepared.head.commit
        return trees.is_ancestor(root, commit, head) and not trees.is_ancestor(root, commit, base)

    found, told = [], []
    for finding in findings:
        if finding.verdict is Verdict.SLOWER and finding.change is not None:
            line, sentences = prepared.accepted.of(
                finding.benchmark, finding.change, today=today, is_between=is_between
            )
            told += sentences
            if line:
                why = f"accepted up to {line.at_most:.0%} until {line.until}: {line.reason}"
                found.append(replace(finding, accepted=why))
                continue
        if finding.verdict is Verdict.GONE and finding.benchmark in prepared.accepted.removed:
            found.append(replace(finding, accepted=prepared.accepted.removed[finding.benchmark]))
            continue
        found.append(finding)
    return found, told


def _disturbances(blocks: Sequence[Block]) -> list[str]:
    busy = [block for block in blocks if block.others is not None and block.others > _BUSY]
    if not busy:
        return []
    most = max(block.others or 0.0 for block in busy)
    return [f"busy machine: in {len(busy)} of {len(blocks)} blocks others used up to {most:.1f} cores"]


def _remarks(prepared: Prepared) -> list[str]:
    told = []
    if (prepared.head.folder / ".gitmodules").is_file():
        told.append("submodules are not checked out for base and head: what needs them fails or is skipped")
    skipped = [name for name in prepared.on_head.skipped if name not in prepared.on_base.estimates]
    if skipped:
        told.append(f"skipped on head, so not compared: {len(skipped)} ({prepared.on_head.skipped[skipped[0]]})")
    if not prepared.modules:
        told.append("each arm imported everything itself: noise is larger, and each block takes longer")
    return told
