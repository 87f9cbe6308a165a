"""Two facts about an Arrow record batch from its header alone: how many rows it has, and whether it is compressed.

A stream says them in a flatbuffer (github.com/apache/arrow, format/Message.fbs); pyarrow shows neither before it has
read, and uncompressed, all of the batch. A damaged header raises `ValueError`.
"""

from __future__ import annotations

import struct
from typing import Any

# Places of fields in their tables, in the order in which Message.fbs declares them.
_MESSAGE_HEADER = 2  # after version and the header's type
_BATCH_LENGTH = 0
_BATCH_COMPRESSION = 3  # after length, nodes and buffers


def num_rows_of(metadata: Any) -> int:
    """Rows that a record batch says it has."""
    data = memoryview(metadata)
    place = _field(data, _batch(data), _BATCH_LENGTH)
    return _read("<q", data, place) if place else 0


def is_plain_batch(metadata: Any) -> bool:
    """Whether a record batch's buffers stand in it as they are."""
    data = memoryview(metadata)
    return not _field(data, _batch(data), _BATCH_COMPRESSION)


def _batch(data: memoryview) -> int:
    message = _read("<I", data, 0)
    place = _field(data, message, _MESSAGE_HEADER)
    if not place:
        raise ValueError("a message without a header")
    return place + _read("<I", data, place)


def _field(data: memoryview, table: int, index: int) -> int:
    """Where a table's field stands; 0 where the table has none."""
    fields = table - _read("<i", data, table)
    size = _read("<H", data, fields)
    entry = 4 + 2 * index
    offset = _read("<H", data, fields + entry) if entry + 2 <= size else 0
    return table + offset if offset else 0


def _read(kind: str, data: memoryview, place: int) -> int:
    try:
        if place < 0:
            raise ValueError("an offset in front of the data")
        return int(struct.unpack_from(kind, data, place)[0])
    except struct.error as error:
        raise ValueError("an offset beyond the data") from error
