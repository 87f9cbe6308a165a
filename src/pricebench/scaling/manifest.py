"""What a bulk job is and how far it came: `manifest.json`, beside the prices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pricebench.errors import DataError
from pricebench.scaling.shards import Shard
from pricebench.scaling.stores import Found, joined, shown, store_of

FILE = "manifest.json"
_FORMAT = "pricebench.prices"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What decides the prices, beside the houses.

    Attributes:
        model: Digest of the model.
        mode: That runs, as it was named.
        transforms: Changes of the graph.
        threads: Of each process that prices.
        shard_rows: No shard has more, where it can be cut.
        keeps_bad_rows: Whether a bad row is written without a price; it stops the job otherwise.
        torch: Its version.
    """

    model: str
    mode: str
    transforms: tuple[str, ...]
    threads: int
    shard_rows: int
    keeps_bad_rows: bool
    torch: str

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Options:
        """Of what the manifest says."""
        return cls(**{**record, "transforms": tuple(record["transforms"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A shard that was priced, whole.

    Attributes:
        index: Of the shard.
        file: With the prices.
        size: Of that file, in bytes.
        digest: SHA-256 of that file.
        rows: In it.
        missing: Of these, without a price because a value is missing.
        unfamiliar: Of these, beyond what training saw.
        bad: Of these, without a price because a value is wrong.
    """

    index: int
    file: str
    size: int
    digest: str
    rows: int
    missing: int
    unfamiliar: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A job.

    Attributes:
        inputs: Files of houses, in the order of their rows.
        options: What decides the prices.
        shards: Of these files.
        finished: By the shard's index.
        is_complete: Whether nothing is left to do.
    """

    inputs: tuple[Found, ...]
    options: Options
    shards: tuple[Shard, ...]
    finished: Mapping[int, Finished]
    is_complete: bool = False

    def difference(self, other: Manifest) -> str | None:
        """How the job that another manifest is of differs from this one, in words; None where it is the same job."""
        if [file.name for file in self.inputs] != [file.name for file in other.inputs]:
            return f"files: then {_names(self.inputs)}, now {_names(other.inputs)}"
        for then, now in zip(self.inputs, other.inputs, strict=True):
            if (then.size, then.stamp) != (now.size, now.stamp):
                return f"{then.name}: then {then.size:,} bytes of {then.stamp}, now {now.size:,} of {now.stamp}"
        options = asdict(other.options)
        for name, value in asdict(self.options).items():
            if value != options[name]:
                return f"{name}: then {_told(value)}, now {_told(options[name])}"
        assert self.shards == other.shards, "the cut is a function of the rest"
        return None

    def save(self, folder: str) -> None:
        """Write it, atomically."""
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "inputs": [asdict(file) for file in self.inputs],
            "options": asdict(self.options),
            "shards": [shard.to_json() for shard in self.shards],
            "finished": [asdict(self.finished[index]) for index in sorted(self.finished)],
            "complete": self.is_complete,
        }
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        for key in ("path", "index"):  # a line each: a person, or a diff, can find one
            text = text.replace(f'{{"{key}":', f'\n{{"{key}":')
        path = joined(folder, FILE)
        with store_of(folder).written(path) as file:
            file.write(text.encode() + b"\n")

    @classmethod
    def load(cls, folder: str) -> Manifest:
        """Read the one of a folder.

        Raises:
            DataError: It holds none, or one of another version.
        """
        name = shown(joined(folder, FILE))
        with store_of(folder).open(joined(folder, FILE)) as file:
            content = file.read()
        try:
            record = json.loads(content)
            _require_ours(record)
            return cls(
                inputs=tuple(Found(**item) for item in record["inputs"]),
                options=Options.from_json(record["options"]),
                shards=tuple(Shard.from_json(item) for item in record["shards"]),
                finished={item["index"]: Finished(**item) for item in record["finished"]},
                is_complete=record["complete"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{name}: expected a manifest of version {_VERSION}, found another ({error!r}). "
                "Price into a new folder."
            ) from error


def _require_ours(record: Mapping[str, Any]) -> None:
    if (record["format"], record["version"]) != (_FORMAT, _VERSION):
        raise ValueError(f"{record['format']} of version {record['version']}")


def _names(files: Iterable[Found]) -> str:
    names = [file.name for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | tuple):
        text = value if isinstance(value, str) else ",".join(value)
        return text[:20] or "none"
    return f"{value:,}"
