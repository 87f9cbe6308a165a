"""A validated table of houses, and its split into training and held-out rows."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pricebench.data.schema import FEATURES, TARGET

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Houses with their prices, every value finite and within its limit.

    Attributes:
        name: File name without folder, or what generated it.
        header: Which header was recognised.
        features_NF: float64, `(N, 5)`, columns as in `FEATURES`.
        price_N: float64, `(N,)`, USD.
        num_dropped: Rows left out because a value was missing.
    """

    name: str
    header: str
    features_NF: NDArray[np.float64]
    price_N: NDArray[np.float64]
    num_dropped: int = 0

    @property
    def num_rows(self) -> int:
        """Rows that are left."""
        return len(self.price_N)

    def digest(self) -> str:
        """SHA-256 of the values as little-endian float64, column by column: the same table, the same digest."""
        digest = hashlib.sha256()
        for column in (*self.features_NF.T, self.price_N):
            digest.update(np.ascontiguousarray(column, dtype="<f8").data)
        return digest.hexdigest()

    def frame(self) -> pd.DataFrame:
        """The table with its canonical columns."""
        import pandas as pd  # noqa: PLC0415 - half a second that reading a file does not need

        return pd.DataFrame(self.features_NF, columns=list(FEATURES)).assign(**{TARGET: self.price_N})

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """The given rows, in the given order."""
        return replace(self, features_NF=self.features_NF[rows], price_N=self.price_N[rows])


def train_test_split(dataset: Dataset, *, test_size: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split by a seeded permutation into `(training, held-out)`.

    The rows and their order are those of scikit-learn's `train_test_split(test_size=..., random_state=seed)`,
    so that a figure can be compared with anyone's.

    Args:
        dataset: What to split.
        test_size: Held-out share, above 0 and below 1; the number of rows is rounded up.
        seed: NumPy's legacy `RandomState` seed, 0 to 2**32 - 1.

    Raises:
        ValueError: `test_size` is out of range or leaves one side empty.
    """
    if not 0.0 < test_size < 1.0:
        raise ValueError(f"test_size is {test_size}, expected a share above 0 and below 1.")
    num_test = math.ceil(test_size * dataset.num_rows)
    if num_test >= dataset.num_rows:
        raise ValueError(
            f"test_size {test_size} of {dataset.num_rows} rows leaves none to train on; give more rows or less share."
        )
    # The legacy generator is the one whose permutations scikit-learn's users publish.
    permutation = np.random.RandomState(seed).permutation(dataset.num_rows)
    return dataset.take(permutation[num_test:]), dataset.take(permutation[:num_test])
