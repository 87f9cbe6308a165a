"""A histogram as Prometheus keeps one: how many values were at most so large, and the quantiles that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from prometheus_client.samples import Sample


class Histogram(NamedTuple):
    """How many values were at most so large.

    Attributes:
        bounds: Rising, the last is infinite.
        counts: Of values up to each bound.
        total: All values together.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float

    @classmethod
    def of_samples(cls, samples: Iterable[Sample]) -> Histogram:
        """That of Prometheus' samples; those of several label sets are added up.

        Raises:
            LookupError, ValueError: They are no histogram's.
        """
        up_to: dict[float, float] = {}
        total = 0.0
        for each in samples:
            if each.name.endswith("_bucket"):
                bound = float(each.labels["le"])
                up_to[bound] = up_to.get(bound, 0.0) + each.value
            elif each.name.endswith("_sum"):
                total += each.value
        bounds, counts = tuple(sorted(up_to)), tuple(float(up_to[bound]) for bound in sorted(up_to))
        if not bounds or bounds[-1] != math.inf or not all(map(math.isfinite, (*counts, total))):
            raise ValueError("a histogram counts, and has an infinite bound")
        if any(new < old for old, new in pairwise(counts)):
            raise ValueError("as many values are up to a bound as up to a lower one, or more")
        return cls(bounds, counts, total)

    def since(self, older: Histogram) -> Histogram:
        """What was added to an older one of the same bounds."""
        counts = tuple(new - old for new, old in zip(self.counts, older.counts, strict=True))
        return Histogram(self.bounds, counts, self.total - older.total)

    @property
    def num_values(self) -> float:
        """All of them."""
        return self.counts[-1]

    @property
    def mean(self) -> float | None:
        """Of the values; None where there are none."""
        return self.total / self.num_values if self.num_values else None

    def quantile(self, level: float) -> float | None:
        """A value below which lies this much of the values, straight between bounds; None where there are no values.

        As `histogram_quantile` of Prometheus: the first bound has zero below it, and what lies beyond the last finite
        bound counts as that bound.

        >>> Histogram((1.0, 2.0, math.inf), (5, 7, 10), 12.0).quantile(0.6)
        1.5
        """
        if not self.num_values:
            return None
        rank = level * self.num_values
        place = next(index for index, count in enumerate(self.counts) if count >= rank)
        if math.isinf(self.bounds[place]):
            return self.bounds[place - 1] if place else None
        low, below = (self.bounds[place - 1], self.counts[place - 1]) if place else (0.0, 0.0)
        inside = self.counts[place] - below
        return low + (self.bounds[place] - low) * ((rank - below) / inside if inside else 1.0)

    def between(self) -> Iterator[tuple[float, float, float]]:
        """A lower bound, the next one, and how many values lie between the two."""
        low, below = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            yield low, bound, count - below
            low, below = bound, count
