"""What a house price table holds: columns with units and limits, and the headers that are recognised.

A *feature* is always in canonical units; a `Header` says how another source's columns become them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64]
Convert: TypeAlias = Callable[[Mapping[str, Column]], dict[str, Column]]


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

    def is_wrong(self, values: Column) -> NDArray[np.bool_]:
        """Which values are infinite or below the limit; NaN means missing and is not wrong."""
        too_small = values < self.minimum if self.is_minimum_allowed else values <= self.minimum
        return too_small | np.isinf(values)


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
        features: Source columns to the five canonical features; NaN stays NaN.
        price_unit: Dollars per unit of the target column.
    """

    name: str
    feature_columns: tuple[str, ...]
    target_column: str
    features: Convert
    price_unit: float = 1.0


def _renamed(source: tuple[str, ...]) -> Convert:
    return lambda columns: {name: columns[column] for name, column in zip(FEATURES, source, strict=True)}


def _per_household(columns: Mapping[str, Column]) -> dict[str, Column]:
    # A missing total_bedrooms stays missing. Filling it with the column's median and then dividing by this row's
    # households makes ratios that no house has, and halves the held-out R² of a linear fit.
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "income": columns["median_income"] * 10_000.0,
            "house_age": columns["housing_median_age"],
            "rooms": columns["total_rooms"] / columns["households"],
            "bedrooms": columns["total_bedrooms"] / columns["households"],
            "population": columns["population"],
        }


def _scikit_learn(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {
        "income": columns["MedInc"] * 10_000.0,
        "house_age": columns["HouseAge"],
        "rooms": columns["AveRooms"],
        "bedrooms": columns["AveBedrms"],
        "population": columns["Population"],
    }


_USA = (
    "Avg. Area Income",
    "Avg. Area House Age",
    "Avg. Area Number of Rooms",
    "Avg. Area Number of Bedrooms",
    "Area Population",
)
CANONICAL = Header(name="canonical", feature_columns=FEATURES, target_column=TARGET, features=_renamed(FEATURES))
HEADERS = (
    CANONICAL,
    Header(name="USA_Housing", feature_columns=_USA, target_column="Price", features=_renamed(_USA)),
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
    ),
    Header(
        name="California (scikit-learn)",
        feature_columns=("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population"),
        target_column="MedHouseVal",
        features=_scikit_learn,
        price_unit=100_000.0,
    ),
)
