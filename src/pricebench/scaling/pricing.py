"""A shard -> a file of prices, by whoever holds a model: the one process of `local`, or an actor of a cluster.

The bits depend on the shard, the model and the options alone: batches are cut by what is in the shard.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from pricebench.artifacts import CALIBRATION_FILE, MODEL_FILE, STATS_FILE
from pricebench.data import stream_features
from pricebench.data.sources import ParquetSource, Source, open_source
from pricebench.scaling.manifest import Finished
from pricebench.scaling.shards import Shard
from pricebench.scaling.stores import is_url, joined, store_of
from pricebench.serving import Predictor
from pricebench.serving.bulk import price_batches
from pricebench.serving.priced_tables import CsvTable, ParquetTable, PricedTable

BAD_ROWS = ".bad-rows-"
"""How the name of a shard's lines about bad rows begins: hidden from who reads the prices."""

_PARQUET_BATCH_BYTES = 4 << 20
_CSV_BATCH_BYTES = 1 << 20  # Arrow's reader of CSV holds some tens of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What a process needs to price shards: it may run on a machine that has none of our files.

    Attributes:
        model: The files of the artifacts folder, by name.
        exported: The file of `export` that runs instead of a mode; None for none.
        mode: That runs, by name; None for the default.
        transforms: Changes of the graph.
        threads: Of torch.
        keeps_bad_rows: Whether a bad row is written without a price; it stops the job otherwise.
        out: Folder or URL of the prices.
    """

    model: dict[str, bytes]
    exported: bytes | None
    mode: str | None
    transforms: tuple[str, ...]
    threads: int
    keeps_bad_rows: bool
    out: str

    @staticmethod
    def files_of(artifacts: Path) -> dict[str, bytes]:
        """Of a folder that `pricebench train` wrote, what a price depends on."""
        paths = [artifacts / name for name in (MODEL_FILE, STATS_FILE, CALIBRATION_FILE)]
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def predictor(self) -> Predictor:
        """Load the model, in the mode; torch has its threads from then on.

        Raises:
            ArtifactError: The files are no model.
            ModeError: The mode cannot run here.
        """
        torch.set_num_threads(self.threads)
        with tempfile.TemporaryDirectory(prefix="pricebench-") as folder:
            for name, content in self.model.items():
                Path(folder, name).write_bytes(content)
            exported = None
            if self.exported is not None:
                exported = Path(folder, "exported")
                exported.write_bytes(self.exported)
            return Predictor.load(Path(folder), mode=self.mode, exported=exported, transforms=self.transforms)


def bad_rows_file(shard: Shard) -> str:
    """Where the lines about a shard's bad rows wait until the job is done."""
    return f"{BAD_ROWS}{Path(shard.file).stem}.csv"


def price_shard(pricing: Pricing, predictor: Predictor, shard: Shard) -> Finished:
    """Price a shard, batch by batch, and put its file in its place once it is whole.

    Raises:
        DataError: A file cannot be read or written, or a bad row stops the job.
        OSError: It cannot be written here.
    """
    store = store_of(pricing.out)
    with (
        store.written(joined(pricing.out, shard.file)) as file,
        tempfile.TemporaryFile() if pricing.keeps_bad_rows else nullcontext() as bad_rows,
    ):
        sink = _Digested(file)
        with _read(shard) as source, _table(shard, sink) as table:
            batches = stream_features(
                Path(shard.name),
                source=source,
                first_row=shard.first_row,
                batch_bytes=_PARQUET_BATCH_BYTES if shard.is_parquet else _CSV_BATCH_BYTES,
                keeps_bad=pricing.keeps_bad_rows,
            )
            report = price_batches(predictor, batches, table, name=shard.name, bad_rows=bad_rows)
        if bad_rows is not None and report.num_bad:
            # In its place before the prices are, which make the shard a finished one.
            bad_rows.seek(0)
            with store.written(joined(pricing.out, bad_rows_file(shard))) as lines:
                shutil.copyfileobj(bad_rows, lines)
    return Finished(
        index=shard.index,
        file=shard.file,
        size=sink.size,
        digest=sink.hash.hexdigest(),
        rows=report.num_rows,
        missing=report.num_missing,
        unfamiliar=report.num_unfamiliar,
        bad=report.num_bad,
    )


@contextmanager
def _read(shard: Shard) -> Iterator[Source]:
    store = store_of(shard.path)
    groups = None if shard.row_groups is None else range(*shard.row_groups)
    if not shard.is_parquet:
        # A whole copy: a CSV is read again to name a wrong row, and its end is looked at.
        with store.fetched(shard.path) as path:
            yield open_source(path)
    elif is_url(shard.path):
        with store.open(shard.path) as file:
            yield ParquetSource(Path(shard.name), file=file, row_groups=groups)
    else:
        yield ParquetSource(Path(shard.path), row_groups=groups)


@contextmanager
def _table(shard: Shard, sink: _Digested) -> Iterator[PricedTable]:
    name = Path(shard.name).name
    if shard.is_parquet:
        with ParquetTable(name, sink) as table:
            yield table
    else:
        yield CsvTable(name, sink)


class _Digested(io.RawIOBase):
    """Hands on what is written, and knows its digest."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self.hash = hashlib.sha256()
        self.size = 0
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.hash.update(content)
        self.size += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self.size
