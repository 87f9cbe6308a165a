"""Houses in a table, CSV or an Arrow stream, and the table that answers: a row for a row.

A row with a missing value has no price, as in `pricebench predict`. Shapes: N rows, F features.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from pricebench.data import features_of
from pricebench.errors import DataError
from pricebench.server.answers import RefusedError
from pricebench.server.flatbuffer import is_plain_batch, num_rows_of
from pricebench.server.houses_json import require_rows
from pricebench.server.ranges import ranged
from pricebench.serving.batching import Priced
from pricebench.serving.readiness import ReadyModel

CSV_TYPE = b"text/csv"
_NAME = "the body"  # as errors call it
_MOST_COLUMNS = 1_000
_MODEL = b"pricebench.model"


# ---- in ------------------------------------------------------------------------------------------------------------


def from_csv(body: bytes, most_rows: int) -> NDArray[np.float64]:
    """The features, `(N, F)`, of a CSV with one of the known headers; a row with a missing value is all NaN.

    Raises:
        RefusedError: 400 for what is no CSV, 413 for too many rows, 422 for wrong cells.
    """
    if body.count(b'"') % 2:
        raise RefusedError(400, "expected a closing quote, found the end.")
    names = _header(body)
    wrong: list[Any] = []

    def on_wrong_row(row: Any) -> str:
        wrong.append(row)
        return "skip" if len(wrong) == 1 else "error"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(body),
            # One thread knows which row it reads.
            read_options=pacsv.ReadOptions(use_threads=False, block_size=max(len(body), 1024)),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_wrong_row),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        if not wrong:
            raise RefusedError(
                400, "expected a header and rows of comma-separated UTF-8 text, found what is none."
            ) from None
        table = None
    if wrong:
        first = wrong[0]
        where = f"row {first.number - 1}: " if first.number is not None and first.number > 1 else ""
        raise RefusedError(
            400, f"{where}expected {first.expected_columns} columns as in the header, found {first.actual_columns}."
        )
    require_rows(table.num_rows, most_rows)
    return _features(table)


def _header(body: bytes) -> list[str]:
    first = body[: 1 << 16].decode("utf-8-sig", errors="surrogateescape")
    try:
        names = next(csv.reader(io.StringIO(first, newline="")), [])
    except csv.Error:
        names = []
    if not names or len(names) > _MOST_COLUMNS:
        raise RefusedError(400, f"expected a header of 1 to {_MOST_COLUMNS:,} columns, found {len(names):,}.")
    if any("\udc80" <= char <= "\udcff" for name in names for char in name):
        raise RefusedError(400, "expected a header in UTF-8, found other bytes.")
    return names


def from_arrow(body: bytes, most_rows: int) -> NDArray[np.float64]:
    """The features, `(N, F)`, of an Arrow IPC stream with one of the known headers.

    Raises:
        RefusedError: As `from_csv`. 415 for compressed buffers and dictionaries, whose size nobody knows beforehand.
    """
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
        num_rows, is_first = 0, True
        for message in reader:
            if message.type == "record batch" and is_plain_batch(message.metadata):
                num_rows += num_rows_of(message.metadata)
            elif not (is_first and message.type == "schema"):
                raise RefusedError(
                    415, f"expected a schema and record batches without compression, found a {message.type}."
                )
            is_first = False
        require_rows(num_rows, most_rows)
        with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
            table = stream.read_all()
        if table.num_columns > _MOST_COLUMNS:
            raise RefusedError(400, f"expected at most {_MOST_COLUMNS:,} columns, found {table.num_columns:,}.")
        table.validate(full=True)
    # What Arrow and the offsets in a damaged stream may raise.
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise RefusedError(400, "expected an Arrow IPC stream, found what is none or a damaged one.") from error
    return _features(table)


def _features(table: pa.Table) -> NDArray[np.float64]:
    try:
        return features_of(_NAME, table)
    except DataError as error:
        raise RefusedError(422, str(error).removeprefix(f"{_NAME}, ").removeprefix(f"{_NAME}: ")) from None


# ---- out -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRows:
    """Answers, a row each.

    Attributes:
        price: Dollars, null where a value is missing.
        low: Of 9 of 10 such houses; null where there is no range.
        high: The same.
        warnings: Sentences of each row.
        digest: Of the model.
    """

    price: pa.Array
    low: pa.Array
    high: pa.Array
    warnings: list[list[str]]
    digest: str


def priced_rows(rows_NF: NDArray[np.float64], priced: Priced[ReadyModel]) -> PricedRows:
    """Put ranges and warnings beside prices."""
    answers = ranged(rows_NF, priced)
    return PricedRows(
        price=pa.array(answers.price_N, mask=answers.lacks_price_N),
        low=pa.array(answers.low_N, mask=answers.lacks_range_N),
        high=pa.array(answers.high_N, mask=answers.lacks_range_N),
        warnings=[answers.warnings.get(row, []) for row in range(len(rows_NF))],
        digest=priced.model.digest,
    )


def to_csv(rows: PricedRows) -> bytes:
    """The answer as CSV; the model's digest does not fit into it."""
    warnings = pa.array([" ".join(sentences) for sentences in rows.warnings], pa.string())
    table = pa.table({"price": rows.price, "range_low": rows.low, "range_high": rows.high, "warnings": warnings})
    sink = pa.BufferOutputStream()
    sink.write(b"price,range_low,range_high,warnings\n")
    # Arrow quotes every text cell, the empty ones too, and needs not where none is there.
    is_plain = not pc.any(pc.not_equal(warnings, "")).as_py()
    options = pacsv.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    pacsv.write_csv(table, sink, options)
    return bytes(sink.getvalue())


def to_arrow(rows: PricedRows) -> bytes:
    """The answer as an Arrow IPC stream, with the model's digest in the schema's metadata."""
    table = pa.table(
        {
            "price": rows.price,
            "range_low": rows.low,
            "range_high": rows.high,
            "warnings": pa.array(rows.warnings, pa.list_(pa.string())),
        }
    ).replace_schema_metadata({_MODEL: rows.digest.encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
