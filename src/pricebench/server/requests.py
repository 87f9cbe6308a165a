"""A request as the endpoints see it, on top of ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from pricebench.server.answers import DisconnectedError, RefusedError
from pricebench.units import Byte, Second

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ARRIVED = "pricebench.arrived"
"""Key of the scope: when the first byte of the request did, by the service's clock."""


class Request:
    """What came.

    Attributes:
        headers: Lower-case names; of equal ones the last.
        arrived: When its first byte did.
        rest: Of the path, behind what its endpoint is called.
        is_read: Whether all of its body was received.
    """

    __slots__ = ("_receive", "arrived", "headers", "is_read", "rest")

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, arrived: Second, rest: str = "") -> None:
        self.headers = headers
        self.arrived = arrived
        self.rest = rest
        self.is_read = False
        self._receive = receive

    def content_type(self) -> bytes:
        """Without its parameters, in lower case; empty where none was said."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()

    async def body(self, *, most_bytes: Byte) -> bytes:
        """All of it.

        Raises:
            RefusedError: 413 for more bytes, 415 for compressed ones.
            DisconnectedError: The rest will not come.
        """
        encoding = self.headers.get(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise RefusedError(
                415, "expected a body as it is, found one with a content-encoding. Send it uncompressed."
            )
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > most_bytes:
            raise _too_large(most_bytes)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and message.get("more_body"):
            parts, num_bytes = [body], len(body)
            while message["type"] == "http.request" and message.get("more_body"):
                message = await self._receive()
                parts.append(message.get("body", b""))
                num_bytes += len(parts[-1])
                if num_bytes > most_bytes:
                    raise _too_large(most_bytes)
            body = b"".join(parts)
        if message["type"] != "http.request":
            raise DisconnectedError
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
        self.is_read = True
        return body


def _too_large(most_bytes: Byte) -> RefusedError:
    return RefusedError(413, f"expected at most {most_bytes:,} bytes, found more. Send fewer houses in a request.")
