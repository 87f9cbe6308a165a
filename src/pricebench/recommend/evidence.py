"""What was measured of one workload: the life of each mode, and blocks in which the modes alternated. Plain data."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pricebench.paired.records import Block
from pricebench.units import Byte, Second

EAGER, NULL = "eager", "null"  # the reference, and the same once more: what differs between the two is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCall:
    """A size that a process met for the first time.

    Attributes:
        sizes: Of the dimensions.
        first: Seconds of its first call.
        later: Median of the next ones.
        compilations: Graphs captured for it.
    """

    sizes: Mapping[str, int]
    first: Second
    later: Second
    compilations: int

    @property
    def stall(self) -> Second:
        """What meeting it cost."""
        return max(0.0, self.first - self.later)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A mode in one fresh process, from its start through a day of sizes.

    Attributes:
        common: Seconds from the start of the process to a loaded model: the same work in every mode.
        own: Seconds from there to the end of the first call: prepare, import what that needs, compile, run.
        calls: The first calls, in the order of the day.
        compilations: Graphs captured in all of it.
        resident: Bytes in memory after the day, or None.
        artifact: Bytes of what is shipped, or None.
        cache: Bytes of compiled code that it left, for the next process to find.
    """

    common: Second
    own: Second
    calls: tuple[FirstCall, ...]
    compilations: int
    resident: Byte | None = None
    artifact: Byte | None = None
    cache: Byte = 0

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `asdict` made; KeyError, TypeError or ValueError where it did not."""
        return cls(**{**record, "calls": tuple(FirstCall(**call) for call in record["calls"])})

    def stalls(self, traffic: Sequence[Mapping[str, int]]) -> Second:
        """What meeting the other sizes of the traffic costs, behind the first answer."""
        known = {_key(sizes) for sizes in traffic}
        return sum(call.stall for call in self.calls[1:] if _key(call.sizes) in known)

    def stall_at_unseen(self, traffic: Sequence[Mapping[str, int]]) -> Second | None:
        """The longest stall at a size that is not in the traffic, all of it being met; None if none was tried."""
        known = {_key(sizes) for sizes in traffic}
        return max((call.stall for call in self.calls if _key(call.sizes) not in known), default=None)


def _key(sizes: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(sizes.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How right a mode's answers are, at the worst of the shapes.

    Attributes:
        error: Against float64, relative to the largest value.
        eager: The same of eager.
        by: What it was compared with: `float64`, or why something else.
        wrong: Why it counts as wrong, or empty.
    """

    error: float
    eager: float
    by: str
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What is known of one mode.

    Attributes:
        mode: Its name.
        failures: By kind, inference or training, why it cannot be measured.
        cold: Its life, of the kind that is priced, where no compiled code is found; None where it failed.
        warm: Where an earlier process left its code; None for a mode that leaves none.
        answers: By kind, how right it is.
        graph_breaks: Reason, file and line of each.
        needs: What must be there besides torch.
        needs_python: Whether it runs inside of a Python process.
        needs_compiler: Whether a compiler has to be there where it runs.
        deprecation: PyTorch's own notice, or None.
    """

    mode: str
    failures: Mapping[str, str] = field(default_factory=dict)
    cold: Life | None = None
    warm: Life | None = None
    answers: Mapping[str, Answered]
    graph_breaks: tuple[Mapping[str, Any], ...] = ()
    needs: str = ""
    needs_python: bool = True
    needs_compiler: bool = False
    deprecation: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `asdict` made; KeyError, TypeError or ValueError where it did not."""
        lives = {name: record[name] and Life.from_json(record[name]) for name in ("cold", "warm")}
        answers = {kind: Answered(**each) for kind, each in record["answers"].items()}
        return cls(**{**record, **lives, "answers": answers, "graph_breaks": tuple(record["graph_breaks"])})

    def life(self, cache: str) -> Life | None:
        """The one that counts."""
        return self.warm if cache == "warm" and self.warm else self.cold

    def failed(self, kind: str) -> str:
        """Why it is no candidate for a kind of call, or empty."""
        if kind in self.failures:
            return self.failures[kind]
        answer = self.answers.get(kind)
        return f"wrong answer: {answer.wrong}" if answer and answer.wrong else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a recommendation is made of.

    Attributes:
        tried: One for each mode that was asked for.
        blocks: Of the paired measurement; cases are `inference[shape]` and `training[shape]`.
        starts: First answers by mode, a value per round, where they were repeated.
    """

    tried: tuple[Tried, ...]
    blocks: tuple[Block, ...]
    starts: Mapping[str, tuple[Second, ...]] = field(default_factory=dict)

    @property
    def common(self) -> Second:
        """Seconds to a loaded model, the median over all processes: the mode has no part in it."""
        lives = [life for tried in self.tried for life in (tried.cold, tried.warm) if life]
        return statistics.median(life.common for life in lives)

    def of(self, mode: str) -> Tried:
        """What is known of a mode."""
        return next(each for each in self.tried if each.mode == mode)


def case(kind: str, shape: str) -> str:
    """The name of what is measured."""
    return f"{kind}[{shape}]"
