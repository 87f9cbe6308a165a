"""Houses of any number -> the same table with a price per row, streamed: memory does not grow with the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from pricebench.data import BadCell, FeatureBatch, stream_features
from pricebench.serving.predictor import FAMILIAR_SD, Predictor
from pricebench.serving.priced_tables import CsvTable, PricedTable

BAD_ROWS_HEADER = ("file", "row", "column", "value", "expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReport:
    """What was priced.

    Attributes:
        num_rows: Rows read and written.
        num_missing: Rows with a missing value, written without a price.
        num_unfamiliar: Rows with a value beyond what training saw, priced all the same.
        num_bad: Rows with a wrong value, written without a price.
    """

    num_rows: int
    num_missing: int
    num_unfamiliar: int
    num_bad: int = 0


def price_file(predictor: Predictor, source: Path, sink: IO[bytes], *, bad_rows: IO[bytes] | None = None) -> BulkReport:
    """Price every row of a CSV or Parquet file and write CSV: the source's columns and `predicted_price`.

    Args:
        predictor: Prices the houses.
        source: One of the known headers; a price column is not needed.
        sink: Receives UTF-8 CSV, batch by batch.
        bad_rows: Receives a CSV line per bad row, which then stops nothing and is written without a price.

    Raises:
        DataError: A wrong cell; what was written before it is in `sink`.
    """
    if bad_rows is not None:
        bad_rows.write(bad_rows_csv([BAD_ROWS_HEADER]))
    batches = stream_features(source, keeps_bad=bad_rows is not None)
    return price_batches(predictor, batches, CsvTable(source.name, sink), name=source.name, bad_rows=bad_rows)


def price_batches(
    predictor: Predictor,
    batches: Iterable[FeatureBatch],
    table: PricedTable,
    *,
    name: str,
    bad_rows: IO[bytes] | None = None,
) -> BulkReport:
    """Price a stream into a table that is being written.

    Args:
        predictor: Prices the houses.
        batches: Of the source.
        table: Receives them with their prices.
        name: Of the source, in lines about bad rows.
        bad_rows: Receives these lines.
    """
    num_rows = num_missing = num_unfamiliar = num_bad = 0
    for batch in batches:
        price_N = np.round(predictor.predict(batch.features_NF), 2)
        has_none = np.isnan(batch.features_NF).any(axis=1)
        table.write(batch.table, pa.array(price_N, mask=has_none))
        if bad_rows is not None:
            bad_rows.write(bad_rows_csv(_lines(name, batch.bad)))
        num_rows += batch.table.num_rows
        num_bad += len(batch.bad)
        num_missing += int(has_none.sum()) - len(batch.bad)
        num_unfamiliar += int((predictor.distance_sd(batch.features_NF) > FAMILIAR_SD).any(axis=1).sum())
    return BulkReport(num_rows=num_rows, num_missing=num_missing, num_unfamiliar=num_unfamiliar, num_bad=num_bad)


def bad_rows_csv(lines: Iterable[Iterable[object]]) -> bytes:
    """Lines of the file of bad rows, as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    # What was no UTF-8 never gets here: a table with such a cell is refused.
    return text.getvalue().encode()


def _lines(name: str, bad: Iterable[BadCell]) -> Iterator[tuple[object, ...]]:
    for cell in bad:
        yield name, cell.row, cell.column, cell.value, cell.expected
