"""A CSV or Parquet file -> a validated `Dataset`, whole or in a stream.

The fast path parses only the needed columns as numbers, on all cores. Only when that fails is the file read again as
text, to find the first cell that is wrong and name it. A *row* in a message is a data row: the first one after the
header is row 1, also where quoted cells hold newlines.
"""

from __future__ import annotations

import csv
import io
import mmap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pricebench.data.dataset import Dataset
from pricebench.data.schema import CANONICAL, HEADERS, QUANTITIES, Block, Column, Header
from pricebench.errors import DataError

# What other tools write for "no value"; pandas and R write most of these.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
_MEND = "Fix the row or drop it."
_HEAD_BYTES = 1 << 16
_PARQUET_MAGIC = b"PAR1"
_WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
_NUMBER = r"^\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\s*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBatch:
    """Some rows of a file, as they stand and as features.

    Attributes:
        first_row: Data row number of the first row, from 1.
        table: All columns of the source, values untouched (text for CSV).
        features_NF: float64, `(N, 5)`; a row with a missing value is all NaN.
    """

    first_row: int
    table: pa.RecordBatch
    features_NF: NDArray[np.float64]


def load_dataset(path: Path | str) -> Dataset:
    """Read and validate a table of houses with prices; rows with a missing value are dropped and counted.

    Raises:
        DataError: The file is not such a table; the message names file, row, column and value.
    """
    path = Path(path)
    source = _open(path)
    header = _recognise(path, source.column_names, is_target_needed=True)
    names = (*header.feature_columns, header.target_column)
    columns_CN = source.read_numbers(names)
    features_FN = header.features(columns_CN[:-1])
    price_N = columns_CN[-1]
    price_N *= header.price_unit

    table = (*features_FN, price_N)
    _require_within_limits(path, dict(zip(names, columns_CN, strict=True)), table, first_row=1)
    num_rows = num_complete = len(price_N)
    # One pass per column instead of a mask: the smallest value is NaN where any is.
    if any(np.isnan(column.min(initial=0.0)) for column in table):
        is_complete = ~np.isnan(features_FN.sum(axis=0) + price_N)
        features_FN, price_N = features_FN[:, is_complete], price_N[is_complete]
        num_complete = len(price_N)
    if num_complete == 0:
        found = "none" if num_rows == 0 else f"{num_rows} rows, each with a missing value"
        raise DataError(f"{path.name}: expected rows of houses below the header, found {found}. Give a file with data.")
    return Dataset(
        name=path.name,
        header=header.name,
        features_NF=features_FN.T,
        price_N=price_N,
        num_dropped=num_rows - num_complete,
    )


def stream_features(path: Path | str, *, batch_bytes: int = 1 << 20) -> Iterator[FeatureBatch]:
    """Read the features of a file of any size batch by batch, in bounded memory; a price column is not needed.

    Args:
        path: A CSV or Parquet file with one of the known headers.
        batch_bytes: About how many bytes of CSV a batch holds.

    Raises:
        DataError: As `load_dataset`; raised when the batch that holds the wrong cell is reached.
    """
    path = Path(path)
    source = _open(path)
    header = _recognise(path, source.column_names, is_target_needed=False)
    first_row = 1
    for batch in source.stream(batch_bytes):
        columns_CN = np.stack([_numbers(path, name, batch.column(name), first_row) for name in header.feature_columns])
        features_FN = header.features(columns_CN)
        _require_within_limits(
            path, dict(zip(header.feature_columns, columns_CN, strict=True)), features_FN, first_row=first_row
        )
        features_NF = np.ascontiguousarray(features_FN.T)
        features_NF[np.isnan(features_NF).any(axis=1)] = np.nan
        yield FeatureBatch(first_row=first_row, table=batch, features_NF=features_NF)
        first_row += batch.num_rows
    if first_row == 1:
        raise DataError(f"{path.name}: expected rows of houses below the header, found none. Give a file with data.")


# ---- which table is it? --------------------------------------------------------------------------------------------


def _recognise(path: Path, found: Sequence[str], *, is_target_needed: bool) -> Header:
    duplicates = [name for name, count in Counter(found).items() if count > 1]
    if duplicates:
        raise DataError(
            f"{path.name}, header: column '{duplicates[0]}' stands {found.count(duplicates[0])} times, expected once. "
            "Remove or rename the extra ones."
        )

    def missing_columns(header: Header) -> list[str]:
        needed = (*header.feature_columns, *((header.target_column,) if is_target_needed else ()))
        return [name for name in needed if name not in found]

    nearest = min(HEADERS, key=lambda header: len(missing_columns(header)))
    missing = missing_columns(nearest)
    if not missing:
        return nearest
    # Every needed column of the nearest is absent: the file is of no known kind, and the canonical one is the advice.
    if len(missing) == len(nearest.feature_columns) + is_target_needed:
        nearest, missing = CANONICAL, missing_columns(CANONICAL)
    shown = ", ".join(found[:12]) + (", ..." if len(found) > 12 else "")
    raise DataError(
        f"{path.name}, header: expected the columns of one of {', '.join(header.name for header in HEADERS)}; "
        f"nearest is {nearest.name}, which lacks {', '.join(missing)}. Found: {shown}. Rename the columns."
    )


def _require_within_limits(
    path: Path, source: Mapping[str, Column], table: Iterable[Column], *, first_row: int
) -> None:
    """Check features, and the price if it is there; `source` are the columns that they were made of."""
    for quantity, values in zip(QUANTITIES, table, strict=False):
        index = quantity.first_wrong(values)
        if index is None:
            continue
        made_of = ", ".join(f"{name}={column[index]:g}" for name, column in source.items())
        origin = "" if quantity.name in source else f" (from {made_of})"
        raise DataError(
            f"{path.name}, row {first_row + index}: {quantity.name} is {values[index]:g}{origin}, "
            f"expected a finite number {quantity.expectation}. {_MEND}"
        )


# ---- the two kinds of file -----------------------------------------------------------------------------------------


def _open(path: Path) -> _CsvSource | _ParquetSource:
    if path.is_dir():
        raise DataError(f"{path.name}: expected a CSV or Parquet file, found a directory. Name the file inside it.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable CSV or Parquet file, found: {error.strerror}. Check the path."
        ) from error
    if not head:
        raise DataError(f"{path.name}: expected a CSV or Parquet file, found an empty file. Give a file with data.")
    if head.startswith(_PARQUET_MAGIC):
        return _ParquetSource(path)
    return _CsvSource(path, head)


class _ParquetSource:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._schema = pq.read_schema(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(error) from error
        self.column_names: list[str] = self._schema.names

    def read_numbers(self, names: Sequence[str]) -> Block:
        try:
            table = pq.read_table(self._path, columns=list(names))
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(error) from error
        return np.stack([_numbers(self._path, name, table.column(name), first_row=1) for name in names])

    def stream(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        batch_rows = max(1, batch_bytes // (8 * max(1, len(self.column_names))))
        try:
            with pq.ParquetFile(self._path) as file:
                yield from file.iter_batches(batch_size=batch_rows)
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> DataError:
        return DataError(
            f"{self._path.name}: expected a Parquet file, found one that cannot be read ({_one_line(error)}). "
            "Write it again."
        )


class _CsvSource:
    def __init__(self, path: Path, head: bytes) -> None:
        self._path = path
        self.column_names = _csv_header(path, head)

    def read_numbers(self, names: Sequence[str]) -> Block:
        convert = pacsv.ConvertOptions(
            include_columns=list(names), column_types=dict.fromkeys(names, pa.float64()), null_values=list(MISSING)
        )
        try:
            # Cells that hold newlines cost parallelism, and can only stand in quotes.
            parse = pacsv.ParseOptions(newlines_in_values=self._has_quotes())
            table = pacsv.read_csv(self._path, parse_options=parse, convert_options=convert)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            self._explain(names, error)
        block = np.empty((len(names), table.num_rows))
        for row, name in zip(block, names, strict=True):
            start = 0
            # Chunk by chunk into its place: the column as one array first would be a copy more.
            for chunk in table.column(name).chunks:
                row[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
                start += len(chunk)
        return block

    def stream(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        options = pacsv.ConvertOptions(
            column_types=dict.fromkeys(self.column_names, pa.string()), strings_can_be_null=False
        )
        try:
            reader = pacsv.open_csv(
                self._path,
                read_options=pacsv.ReadOptions(block_size=batch_bytes),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=options,
            )
            yield from reader
        except pa.ArrowInvalid as error:
            self._explain([], error)

    def _has_quotes(self) -> bool:
        """Whether a quote stands anywhere below the first line."""
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b'"', content.find(b"\n")) >= 0

    def _explain(self, names: Sequence[str], error: Exception) -> None:
        """Read the file again as text, slowly, and raise the error that names what the fast reader stumbled on."""
        ragged: list[Any] = []

        def note(row: Any) -> str:
            ragged.append(row)
            return "skip"

        parse = pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=note)
        convert = pacsv.ConvertOptions(
            include_columns=list(names), column_types=dict.fromkeys(self.column_names, pa.binary())
        )
        try:
            # One thread: only then does the reader know row numbers.
            table = pacsv.read_csv(
                self._path,
                read_options=pacsv.ReadOptions(use_threads=False),
                parse_options=parse,
                convert_options=convert,
            )
        except pa.ArrowInvalid as again:
            raise self._unreadable(again) from error
        if ragged:
            row = ragged[0]
            raise DataError(
                f"{self._path.name}, row {row.number - 1}: has {row.actual_columns} columns, "
                f"expected {row.expected_columns} as in the header. {_MEND}"
            ) from error
        wrong: list[DataError] = []
        first_wrong = table.num_rows
        for name in names:
            index = _first_not_a_number(table.column(name))
            if index is not None and index < first_wrong:
                first_wrong = index
                value = table.column(name)[index].as_py()
                wrong = [_not_a_number(self._path, name, value, index + 1)]
        raise (wrong[0] if wrong else self._unreadable(error)) from error

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(
            f"{self._path.name}: expected comma-separated UTF-8 text, found what cannot be parsed "
            f"({_one_line(error)}). Look for an unclosed quote or another encoding near there."
        )


def _csv_header(path: Path, head: bytes) -> list[str]:
    """The column names, or why the file's first bytes are no CSV header. A UTF-8 byte order mark is skipped."""
    for mark, encoding in _WIDE_MARKS.items():
        if head.startswith(mark):
            raise DataError(f"{path.name}: expected UTF-8 text, found {encoding}. Save it again as UTF-8.")
    if b"\x00" in head:
        raise DataError(f"{path.name}: expected CSV text or Parquet, found binary data. Export the table as CSV.")
    text = head.decode("utf-8-sig", errors="replace")
    if text.lstrip().startswith("<"):
        raise DataError(
            f"{path.name}, row 0: expected a CSV header, found '{_shorten(text.split()[0])}': this is an HTML or XML "
            "page. Download the raw file instead."
        )
    if "\r" in text.replace("\r\n", "\n"):
        raise DataError(
            f"{path.name}: expected lines that end in LF or CRLF, found a lone CR. Save it again with LF line ends."
        )
    names = next(csv.reader(io.StringIO(text, newline="")), [])
    if len(names) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in names[0]:
                raise DataError(
                    f"{path.name}, header: expected commas between the columns, found {called}. Export it with commas."
                )
    return names


# ---- cells ---------------------------------------------------------------------------------------------------------


def _numbers(path: Path, name: str, values: pa.ChunkedArray | pa.Array, first_row: int) -> Column:
    """A column of numbers or text as float64; a missing value is NaN."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = _parsed(path, name, values, first_row)
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise DataError(f"{path.name}: column {name} holds {kind}, expected numbers. Write the column as float64.")
    numbers: Column = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _parsed(path: Path, name: str, values: pa.ChunkedArray | pa.Array, first_row: int) -> pa.ChunkedArray | pa.Array:
    try:
        return values.cast(pa.float64())
    except pa.ArrowInvalid:
        index = _first_not_a_number(values)
        if index is not None:
            raise _not_a_number(path, name, values[index].as_py(), first_row + index) from None
    is_missing = pc.is_in(values, value_set=pa.array(MISSING, values.type))
    return pc.if_else(is_missing, pa.scalar(None, values.type), values).cast(pa.float64())


def _first_not_a_number(values: pa.ChunkedArray | pa.Array) -> int | None:
    is_number = pc.match_substring_regex(values, _NUMBER)
    is_missing = pc.is_in(values, value_set=pa.array(MISSING).cast(values.type))
    is_right = pc.fill_null(pc.or_(is_number, is_missing), pa.scalar(value=True))
    index: int = pc.index(is_right, pa.scalar(value=False)).as_py()
    return None if index < 0 else index


def _not_a_number(path: Path, name: str, value: str | bytes, row: int) -> DataError:
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return DataError(f"{path.name}, row {row}: {name} is '{_shorten(text)}', expected a number. {_MEND}")


def _shorten(text: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable if len(printable) <= 40 else printable[:37] + "..."


def _one_line(error: Exception) -> str:
    first = str(error).splitlines() or [type(error).__name__]
    return _shorten_message(first[0])


def _shorten_message(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "..."
