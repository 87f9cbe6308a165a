"""What the tests of both readers, whole and streamed, share."""

from __future__ import annotations

import pytest

from pricebench.data import load_dataset, stream_features
from pricebench.errors import DataError


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
