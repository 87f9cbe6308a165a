"""What the tests of both readers, whole and streamed, share."""

from __future__ import annotations

import pytest

from pricebench.data import load_dataset, stream_features
from pricebench.errors import DataError

CANONICAL = "income,house_age,rooms,bedrooms,population,price"
GOOD = "68000.5,5.5,7.1,4.2,36000,1200000"


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


ADDRESSED = lines(CANONICAL + ",address", *[GOOD + ',"1 Street\nTown"'] * 3)


def load_whole_stream(path):
    return list(stream_features(path))


both_readers = pytest.mark.parametrize("read", [load_dataset, load_whole_stream])


def refusal(read, path):
    """The message, after the checks that every message must pass."""
    with pytest.raises(DataError) as raised:
        read(path)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    assert path.name in message
    return message
