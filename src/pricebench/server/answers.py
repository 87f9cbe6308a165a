"""What a request is answered with: a body, or a refusal that says in one sentence what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

Header: TypeAlias = tuple[bytes, bytes]

JSON = b"application/json"
CSV = b"text/csv; charset=utf-8"
ARROW = b"application/vnd.apache.arrow.stream"

_encoder = msgspec.json.Encoder()


class Answer(NamedTuple):
    """An HTTP response.

    Attributes:
        body: Whole.
        status: Of HTTP.
        content_type: Of the body.
        headers: Beside its type and length.
        num_houses: That it prices.
    """

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    num_houses: int = 0


class RefusedError(Exception):
    """A request is not answered as it wishes.

    The message is for whoever sent it, so it names no file of this machine.
    """

    def __init__(self, status: int, message: str, *, headers: Sequence[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = tuple(headers)

    def answer(self) -> Answer:
        """As a response."""
        return refusal(self.status, str(self), self.headers)


class DisconnectedError(Exception):
    """Whoever asked is gone."""


def refusal(status: int, message: str, headers: Sequence[Header] = ()) -> Answer:
    """An error as a small JSON object."""
    return Answer(_encoder.encode({"error": message}), status, headers=tuple(headers))


def as_json(value: object) -> bytes:
    """Encode; a number that JSON does not know becomes null."""
    return _encoder.encode(value)
