"""The trained model at work: one house, a file of any size, or a file that C++ loads."""

from pricebench.serving.bulk import BulkReport, price_file
from pricebench.serving.export import EXPORT_MODES, export
from pricebench.serving.predictor import FAMILIAR_SD, Predictor, Pricer
from pricebench.serving.priced_tables import PRICE_COLUMN

__all__ = [
    "EXPORT_MODES",
    "FAMILIAR_SD",
    "PRICE_COLUMN",
    "BulkReport",
    "Predictor",
    "Pricer",
    "export",
    "price_file",
]
