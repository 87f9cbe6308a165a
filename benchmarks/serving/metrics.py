"""What our server says of itself at `/metrics`, and who its workers are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Self

from benchmarks.serving.processes import Serving

_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One look.

    Attributes:
        requests: Answered requests by status, those of every endpoint.
        priced: Of them, those for prices.
        refused: Of the others, those that got a 503, as those of a worker that died do.
        compilations: Graphs compiled while serving.
        restarts: Workers that died.
        num_ready: Workers that are ready.
        workers: Their process numbers, by worker.
    """

    requests: Counter[str]
    priced: Counter[str]
    refused: int
    compilations: int
    restarts: int
    num_ready: int
    workers: dict[int, int]

    @classmethod
    def of(cls, serving: Serving) -> Self:
        """Ask a server; the question itself is counted only at the next."""
        return cls.parse(serving.get("/metrics").decode())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Prometheus' text."""
        requests: Counter[str] = Counter()
        priced: Counter[str] = Counter()
        single: dict[str, float] = {}
        workers = {}
        for name, labels, value in _LINE.findall(text):
            facts = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if name == "pricebench_requests_total":
                requests[facts["status"]] += int(float(value))
                if facts["endpoint"] == "price":
                    priced[facts["status"]] += int(float(value))
            elif name == "pricebench_worker":
                workers[int(facts["worker"])] = int(facts["pid"])
            elif not labels:
                single[name] = float(value)
        return cls(
            requests=requests,
            priced=priced,
            refused=requests["503"] - priced["503"],
            compilations=int(single["pricebench_compilations_total"]),
            restarts=int(single["pricebench_worker_restarts_total"]),
            num_ready=int(single["pricebench_ready_workers"]),
            workers=workers,
        )

    def since(self, before: Metrics) -> dict[str, int]:
        """Requests that were answered in between, by status; without the look before, which is in none of them."""
        found = self.requests - before.requests
        found["200"] -= 1
        return {status: number for status, number in sorted(found.items()) if number}
