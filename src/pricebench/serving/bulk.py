"""A file of houses -> the same file with a price per row, streamed: memory does not grow with the file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from pricebench.data import stream_features
from pricebench.errors import DataError
from pricebench.serving.predictor import FAMILIAR_SD, Predictor

PRICE_COLUMN = "predicted_price"
_NEEDS_QUOTES = r'[",\r\n]'


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
    for batch in stream_features(source):
        price_N = np.round(predictor.predict(batch.features_NF), 2)
        is_missing = np.isnan(batch.features_NF).any(axis=1)
        if batch.first_row == 1:
            _write_header(source, batch.table.schema.names, sink)
        table = _as_csv_holds_it(source, batch.table)
        _write_rows(table.append_column(PRICE_COLUMN, pa.array(price_N, mask=is_missing)), sink)
        num_rows += batch.table.num_rows
        num_missing += int(is_missing.sum())
        num_unfamiliar += int((predictor.distance_sd(batch.features_NF) > FAMILIAR_SD).any(axis=1).sum())
    return BulkReport(num_rows=num_rows, num_missing=num_missing, num_unfamiliar=num_unfamiliar)


def _write_header(source: Path, names: list[str], sink: IO[bytes]) -> None:
    if PRICE_COLUMN in names:
        raise DataError(
            f"{source.name}, header: has a column '{PRICE_COLUMN}' already, the name of the result. Rename it."
        )
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([*names, PRICE_COLUMN])
    sink.write(line.getvalue().encode())


def _as_csv_holds_it(source: Path, table: pa.RecordBatch) -> pa.RecordBatch:
    """Make plain strings of the other ways in which Parquet keeps text; refuse what no CSV cell can hold."""
    for index, (name, column) in enumerate(zip(table.schema.names, table.columns, strict=True)):
        if pa.types.is_primitive(column.type) or pa.types.is_string(column.type) or pa.types.is_null(column.type):
            continue
        try:
            table = table.set_column(index, name, column.cast(pa.string()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"{source.name}: column {name} holds {column.type}, which a CSV cell cannot. Drop the column."
            ) from error
    return table


def _write_rows(table: pa.RecordBatch, sink: IO[bytes]) -> None:
    # Arrow's "needed" quotes every text cell; numbers that were read as text should look as they did.
    is_plain = not any(
        pc.any(pc.match_substring_regex(column, _NEEDS_QUOTES)).as_py()
        for column in table.columns
        if pa.types.is_string(column.type)
    )
    options = pacsv.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    pacsv.write_csv(table, sink, options)
