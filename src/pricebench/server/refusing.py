"""A response as it goes over the wire, for where no application is there to answer."""

from __future__ import annotations

import json
from http import HTTPStatus

from pricebench.units import Byte


def head(status: int, length: Byte, *fields: bytes) -> bytes:
    """Status line and header fields of a JSON body.

    >>> head(503, 2, b"retry-after: 1").splitlines()[0]
    b'HTTP/1.1 503 Service Unavailable'
    """
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"content-type: application/json",
        b"content-length: %d" % length,
        *fields,
    ]
    return b"\r\n".join([*lines, b"", b""])


def response(status: int, message: str, *fields: bytes) -> bytes:
    """A whole refusal, after which the connection is closed."""
    body = json.dumps({"error": message}).encode()
    return head(status, len(body), *fields, b"connection: close") + body
