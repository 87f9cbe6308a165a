"""An uploaded table of houses comes back with its prices."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pricebench.serving import BulkReport, Predictor, price_file

_HEAD_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedFile:
    """An uploaded table with its prices.

    Attributes:
        name: For the download.
        csv: Its content, UTF-8.
        report: What was priced.
    """

    name: str
    csv: bytes
    report: BulkReport

    @property
    def head(self) -> pd.DataFrame:
        """The first rows, to look at."""
        # As text: a cell is shown as it will be downloaded.
        return pd.read_csv(io.BytesIO(self.csv), nrows=_HEAD_ROWS, dtype=str, keep_default_na=False)


def price_upload(predictor: Predictor, name: str, content: bytes) -> PricedFile:
    """Price every row of an uploaded CSV or Parquet file.

    Args:
        predictor: Prices the houses.
        name: As the browser calls the file; only letters, digits and dots of it are used.
        content: Its bytes.

    Raises:
        DataError: A wrong header or cell.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:].lstrip(".") or "houses.csv"
    with tempfile.TemporaryDirectory(prefix="pricebench-") as folder:
        source = Path(folder) / safe
        source.write_bytes(content)
        sink = io.BytesIO()
        report = price_file(predictor, source, sink)
    return PricedFile(name=f"priced_{Path(safe).stem}.csv", csv=sink.getvalue(), report=report)
