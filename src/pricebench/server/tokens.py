"""Who may ask: whoever brings the token, or everybody on this machine."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pricebench.server.answers import RefusedError

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


def require_token(headers: Mapping[bytes, bytes], token: bytes) -> None:
    """Refuse a request that does not bring the token; an empty token asks for none.

    Raises:
        RefusedError: 401.
    """
    if not token:
        return
    scheme, _, brought = headers.get(b"authorization", b"").partition(b" ")
    # Of equal time for every wrong token: how long it takes tells nothing about the right one.
    if not hmac.compare_digest(brought.strip(), token) or scheme.lower() != b"bearer":
        raise RefusedError(
            401, "expected the header 'Authorization: Bearer TOKEN' with this server's token.", headers=_CHALLENGE
        )
