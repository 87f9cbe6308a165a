"""A CSV or Parquet file -> a validated `Dataset`, whole or in a stream.

A *row* in a message is a data row: the first one after the header is row 1, also where quoted cells hold newlines.
Blank lines are no rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pricebench.data.bad_cells import BadCell, BadCellError
from pricebench.data.cells import MEND, no_number, not_numbers, to_float64, without
from pricebench.data.dataset import Dataset
from pricebench.data.schema import FEATURES, HEADERS, QUANTITIES, Block, Column, Header, Quantity
from pricebench.data.sources import Source, no_rows, open_source
from pricebench.errors import DataError, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBatch:
    """Some rows of a file, as they stand and as features.

    Attributes:
        first_row: Data row number of the first row, from 1.
        table: All columns of the source, values untouched (text for CSV).
        features_NF: float64, `(N, 5)`; a row with a missing value is all NaN, and so is a bad one.
        bad: The first wrong cell of each bad row, in the rows' order; empty where a bad row stops the reading.
    """

    first_row: int
    table: pa.RecordBatch
    features_NF: NDArray[np.float64]
    bad: tuple[BadCell, ...] = ()


def load_dataset(path: Path | str) -> Dataset:
    """Read and validate a table of houses with prices; rows with a missing value are dropped and counted.

    Columns that are not needed are not looked at.

    Raises:
        DataError: The file is not such a table; the message names file, row, column and value.
    """
    path = Path(path)
    source = open_source(path)
    header, called = _recognise(path, source.column_names, is_target_needed=True)
    columns_CN = source.read_numbers(list(called.values()))
    features_FN = header.features(columns_CN[:-1])
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        price_N = columns_CN[-1] if header.price_unit == 1.0 else columns_CN[-1] * header.price_unit

    table = (*features_FN, price_N)
    _require_within_limits(path, header, dict(zip(called, columns_CN, strict=True)), table, first_row=1)
    num_rows = num_complete = len(price_N)
    # One pass per column instead of a mask: the smallest value is NaN where any is.
    if any(np.isnan(column.min(initial=0.0)) for column in table):
        is_complete = ~(np.isnan(features_FN).any(axis=0) | np.isnan(price_N))
        features_FN, price_N = features_FN[:, is_complete], price_N[is_complete]
        num_complete = len(price_N)
    if num_complete == 0:
        raise no_rows(path, "none" if num_rows == 0 else f"{num_rows}, each with a missing value")
    return Dataset(
        name=path.name,
        header=header.name,
        features_NF=features_FN.T,
        price_N=price_N,
        num_dropped=num_rows - num_complete,
    )


def stream_features(
    path: Path | str,
    *,
    batch_bytes: int = 1 << 20,
    source: Source | None = None,
    first_row: int = 1,
    keeps_bad: bool = False,
) -> Iterator[FeatureBatch]:
    """Read the features of a file of any size batch by batch, in bounded memory; a price column is not needed.

    All columns are handed on, so that all of them must be UTF-8 text.

    Args:
        path: A CSV or Parquet file with one of the known headers.
        batch_bytes: About how many bytes of CSV a batch holds; a longer row is refused.
        source: The table, if it is not the whole file, or the file is elsewhere; `path` is then what errors call it.
        first_row: Data row number of the table's first row.
        keeps_bad: Hand on a row with a cell that is no number, or beyond its limits, instead of stopping there.

    Raises:
        DataError: As `load_dataset`; raised when the batch that holds the wrong cell is reached.
    """
    path = Path(path)
    source = source or open_source(path)
    header, called = _recognise(path, source.column_names, is_target_needed=False)
    row = first_row
    for batch in source.stream(batch_bytes):
        bad: tuple[BadCell, ...] = ()
        if keeps_bad:
            features_NF, bad = _tolerant_features(path, header, called, batch, first_row=row)
        else:
            features_NF = _features(path, header, called, batch, first_row=row)
        yield FeatureBatch(first_row=row, table=batch, features_NF=features_NF, bad=bad)
        row += batch.num_rows
    if row == first_row:
        raise no_rows(path)


def features_of(name: str, table: pa.Table) -> NDArray[np.float64]:
    """The features of a table that is in memory, `(N, 5)` in float64; a row with a missing value is all NaN.

    Args:
        name: What errors call it.
        table: With the columns of one of the known headers, as numbers or as text; others are not looked at.

    Raises:
        DataError: As `load_dataset`.
    """
    path = Path(name)
    header, called = _recognise(path, table.schema.names, is_target_needed=False)
    if not table.num_rows:
        raise no_rows(path)
    return _features(path, header, called, table, first_row=1)


def _features(
    path: Path, header: Header, called: Mapping[str, str], table: pa.RecordBatch | pa.Table, *, first_row: int
) -> NDArray[np.float64]:
    columns = {
        name: to_float64(path, found, table.column(found), first_row=first_row) for name, found in called.items()
    }
    features_FN = header.features(np.stack(list(columns.values())))
    _require_within_limits(path, header, columns, features_FN, first_row=first_row)
    features_NF = np.ascontiguousarray(features_FN.T)
    features_NF[np.isnan(features_NF).any(axis=1)] = np.nan
    return features_NF


def _tolerant_features(
    path: Path, header: Header, called: Mapping[str, str], table: pa.RecordBatch, *, first_row: int
) -> tuple[NDArray[np.float64], tuple[BadCell, ...]]:
    """The same, with NaN for bad rows, and for each of them the cell that would have stopped the reading of it alone.

    A table without any costs nothing more: only where one stops the reading are the others looked for.
    """
    try:
        return _features(path, header, called, table, first_row=first_row), ()
    except BadCellError:
        pass
    bad: dict[int, BadCell] = {}
    columns = {}
    for name, found in called.items():
        cells = table.column(found)
        wrong = not_numbers(cells)
        for index in wrong:
            bad.setdefault(index, no_number(found, cells[index].as_py(), first_row + index))
        columns[name] = to_float64(path, found, without(cells, wrong), first_row=first_row)
    features_FN = header.features(np.stack(list(columns.values())))
    for quantity, values, _ in _checks(header, columns, features_FN):
        for index in quantity.all_wrong(values).tolist():
            bad.setdefault(index, _beyond(quantity, values, index, first_row=first_row))
    features_NF = np.ascontiguousarray(features_FN.T)
    features_NF[list(bad)] = np.nan
    features_NF[np.isnan(features_NF).any(axis=1)] = np.nan
    return features_NF, tuple(bad[index] for index in sorted(bad))


# ---- which table is it? --------------------------------------------------------------------------------------------


def _recognise(path: Path, found: Sequence[str], *, is_target_needed: bool) -> tuple[Header, Mapping[str, str]]:
    """Which header it is, and how the file calls each of its columns, in their order."""

    def refuse_several(names: Sequence[str], called: str) -> None:
        if len(names) > 1:
            raise DataError(
                f"{path.name}, header: column '{printable(called)}' stands {len(names)} times, expected once. "
                "Remove or rename the extra ones."
            )

    def needed(header: Header) -> tuple[str, ...]:
        return (*header.feature_columns, header.target_column) if is_target_needed else header.feature_columns

    by_name: dict[str, list[str]] = {}
    for name in found:
        by_name.setdefault(_plain(name), []).append(name)
    for name, count in Counter(found).items():
        refuse_several([name] * count, name)
    for header in HEADERS:
        if all(_plain(name) in by_name for name in needed(header)):
            for name in needed(header):
                refuse_several(by_name[_plain(name)], name)
            return header, {name: by_name[_plain(name)][0] for name in needed(header)}
    # Where nothing fits, the first is advised.
    nearest = min(HEADERS, key=lambda header: sum(_plain(name) not in by_name for name in needed(header)))
    missing = [name for name in needed(nearest) if _plain(name) not in by_name]
    shown = ", ".join(f"'{printable(name)}'" for name in found[:12]) + (", ..." if len(found) > 12 else "")
    raise DataError(
        f"{path.name}, header: expected the columns of one of {', '.join(header.name for header in HEADERS)}; "
        f"nearest is {nearest.name}, which lacks {', '.join(missing)}. Found: {shown}. Rename the columns."
    )


def _plain(name: str) -> str:
    """Blanks around a name, or another case, still show which column is meant."""
    return name.strip().casefold()


def _checks(
    header: Header, source: Mapping[str, Column], table: Sequence[Column] | Block
) -> Iterator[tuple[Quantity, Column, tuple[str, ...]]]:
    """Each quantity with its values, and the source columns that they were made of."""
    divisors = header.feature_columns[len(FEATURES) :]
    made_of = [(name, *divisors) for name in header.feature_columns[: len(FEATURES)]] + [(header.target_column,)]
    for quantity in header.source_limits:
        yield quantity, source[quantity.name], (quantity.name,)
    yield from zip(QUANTITIES, table, made_of, strict=False)


def _beyond(quantity: Quantity, values: Column, index: int, *, first_row: int) -> BadCell:
    return BadCell(
        row=first_row + index,
        column=quantity.name,
        value=f"{values[index]:.12g}",
        expected=f"a finite number {quantity.expectation}",
    )


def _require_within_limits(
    path: Path, header: Header, source: Mapping[str, Column], table: Sequence[Column] | Block, *, first_row: int
) -> None:
    """Check features, and the price if it is there; `source` are the columns that they were made of."""
    for quantity, values, origins in _checks(header, source, table):
        index = quantity.first_wrong(values)
        if index is None:
            continue
        origin = ", ".join(f"{name}={source[name][index]:.12g}" for name in origins if name != quantity.name)
        cell = _beyond(quantity, values, index, first_row=first_row)
        raise BadCellError(
            f"{path.name}, row {cell.row}: {cell.column} is {cell.value}{f' (from {origin})' if origin else ''}, "
            f"expected {cell.expected}. {MEND}",
            cell,
        )
