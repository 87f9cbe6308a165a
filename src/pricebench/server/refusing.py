"""A refusal as it goes over the wire, for where no application is there to answer."""

from __future__ import annotations

import json
from http import HTTPStatus


def response(status: int, message: str, *headers: bytes) -> bytes:
    """A whole HTTP response, after which the connection is closed.

    >>> response(503, "Try again.", b"retry-after: 1").splitlines()[0]
    b'HTTP/1.1 503 Service Unavailable'
    """
    body = json.dumps({"error": message}).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *headers,
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])
