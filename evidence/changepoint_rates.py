"""Error rates of the change points, ours beside apache-otava's defaults on the same simulated series.

    python -m evidence.changepoint_rates                            # ours
    uv run --with apache-otava==0.8.0 python -m evidence.changepoint_rates --otava
    python -m evidence.changepoint_rates --critical                 # the table of critical values

Otava pins NumPy 2.2.0, so it is laid over the environment for this script only and is no dependency.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pricebench.history.changepoints import best_bump, best_split, clamped, find_steps

CV = 0.03  # between runs
SPIKE_SHARE, SPIKE = 0.03, 1.25
LENGTHS = (30, 60, 120)
_GRID = (6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 25, 30, 40, 50, 60, 80, 100, 120)

Finder = Callable[[npt.NDArray[np.float64]], Sequence[int]]


def stationary(num_series: int, num_points: int, *, spikes: bool, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Series without a step: Gaussian, coefficient of variation 3 %; with `spikes`, 3 % of the points 25 % higher."""
    chance = np.random.default_rng([seed, num_points, spikes])
    for _ in range(num_series):
        series = 1.0 + CV * chance.standard_normal(num_points)
        yield series * np.where(chance.random(num_points) < SPIKE_SHARE, SPIKE, 1.0) if spikes else series


def stepped(
    num_series: int, num_before: int, num_after: int, *, ratio: float, seed: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Series whose last points are `ratio` times as high."""
    chance = np.random.default_rng([seed, num_before, num_after])
    for _ in range(num_series):
        series = 1.0 + CV * chance.standard_normal(num_before + num_after)
        series[num_before:] *= ratio
        yield series


def bumped(num_series: int, *, length: int, ratio: float, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Series of 120 with an episode in the middle."""
    chance = np.random.default_rng([seed, length])
    for _ in range(num_series):
        series = 1.0 + CV * chance.standard_normal(120)
        series[60 : 60 + length] *= ratio
        yield series


def share_flagged(series: Iterator[npt.NDArray[np.float64]], finder: Finder) -> float:
    """Share of the series in which anything is found."""
    return float(np.mean([len(finder(one)) > 0 for one in series]))


def share_found(series: Iterator[npt.NDArray[np.float64]], at: Sequence[int], finder: Finder) -> float:
    """Share of the series in which every true step is found, at most two points off."""
    return float(np.mean([all(any(abs(each - true) <= 2 for each in finder(one)) for true in at) for one in series]))


def ours(series: npt.NDArray[np.float64]) -> list[int]:
    """Positions by `find_steps`."""
    return [step.index for step in find_steps(series)]


def otavas(series: npt.NDArray[np.float64]) -> list[int]:
    """Positions by apache-otava with its defaults."""
    from otava.analysis import compute_change_points  # noqa: PLC0415 - laid over for this script only

    points, _ = compute_change_points(series.tolist(), window_len=50, max_pvalue=0.001, min_magnitude=0.0)
    return [point.index for point in points]


def critical_values(num_series: int, seed: int = 2026) -> dict[int, tuple[float, float]]:
    """99.65 % quantile of the best split and 99.95 % quantile of the best bump, by number of points."""
    table = {}
    for num_points in _GRID:
        chance = np.random.default_rng([seed, num_points])
        splits, bumps = [], []
        for _ in range(num_series):
            x = clamped(np.log1p(CV * chance.standard_normal(num_points)))
            splits.append(best_split(x)[0])
            bumps.append(best_bump(x)[0])
        table[num_points] = round(float(np.quantile(splits, 0.9965)), 3), round(float(np.quantile(bumps, 0.9995)), 3)
    return table


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--critical", action="store_true")
    parser.add_argument("--otava", action="store_true")
    parser.add_argument("--series", type=int, default=4000, help="simulated series per cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write = sys.stdout.write
    if options.critical:
        for num_points, (split, bump) in critical_values(options.series).items():
            write(f"    {num_points}: ({split}, {bump}),\n")
        return
    finder = otavas if options.otava else ours
    count, seed = options.series, options.seed
    write(f"{finder.__name__}: {count} series per cell, seed {seed}, cv {CV:.0%}; % of series\n")
    for spikes in (False, True):
        shares = [share_flagged(stationary(count, n, spikes=spikes, seed=seed), finder) for n in LENGTHS]
        write(f"{'spiked' if spikes else 'Gaussian'} flagged, n = 30, 60, 120: {_percent(shares)}\n")
    for ratio in (1.05, 1.1, 1.2):
        for before in LENGTHS:
            shares = [
                share_found(stepped(count, before, after, ratio=ratio, seed=seed), [before], finder)
                for after in (1, 2, 3, 5, 10)
            ]
            write(f"+{ratio - 1:.0%} found after {before} by 1, 2, 3, 5, 10 points: {_percent(shares)}\n")
    for length in (7, 10, 20):
        share = share_found(bumped(count, length=length, ratio=1.1, seed=seed), [60, 60 + length], finder)
        write(f"+10 % for {length} of 120 points, both edges found: {_percent([share])}\n")


def _percent(shares: Sequence[float]) -> str:
    return "  ".join(f"{share:.2%}" for share in shares)


if __name__ == "__main__":
    main()
