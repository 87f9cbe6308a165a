"""What a house price table holds: columns with units and limits, and the headers that are recognised.

A *feature* is always in canonical units; a `Header` says how another source's columns become them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64]
Block: TypeAlias = NDArray[np.float64]  # (C, N): a row per column, so that a column is contiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One canonical column.

    Attributes:
        name: Canonical column name.
        unit: Its unit, for people.
        minimum: Smallest value that makes sense.
        is_minimum_allowed: Whether the minimum itself does.
    """

    name: str
    unit: str
    minimum: float = 0.0
    is_minimum_allowed: bool

    @property
    def expectation(self) -> str:
        """What a value must be, as it stands in an error."""
        return f"{'at least' if self.is_minimum_allowed else 'above'} {self.minimum:g} ({self.unit})"

    def first_wrong(self, values: Column) -> int | None:
        """Index of the first value that is infinite or below the limit; NaN means missing and is not wrong."""
        # Two reductions answer for a clean column; only a NaN or a wrong value costs the masks.
        low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
        if high < np.inf and (low > self.minimum or (self.is_minimum_allowed and low == self.minimum)):
            return None
        wrong = self.all_wrong(values)
        return int(wrong[0]) if len(wrong) else None

    def all_wrong(self, values: Column) -> NDArray[np.intp]:
        """Index of each such value, ascending."""
        too_small = values < self.minimum if self.is_minimum_allowed else values <= self.minimum
        return np.flatnonzero(too_small | np.isinf(values))


QUANTITIES = (
    Quantity(name="income", unit="USD a year", is_minimum_allowed=False),
    Quantity(name="house_age", unit="years", is_minimum_allowed=True),
    Quantity(name="rooms", unit="rooms per house", is_minimum_allowed=False),
    Quantity(name="bedrooms", unit="bedrooms per house", is_minimum_allowed=True),
    Quantity(name="population", unit="people", is_minimum_allowed=False),
    Quantity(name="price", unit="USD", is_minimum_allowed=False),
)
FEATURES = tuple(quantity.name for quantity in QUANTITIES[:-1])
TARGET = QUANTITIES[-1].name


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A table layout that is recognised by its column names.

    Attributes:
        name: What people call it.
        feature_columns: Source columns that the features need.
        target_column: Source column that holds the price.
        features: `(C, N)` source columns, in the order of `feature_columns`, to the `(5, N)` features; NaN stays NaN.
        price_unit: Dollars per unit of the target column.
        source_limits: Limits of source columns that no feature shows: a ratio hides that both its sides are negative.
    """

    name: str
    feature_columns: tuple[str, ...]
    target_column: str
    features: Callable[[Block], Block]
    price_unit: float = 1.0
    source_limits: tuple[Quantity, ...] = ()


def _as_they_are(columns_CN: Block) -> Block:
    return columns_CN


def _per_household(columns_CN: Block) -> Block:
    # A missing total_bedrooms stays missing. Filling it with the column's median and then dividing by this row's
    # households makes ratios that no house has, and halves the held-out R² of a linear fit.
    income, house_age, rooms, bedrooms, population, households = columns_CN
    with np.errstate(all="ignore"):  # households are checked, and so are features that overflow
        return np.stack([income * _CENSUS_INCOME, house_age, rooms / households, bedrooms / households, population])


def _scikit_learn(columns_CN: Block) -> Block:
    with np.errstate(over="ignore"):
        scaled_CN: Block = columns_CN * np.array([[_CENSUS_INCOME], [1.0], [1.0], [1.0], [1.0]])
    return scaled_CN


_CENSUS_INCOME = 10_000.0  # USD per unit of the census's median income
_USA = (
    "Avg. Area Income",
    "Avg. Area House Age",
    "Avg. Area Number of Rooms",
    "Avg. Area Number of Bedrooms",
    "Area Population",
)
CANONICAL = Header(name="canonical", feature_columns=FEATURES, target_column=TARGET, features=_as_they_are)
HEADERS = (
    CANONICAL,
    Header(name="USA_Housing", feature_columns=_USA, target_column="Price", features=_as_they_are),
    Header(
        name="California (per block)",
        feature_columns=(
            "median_income",
            "housing_median_age",
            "total_rooms",
            "total_bedrooms",
            "population",
            "households",
        ),
        target_column="median_house_value",
        features=_per_household,
        source_limits=(Quantity(name="households", unit="households in a block", is_minimum_allowed=False),),
    ),
    Header(
        name="California (scikit-learn)",
        feature_columns=("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population"),
        target_column="MedHouseVal",
        features=_scikit_learn,
        price_unit=100_000.0,
    ),
)
