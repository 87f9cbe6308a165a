"""What the user needs: the goal, the traffic, how often a process starts, and what is not allowed where it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pricebench.errors import PricebenchError

Sizes = Mapping[str, int]


class RecommendError(PricebenchError):
    """A need, or a recommendation that was stored, is not what it should be."""


class Goal(StrEnum):
    """What is to be cheap."""

    LATENCY = "latency"  # single calls
    THROUGHPUT = "throughput"  # full batches
    TRAINING = "training"  # training steps, most of them on full batches
    STARTUP = "startup"  # the first answer of a fresh process


_SHAPES: Mapping[Goal, Mapping[str, float]] = {
    Goal.LATENCY: {"single": 1.0},
    Goal.THROUGHPUT: {"full": 1.0},
    Goal.TRAINING: {"full": 0.9, "residual": 0.1},
    Goal.STARTUP: {"single": 1.0},
}
_RESTARTS: Mapping[Goal, float] = {Goal.STARTUP: 10_000.0}
_CALLS: Mapping[Goal, float] = {Goal.STARTUP: 10_000.0, Goal.TRAINING: 100_000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of the traffic.

    Attributes:
        shape: Its name: of the workload, or made from the sizes.
        sizes: Of the dimensions.
        share: Of the calls, 0 to 1.
    """

    shape: str
    sizes: Sizes
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is asked of a mode.

    Attributes:
        goal: What is to be cheap.
        traffic: Sizes and their shares of the calls, which add up to 1.
        restarts_per_day: Processes that start; each pays for its first answers.
        calls_per_day: All processes together; training steps where that is the goal.
        no_python: Where it runs there is no Python.
        no_compiler: Where it runs there is no compiler.
        cache: `cold`: a fresh process finds no compiled code, as in a new container; `warm`: it finds what an earlier
            one left.
    """

    goal: Goal
    traffic: tuple[Share, ...]
    restarts_per_day: float
    calls_per_day: float
    no_python: bool = False
    no_compiler: bool = False
    cache: str = "cold"

    @property
    def kind(self) -> str:
        """What a call is: `inference` or `training`."""
        return "training" if self.goal is Goal.TRAINING else "inference"

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `asdict` made; KeyError, TypeError or ValueError where it did not."""
        traffic = tuple(
            Share(shape=str(each["shape"]), sizes=dict(each["sizes"]), share=float(each["share"]))
            for each in record["traffic"]
        )
        return cls(**{**record, "goal": Goal(record["goal"]), "traffic": traffic})


def read_sizes(text: str) -> tuple[tuple[int, float], ...]:
    """Batches with their weights, such as `1:0.7,8:0.2,64:0.1`; weights are shares after dividing by their sum.

    Raises:
        RecommendError: It is something else.

    >>> read_sizes("1:3,8:1")
    ((1, 0.75), (8, 0.25))
    """
    found: dict[int, float] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?::\s*(\d*\.?\d+)\s*)?", part)
        rows, weight = (int(match[1]), float(match[2] or 1)) if match else (0, 0.0)
        if rows < 1 or weight <= 0 or rows in found:
            raise RecommendError(
                f"--sizes is '{text}', expected different batches from 1 up with weights above 0, "
                "such as 1:0.7,8:0.2,64:0.1."
            )
        found[rows] = weight
    total = math.fsum(found.values())
    return tuple((rows, weight / total) for rows, weight in found.items())


def make_need(
    *,
    goal: Goal,
    shapes: Mapping[str, Sizes],
    batch: str,
    sizes: Sequence[tuple[int, float]] = (),
    restarts_per_day: float | None = None,
    calls_per_day: float | None = None,
    no_python: bool = False,
    no_compiler: bool = False,
    cache: str = "cold",
) -> Need:
    """Fill in what was not said.

    Args:
        goal: What is to be cheap.
        shapes: Of the workload, with `full`.
        batch: Its dimension that varies from call to call; empty where none does.
        sizes: Batches and shares; by default the shapes that the goal is about.
        restarts_per_day: By default 10; 10,000 where startup is the goal.
        calls_per_day: By default a million; 100,000 training steps; one call a restart where startup is the goal.
        no_python: See `Need`.
        no_compiler: See `Need`.
        cache: See `Need`.

    Raises:
        RecommendError: The workload has no batch, and sizes were given.
    """
    if sizes and not batch:
        raise RecommendError("--sizes names batches, but no dimension of the workload varies. Leave --sizes out.")
    if sizes:
        traffic = tuple(_share(rows, share, shapes, batch) for rows, share in sizes)
    else:
        wanted = {name: share for name, share in _SHAPES[goal].items() if name in shapes} or {"full": 1.0}
        total = math.fsum(wanted.values())
        traffic = tuple(Share(shape=name, sizes=shapes[name], share=share / total) for name, share in wanted.items())
    return Need(
        goal=goal,
        traffic=traffic,
        restarts_per_day=_RESTARTS.get(goal, 10.0) if restarts_per_day is None else restarts_per_day,
        calls_per_day=_CALLS.get(goal, 1_000_000.0) if calls_per_day is None else calls_per_day,
        no_python=no_python,
        no_compiler=no_compiler,
        cache=cache,
    )


def _share(rows: int, share: float, shapes: Mapping[str, Sizes], batch: str) -> Share:
    sizes = {**shapes["full"], batch: rows}
    name = next((name for name, known in shapes.items() if dict(known) == sizes), f"{batch}={rows}")
    return Share(shape=name, sizes=sizes, share=share)
