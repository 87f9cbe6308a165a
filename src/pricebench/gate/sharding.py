"""From prepared sides to one shard's part of them, or to the plan that all shards follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from pricebench.gate.driver import Prepared, Request, prepare
from pricebench.gate.partition import balanced, costs_of, dealt, digest
from pricebench.gate.plan import Plan
from pricebench.gate.report import KIND
from pricebench.gate.settings import Settings
from pricebench.gate.shard import Shard
from pricebench.paired.workspace import Workspace
from pricebench.units import Second


def plan_shards(request: Request, settings: Settings, *, say: Callable[[str], None] = lambda _: None) -> Plan:
    """Rehearse both suites, and part them by what a block of each benchmark costs.

    Raises:
        GateError: They cannot be rehearsed; the message says what to do.
    """
    with Workspace(request.root) as workspace:
        prepared = prepare(request, workspace, say=say)
        names = prepared.owners.values()
        costs = costs_of(names, prepared.on_base, prepared.on_head, prepared.accepted.renamed)
        return Plan(
            facts=_facts(prepared, request, settings), partition=balanced(costs, request.num_shards), costs=costs
        )


def take_part(prepared: Prepared, request: Request, settings: Settings, budget: Second) -> tuple[Prepared, Shard]:
    """The sides with the pairs of one shard only, and what it says of itself.

    Raises:
        GateError: This is not the run that was planned.
    """
    facts, owners = _facts(prepared, request, settings), prepared.owners
    names = sorted(set(owners.values()))
    if request.plan:
        request.plan.check(facts=facts, names=names, count=request.num_shards)
        partition = request.plan.partition
    else:
        partition = dealt(names, request.num_shards)
    # With the old name of what was renamed: it goes where the new one goes.
    partition = tuple(
        tuple(sorted(name for name, owner in owners.items() if owner in part)) for part in map(frozenset, partition)
    )
    own = partition[request.shard - 1]
    shard = Shard(
        number=request.shard,
        count=request.num_shards,
        partition=digest(partition),
        benchmarks=own,
        facts={**facts, "budget": f"{budget:g} s"},
        machine=prepared.on_head.machine,
    )
    return replace(prepared, pairs=tuple(pair for pair in prepared.pairs if pair.head in own)), shard


def _facts(prepared: Prepared, request: Request, settings: Settings) -> dict[str, str]:
    """What has to be the same on all runners, in the words of an error."""
    return {
        "pricebench": f"{version('pricebench')}, reports of schema {KIND.schema}",
        "base": prepared.base.commit,
        "head": prepared.head.commit,
        "tree of head": prepared.contents,
        "suite": " ".join(request.suite),
        "-k": request.select or "not given",
        "thresholds": json.dumps([settings.threshold, *settings.thresholds.items()]),
        "threads": str(request.threads),
        "processes": "fork" if request.can_share else "spawn",
        "structure": f"{settings.structure or 'not checked'} {settings.workload}".strip(),
    }
