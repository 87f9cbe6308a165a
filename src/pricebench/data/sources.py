"""The two kinds of file, CSV and Parquet, behind one face: column names, numbers at once, all columns in a stream.

Arrow parses a CSV, the needed columns only, on all cores. Only when that fails is the file read again by Python's slow
reader, to find the first cell that is wrong and name it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pricebench.data.cells import MEND, MISSING, is_number, not_a_number, to_float64
from pricebench.data.schema import Block
from pricebench.errors import DataError, printable

_SCAN_BYTES = 1 << 18  # stays in cache: half the time of a memory map, whose pages are faulted in one by one
_HEAD_BYTES = 1 << 20  # Arrow's block size: a header longer than that it cannot read either
_PARQUET_MAGIC = b"PAR1"
_PARQUET_BUFFER_BYTES = 1 << 20  # of each column that is read
_WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
_PLAIN_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class Source(Protocol):
    """A table in a file."""

    column_names: list[str]

    def read_numbers(self, names: Sequence[str]) -> Block:
        """The named columns, `(C, N)`; a missing value is NaN."""

    def stream(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """All columns as they stand, in batches with at least one row; a CSV's are text."""


def open_source(path: Path) -> Source:
    """Find out from its first bytes what a file is.

    Raises:
        DataError: The file cannot be read, or is neither Parquet nor the beginning of a CSV table.
    """
    try:
        if path.is_dir():
            raise DataError(f"{path}: expected a CSV or Parquet file, found a directory. Name the file inside it.")
        if path.exists() and not path.is_file():
            raise DataError(
                f"{path}: expected a CSV or Parquet file, found a pipe or device, which cannot be read twice. "
                "Save its content in a file."
            )
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable CSV or Parquet file, found: {error.strerror}. Check the path."
        ) from error
    if not head:
        raise DataError(f"{path.name}: expected a CSV or Parquet file, found an empty file. Give a file with data.")
    if head.startswith(_PARQUET_MAGIC):
        return ParquetSource(path)
    return _CsvSource(path, head)


def no_rows(path: Path, found: str = "none") -> DataError:
    """The error for a table without a single usable row."""
    return DataError(f"{path.name}: expected rows of houses below the header, found {found}. Give a file with data.")


# ---- Parquet -------------------------------------------------------------------------------------------------------


class ParquetSource:
    """A Parquet file, or some of its row groups.

    Attributes:
        group_rows: Rows of each row group of the file.
    """

    def __init__(self, path: Path, *, file: IO[bytes] | None = None, row_groups: Sequence[int] | None = None) -> None:
        """Read the footer.

        Args:
            path: Of the file; what errors call it where `file` is given.
            file: The file, if it is none of this machine's.
            row_groups: The table is these, in their order; None for all.

        Raises:
            DataError: It is no Parquet file, or cannot be read.
        """
        self._path = path
        self._file = path if file is None else file
        with self._opened() as opened:
            self.column_names: list[str] = opened.schema_arrow.names
            footer = opened.metadata
            self.group_rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        self._row_groups = range(len(self.group_rows)) if row_groups is None else row_groups

    def read_numbers(self, names: Sequence[str]) -> Block:
        """As `Source`."""
        with self._opened() as opened:
            table = opened.read_row_groups(self._row_groups, columns=list(names))
        return np.stack([to_float64(self._path, name, table.column(name), first_row=1) for name in names])

    def stream(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        """As `Source`."""
        batch_rows = max(1, batch_bytes // (8 * max(1, len(self.column_names))))
        with self._opened() as opened:
            yield from filter(len, opened.iter_batches(batch_size=batch_rows, row_groups=self._row_groups))

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            # Arrow takes all columns of a row group into memory else, and a row group may be the file.
            with pq.ParquetFile(self._file, pre_buffer=False, buffer_size=_PARQUET_BUFFER_BYTES) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self._path.name}: expected a Parquet file, found one that cannot be read ({_one_line(error)}). "
                "Write it again."
            ) from error


# ---- CSV -----------------------------------------------------------------------------------------------------------


class _CsvSource:
    def __init__(self, path: Path, head: bytes) -> None:
        self._path = path
        self.column_names = _csv_header(path, head)

    def read_numbers(self, names: Sequence[str]) -> Block:
        convert = pacsv.ConvertOptions(
            include_columns=list(names), column_types=dict.fromkeys(names, pa.float64()), null_values=list(MISSING)
        )
        # Cells that hold newlines cost parallelism, and can only stand in quotes.
        parse = pacsv.ParseOptions(newlines_in_values=self._has_quotes())
        try:
            with self._open() as file:
                table = pacsv.read_csv(file, parse_options=parse, convert_options=convert)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            self._explain(error, numbers=names)
        block = np.empty((len(names), table.num_rows))
        for row, name in zip(block, names, strict=True):
            start = 0
            # Chunk by chunk into its place: the column as one array first would be a copy more.
            for chunk in table.column(name).chunks:
                row[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
                start += len(chunk)
        return block

    def stream(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(self.column_names, pa.string()), strings_can_be_null=False
        )
        try:
            with self._open() as file:
                reader = pacsv.open_csv(
                    file,
                    read_options=pacsv.ReadOptions(block_size=batch_bytes),
                    parse_options=pacsv.ParseOptions(newlines_in_values=True),
                    convert_options=convert,
                )
                # A block of blank lines is a batch without rows.
                for batch in filter(len, reader):
                    self._require_closed_quote(batch)
                    yield batch
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            self._explain(error)

    def _open(self) -> pa.NativeFile:
        # As a file, not by name: Arrow takes whatever is called houses.csv.gz for compressed.
        return pa.OSFile(str(self._path))

    # An open quote makes the last column's cell swallow the rest of the file, rows and all, without a complaint from
    # Arrow. It is seen at the file's last quote, which then is one that opens a cell.

    def _has_quotes(self) -> bool:
        """Whether a quote stands anywhere below the first line."""
        with self._path.open("rb") as file:
            last_quote = _last_quote(file)
            file.seek(max(0, last_quote - 1))
            if _opens_cell(file.read(3)):
                raise self._open_quote()
            file.seek(0)
            return last_quote > file.read(_HEAD_BYTES).find(b"\n")

    def _require_closed_quote(self, batch: pa.RecordBatch) -> None:
        last_cell = batch.columns[-1][-1].as_py().encode()
        with self._path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - len(last_cell) - 2))
            tail = file.read()
        if tail.endswith(last_cell) and _opens_cell(tail[:3]):
            raise self._open_quote()

    def _open_quote(self) -> DataError:
        num_rows = sum(1 for _ in self._rows())
        return DataError(f"{self._path.name}, row {num_rows}: expected a closing quote, found the file's end. {MEND}")

    def _explain(self, error: Exception, *, numbers: Sequence[str] | None = None) -> NoReturn:
        """Find what Arrow stumbled on, and raise the error that names it.

        Args:
            error: Arrow's own, which knows no row.
            numbers: Columns that must hold numbers; without them all columns must hold UTF-8 text.
        """
        columns = [(index, name) for index, name in enumerate(self.column_names) if numbers is None or name in numbers]
        for row, cells in self._rows():
            if len(cells) != len(self.column_names):
                raise DataError(
                    f"{self._path.name}, row {row}: expected {len(self.column_names)} columns as in the header, "
                    f"found {len(cells)}. {_quote_hint(cells)}{MEND}"
                ) from error
            for index, name in columns:
                cell = cells[index]
                if numbers is None:
                    if not _is_utf8(cell):
                        raise DataError(
                            f"{self._path.name}, row {row}: {printable(name)} is '{printable(cell)}', "
                            "expected UTF-8 text. Save the file again as UTF-8."
                        ) from error
                # Arrow is asked only about the cells that are not plainly numbers: asking takes 10 microseconds.
                elif not _PLAIN_NUMBER.fullmatch(cell) and not is_number(cell):
                    raise not_a_number(self._path, name, cell, row, hint=_quote_hint(cells)) from error
        raise DataError(
            f"{self._path.name}: expected comma-separated UTF-8 text, found what cannot be parsed "
            f"({_one_line(error)}). Write it again."
        ) from error

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The cells of each data row, slowly; bytes that are no UTF-8 become lone surrogates."""
        row = 0
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = filter(None, csv.reader(file))
            try:
                next(lines)
                for row, cells in enumerate(lines, 1):
                    yield row, cells
            except csv.Error as error:
                raise DataError(
                    f"{self._path.name}, row {row + 1}: expected cells of at most {csv.field_size_limit()} characters, "
                    f"found a longer one. Is a quote left open? {MEND}"
                ) from error


def _csv_text(path: Path, head: bytes) -> str:
    """A file's first bytes as text without byte order mark, or why they are none."""
    for mark, encoding in _WIDE_MARKS.items():
        if head.startswith(mark):
            raise DataError(f"{path.name}: expected UTF-8 text, found {encoding}. Save it again as UTF-8.")
    if b"\x00" in head:
        raise DataError(f"{path.name}: expected CSV text or Parquet, found binary data. Export the table as CSV.")
    text = head.decode("utf-8-sig", errors="replace").lstrip("\r\n")
    if text.lstrip().startswith("<"):
        raise DataError(
            f"{path.name}, header: expected column names, found '{printable(text.split()[0])}': this is an HTML or "
            "XML page. Download the raw file instead."
        )
    return text


def _csv_header(path: Path, head: bytes) -> list[str]:
    """The column names, or why the file's first bytes begin no table."""
    text = _csv_text(path, head)
    if "\r" in text.partition("\n")[0].removesuffix("\r"):
        raise DataError(
            f"{path.name}, header: expected lines that end in LF or CRLF, found a lone CR. "
            "Save it again with LF line ends."
        )
    if len(head) == _HEAD_BYTES and "\n" not in text:
        raise DataError(f"{path.name}, header: expected at most 1 MiB, found no line end. Is this a CSV file?")
    lines = io.StringIO(text, newline="")
    try:
        names = next(csv.reader(lines, strict=True), [])
    except csv.Error as error:
        raise DataError(
            f"{path.name}, header: expected column names between commas, found what cannot be parsed ({error}). "
            "Is a quote left open?"
        ) from error
    if not names:
        raise DataError(f"{path.name}: expected a header and rows of houses, found blank lines. Give a file with data.")
    for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and separator in names[0]:
            raise DataError(
                f"{path.name}, header: expected commas between the columns, found {called}. Export it with commas."
            )
    for name in names:
        if "\N{REPLACEMENT CHARACTER}" in name:
            raise DataError(
                f"{path.name}, header: expected UTF-8 text, found column '{printable(name)}'. Save it again as UTF-8."
            )
    if len(head) < _HEAD_BYTES and not lines.read().strip():
        raise no_rows(path)
    return names


def _last_quote(file: io.BufferedReader) -> int:
    """Position of a file's last quote, or -1; from the end, so that a file with quotes is done at once."""
    buffer = bytearray(_SCAN_BYTES)
    end = file.seek(0, io.SEEK_END)
    while end > 0:
        start = max(0, end - _SCAN_BYTES)
        file.seek(start)
        num_read = file.readinto(memoryview(buffer)[: end - start])
        found = buffer.rfind(b'"', 0, num_read)
        if found >= 0:
            return start + found
        end = start
    return -1


def _opens_cell(around: bytes) -> bool:
    """Whether the second of three bytes is a quote with which a cell begins; two where the file ends with it."""
    is_quote_after_separator = around[1:2] == b'"' and around[:1] in b",\r\n"
    # The file's last byte opens a cell too.
    return is_quote_after_separator and (len(around) == 2 or around[2:] not in b",\r\n")


def _quote_hint(cells: Sequence[str]) -> str:
    """A question, where a quote or what it swallowed stands in a cell; else nothing."""
    is_likely = any(mark in cell for cell in cells for mark in '"\n')
    return "Is a quote left open, here or above? " if is_likely else ""


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_line(error: Exception) -> str:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 160 else first[:157] + "..."
