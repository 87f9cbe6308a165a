"""A file of houses -> the same file with a price per row, streamed: memory does not grow with the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from pricebench.data import stream_features
from pricebench.errors import DataError
from pricebench.serving.predictor import FAMILIAR_SD, Predictor

PRICE_COLUMN = "predicted_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReport:
    """What was priced.

    Attributes:
        num_rows: Rows read and written.
        num_missing: Rows with a missing value, written without a price.
        num_unfamiliar: Rows with a value beyond what training saw, priced all the same.
    """

    num_rows: int
    num_missing: int
    num_unfamiliar: int


def price_file(predictor: Predictor, source: Path, sink: IO[bytes]) -> BulkReport:
    """Price every row of a CSV or Parquet file and write CSV: the source's columns and `predicted_price`.

    Args:
        predictor: Prices the houses.
        source: One of the known headers; a price column is not needed.
        sink: Receives UTF-8 CSV, batch by batch.

    Raises:
        DataError: A wrong cell; what was written before it is in `sink`.
    """
    num_rows = num_missing = num_unfamiliar = 0
    writer: pacsv.CSVWriter | None = None
    try:
        for batch in stream_features(source):
            if PRICE_COLUMN in batch.table.schema.names:
                raise DataError(
                    f"{source.name}, header: has a column '{PRICE_COLUMN}' already, the name of the result. Rename it."
                )
            price_N = np.round(predictor.predict(batch.features_NF), 2)
            is_missing = np.isnan(price_N)
            priced = batch.table.append_column(PRICE_COLUMN, pa.array(price_N, mask=is_missing))
            if writer is None:
                options = pacsv.WriteOptions(quoting_style="needed")
                writer = pacsv.CSVWriter(sink, priced.schema, write_options=options)
            writer.write(priced)
            num_rows += batch.table.num_rows
            num_missing += int(is_missing.sum())
            num_unfamiliar += int((predictor.distance_sd(batch.features_NF) > FAMILIAR_SD).any(axis=1).sum())
    finally:
        if writer is not None:
            writer.close()
    return BulkReport(num_rows=num_rows, num_missing=num_missing, num_unfamiliar=num_unfamiliar)
