"""The embedded default data: a generator with the published statistics of Kaggle's USA_Housing.csv.

Four independent Gaussian features, bedrooms that step at seven rooms, and a linear price with Gaussian noise: that is
what the file's own statistics say it is. Only integer sums and single IEEE operations are used, no logarithm and no
library normal, so that every platform makes the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pricebench.data.dataset import Dataset

# name: (mean, standard deviation with ddof 1) over the 5,000 rows of USA_Housing.csv.
MOMENTS = {
    "income": (68_583.11, 10_657.99),
    "house_age": (5.97722, 0.991456),
    "rooms": (6.98779, 1.005833),
    "population": (36_163.52, 9_925.65),
}
# Ordinary least squares of price on the five features, all rows of USA_Housing.csv; R² 0.918.
INTERCEPT = -2_637_299.03
SLOPES = {
    "income": 21.5780494,
    "house_age": 165_637.027,
    "rooms": 120_659.949,
    "bedrooms": 1_651.139,
    "population": 15.2007439,
}
RESIDUAL_SD = 101_153.41

DEFAULT_ROWS = 5_000
DEFAULT_SEED = 20_251

# A sum of 48 uniforms has variance 48/12 = 2² and an excess kurtosis of -1.2/48: Gaussian, as far as 5,000 rows tell.
_UNIFORMS_PER_NORMAL = 48
_BLOCK_ROWS = 65_536  # bounds the memory: a block draws 65,536 x 5 x 24 raw words


def make_houses(num_rows: int = DEFAULT_ROWS, *, seed: int = DEFAULT_SEED) -> Dataset:
    """Generate houses; the same arguments give the same bits on every platform.

    A row with a value that is not above zero (about 1 in 4,000) is drawn again.

    Args:
        num_rows: Rows wanted, at least 1.
        seed: Seed of the PCG64 bit stream, which NumPy keeps stable.
    """
    if num_rows < 1:
        raise ValueError(f"num_rows is {num_rows}, expected at least 1.")
    bits = np.random.PCG64(seed)
    blocks: list[NDArray[np.float64]] = []
    missing = num_rows
    while missing > 0:
        block = _draw(bits, min(missing, _BLOCK_ROWS))
        block = block[(block > 0.0).all(axis=1)]
        blocks.append(block)
        missing -= len(block)
    table = np.concatenate(blocks)
    return Dataset(
        name=f"synthetic-{num_rows}-seed{seed}",
        header="canonical",
        features_NF=np.asfortranarray(table[:, :-1]),
        price_N=np.ascontiguousarray(table[:, -1]),
    )


def _draw(bits: np.random.PCG64, num_rows: int) -> NDArray[np.float64]:
    """Rows of the five features and the price, `(num_rows, 6)`, unfiltered."""
    features = {name: mean + sd * _standard_normal(bits, num_rows) for name, (mean, sd) in MOMENTS.items()}
    is_large = features["rooms"] >= 7.0
    whole = np.where(is_large, 3 + _below(bits, num_rows, 4), 2 + _below(bits, num_rows, 3))
    features["bedrooms"] = whole + _below(bits, num_rows, 51) / 100.0
    price = INTERCEPT + RESIDUAL_SD * _standard_normal(bits, num_rows)
    for name, slope in SLOPES.items():
        # One product and one sum at a time: a matrix product may be summed in any order.
        price = price + slope * features[name]
    return np.column_stack([*(features[name] for name in SLOPES), price])


def _standard_normal(bits: np.random.PCG64, num_rows: int) -> NDArray[np.float64]:
    raw = bits.random_raw((num_rows, _UNIFORMS_PER_NORMAL // 2))
    halves = (raw & np.uint64(0xFFFF_FFFF)) + (raw >> np.uint64(32))
    total = halves.sum(axis=1).astype(np.float64)  # an integer below 2**38: exact
    center = _UNIFORMS_PER_NORMAL * (2.0**32 - 1.0) / 2.0
    spread = 2.0**32 * 2.0
    normal: NDArray[np.float64] = (total - center) / spread
    return normal


def _below(bits: np.random.PCG64, num_rows: int, bound: int) -> NDArray[np.int64]:
    return (bits.random_raw(num_rows) % np.uint64(bound)).astype(np.int64)
