"""What is measured: any module, any inputs, dimensions that vary; `house_prices` is the one of this project."""

from __future__ import annotations

from pricebench.workload.cost import compulsory_bytes, count_flop, count_operators
from pricebench.workload.example import from_example
from pricebench.workload.house import FULL_ROWS, house_prices
from pricebench.workload.loading import HOUSE_PRICES, load_workload
from pricebench.workload.workload import BATCH, FULL, Dims, Sizes, Workload

__all__ = [
    "BATCH",
    "FULL",
    "FULL_ROWS",
    "HOUSE_PRICES",
    "Dims",
    "Sizes",
    "Workload",
    "compulsory_bytes",
    "count_flop",
    "count_operators",
    "from_example",
    "house_prices",
    "load_workload",
]
