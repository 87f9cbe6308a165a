"""A file of blocks, a line each, to which blocks are added: what a gate's error rates are computed from.

{"schema": 1, "machine": {...}, "commit": "..."}
{"number": 0, "seconds": {...}, ...}
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pricebench.files import read_file
from pricebench.gate.records import GateError
from pricebench.paired.records import Block

_SCHEMA = 1


@dataclass(slots=True, kw_only=True)
class Bank:
    """Blocks of one machine, and where they lie.

    Attributes:
        path: The file.
        machine: What the processes said of it and their libraries.
        commits: That were measured.
        blocks: In the order of their numbers.
    """

    path: Path
    machine: Mapping[str, object]
    commits: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, *, machine: Mapping[str, object], commit: str) -> Self:
        """The bank that lies there, or a new one.

        Raises:
            GateError: It is of another machine: blocks of two fingerprints are not mixed.
        """
        if path.exists():
            bank = cls.load(path)
            if dict(bank.machine) != dict(machine):
                raise GateError(f"{path} holds blocks of another fingerprint: {bank.machine}. Name another file.")
        else:
            bank = cls(path=path, machine=machine)
        if commit not in bank.commits:
            bank.commits.append(commit)
            bank._append({"schema": _SCHEMA, "machine": dict(machine), "commit": commit})
        return bank

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a bank, gzipped or not.

        Raises:
            GateError: It cannot be read.
        """
        try:
            data = read_file(path)
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
            bank = cls(path=path, machine={})
            for line in text.splitlines():
                record = json.loads(line)
                if "schema" in record:
                    if record["schema"] != _SCHEMA or (bank.machine and bank.machine != record["machine"]):
                        raise GateError(f"{path} holds blocks of another schema or fingerprint. Make a new one.")
                    bank.machine = record["machine"]
                    bank.commits.append(record["commit"])
                else:
                    bank.blocks.append(Block.from_json(record))
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise GateError(
                f"{path}: expected a bank of blocks, found: {error}. Make one: python -m evidence.gate_bank."
            ) from error
        return bank

    def add(self, block: Block) -> None:
        """Append a block; it is on the disk when this returns."""
        self.blocks.append(block)
        self._append(block.to_json())

    def _append(self, record: Mapping[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
