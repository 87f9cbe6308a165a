"""A file becomes a validated `Dataset`, or one sentence that says why not. No torch."""

from pricebench.data.bad_cells import BadCell, BadCellError
from pricebench.data.dataset import Dataset, train_test_split
from pricebench.data.loading import FeatureBatch, features_of, load_dataset, stream_features
from pricebench.data.schema import FEATURES, HEADERS, QUANTITIES, TARGET, Header, Quantity
from pricebench.data.synthetic import make_houses

__all__ = [
    "FEATURES",
    "HEADERS",
    "QUANTITIES",
    "TARGET",
    "BadCell",
    "BadCellError",
    "Dataset",
    "FeatureBatch",
    "Header",
    "Quantity",
    "features_of",
    "load_dataset",
    "make_houses",
    "stream_features",
    "train_test_split",
]
