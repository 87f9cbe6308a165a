"""The two kinds of file that priced houses are written to, batch by batch: CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pricebench.errors import DataError

PRICE_COLUMN = "predicted_price"
_NEEDS_QUOTES = r'[",\r\n]'
# Of a row group: many readers are slow with small ones, and so much is kept in memory.
_GROUP_ROWS = 1 << 18
_GROUP_BYTES = 32 << 20


class Sink(Protocol):
    """What bytes are written to: a file, or what stands before one."""

    def write(self, content: bytes, /) -> int:
        """Take them."""


class PricedTable(Protocol):
    """A table that is being written."""

    def write(self, batch: pa.RecordBatch, prices: pa.Array) -> None:
        """Add rows with their prices, null for none."""


class CsvTable:
    """As UTF-8 CSV, text as it was."""

    def __init__(self, name: str, sink: Sink) -> None:
        """Write nothing yet.

        Args:
            name: Of the source, in errors.
            sink: Receives the text.
        """
        self._name = name
        self._sink = sink
        self._is_begun = False

    def write(self, batch: pa.RecordBatch, prices: pa.Array) -> None:
        """Add rows, below a header the first time.

        Raises:
            DataError: The source has such a column, or one that no CSV cell can hold.
        """
        if not self._is_begun:
            _require_no_price(self._name, batch.schema.names)
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow([*batch.schema.names, PRICE_COLUMN])
            self._sink.write(line.getvalue().encode())
            self._is_begun = True
        _write_rows(_as_csv_holds_it(self._name, batch).append_column(PRICE_COLUMN, prices), self._sink)


class ParquetTable:
    """As Parquet, columns of the source's types; a context, because what ends the file is written last."""

    def __init__(self, name: str, sink: Sink) -> None:
        """Write nothing yet.

        Args:
            name: Of the source, in errors.
            sink: Receives the file.
        """
        self._name = name
        self._sink = sink
        self._writer: Any = None  # pq.ParquetWriter; pyarrow ships no types
        self._waiting: list[pa.RecordBatch] = []

    def __enter__(self) -> ParquetTable:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._writer is None:
            return
        if kind is None:
            self._flush()
        self._writer.close()

    def write(self, batch: pa.RecordBatch, prices: pa.Array) -> None:
        """Add rows.

        Raises:
            DataError: The source has such a column.
        """
        if self._writer is None:
            _require_no_price(self._name, batch.schema.names)
        priced = batch.append_column(PRICE_COLUMN, prices)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._sink, priced.schema)
        self._waiting.append(priced)
        is_enough = sum(len(waiting) for waiting in self._waiting) >= _GROUP_ROWS
        if is_enough or sum(waiting.nbytes for waiting in self._waiting) >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting = []


def _require_no_price(name: str, columns: Sequence[str]) -> None:
    if PRICE_COLUMN in columns:
        raise DataError(f"{name}, header: has a column '{PRICE_COLUMN}' already, the name of the result. Rename it.")


def _as_csv_holds_it(name: str, table: pa.RecordBatch) -> pa.RecordBatch:
    """Make plain strings of the other ways in which Parquet keeps text; refuse what no CSV cell can hold."""
    for index, (column_name, column) in enumerate(zip(table.schema.names, table.columns, strict=True)):
        if pa.types.is_primitive(column.type) or pa.types.is_string(column.type) or pa.types.is_null(column.type):
            continue
        try:
            table = table.set_column(index, column_name, column.cast(pa.string()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"{name}: column {column_name} holds {column.type}, which a CSV cell cannot. Drop the column."
            ) from error
    return table


def _write_rows(table: pa.RecordBatch, sink: Sink) -> None:
    # Arrow's "needed" quotes every text cell; numbers that were read as text should look as they did.
    is_plain = not any(
        pc.any(pc.match_substring_regex(column, _NEEDS_QUOTES)).as_py()
        for column in table.columns
        if pa.types.is_string(column.type)
    )
    options = pacsv.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    pacsv.write_csv(table, sink, options)
