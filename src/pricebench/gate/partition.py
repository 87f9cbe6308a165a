"""Which shard measures which benchmark: complete, disjoint, and the same on every runner that knows the same facts."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pricebench.gate.rehearsal import Rehearsal
from pricebench.paired.slices import planned
from pricebench.units import Second

Partition: TypeAlias = tuple[tuple[str, ...], ...]
"""By shard the names that are its own, sorted."""


def owner(name: str, base: Rehearsal, head: Rehearsal, renamed: Mapping[str, str]) -> str:
    """The name under which an id of either side is given to a shard: head's, where a reviewed line renames it.

    It depends on what was found, never on what worked: that may differ between runners.
    """
    after = {old: new for new, old in renamed.items() if new in head.found and new not in base.found}
    return after.get(name, name)


def ids_of(base: Rehearsal, head: Rehearsal, renamed: Mapping[str, str]) -> dict[str, str]:
    """All that a finding can be about, with its owner: benchmarks of both sides, and files that cannot be imported."""
    found = {*base.found, *head.found, *base.broken, *head.broken}
    return {name: owner(name, base, head, renamed) for name in sorted(found)}


def dealt(names: Iterable[str], count: int) -> Partition:
    """Names in turns, like cards: it needs nothing but the names, so all runners deal alike.

    >>> dealt(["c", "a", "b"], 2)
    (('a', 'c'), ('b',))
    """
    ordered = sorted(names)
    return tuple(tuple(ordered[number::count]) for number in range(count))


def balanced(costs: Mapping[str, Second], count: int) -> Partition:
    """Each to the shard that has least so far, the longest first (Graham 1969): at most 4/3 - 1/(3 count) of the best.

    >>> balanced({"a": 3.0, "b": 2.0, "c": 2.0}, 2)
    (('a',), ('b', 'c'))
    """
    shards: list[list[str]] = [[] for _ in range(count)]
    # Of shards with the same cost the one with fewer names, then the first: what costs nothing is dealt as well.
    loads = [(0.0, 0, number) for number in range(count)]
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        load, size, number = heapq.heappop(loads)
        shards[number].append(name)
        heapq.heappush(loads, (load + costs[name], size + 1, number))
    return tuple(tuple(sorted(shard)) for shard in shards)


def costs_of(names: Iterable[str], base: Rehearsal, head: Rehearsal, renamed: Mapping[str, str]) -> dict[str, Second]:
    """Seconds that a block needs for one arm of each benchmark; nothing where nothing will be measured."""
    costs = dict.fromkeys(names, 0.0)
    for name in costs:
        before = renamed.get(name, name)
        old = name if name in base.estimates else before
        if old in base.estimates and name in head.estimates:
            slower = max(base.estimates[old], head.estimates[name])
            num_rounds, num_calls = planned(slower, rounds=base.rounds.get(old))
            costs[name] = slower * num_rounds * num_calls
    return costs


def digest(partition: Partition) -> str:
    """Sixteen hexadecimal digits over who measures what."""
    return hashlib.sha256(json.dumps(partition).encode()).hexdigest()[:16]
