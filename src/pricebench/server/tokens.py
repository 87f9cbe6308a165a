"""Who may ask: whoever brings the token, or everybody on this machine."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from pricebench.errors import PricebenchError
from pricebench.files import read_file
from pricebench.server.answers import RefusedError

_FEWEST_CHARACTERS = 16
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


class TokenError(PricebenchError):
    """A token cannot be used."""


def read_token(path: Path) -> str:
    """The token in a file, without the blanks around it.

    Raises:
        OSError: The file cannot be read.
        TokenError: It holds none, or one that can be guessed.
    """
    token = read_file(path, most_bytes=4096).decode("ascii", "replace").strip()
    if len(token) < _FEWEST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(
            f"{path}: expected a token of at least {_FEWEST_CHARACTERS} letters and digits, found another text. "
            "Make one: openssl rand -hex 32."
        )
    return token


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
