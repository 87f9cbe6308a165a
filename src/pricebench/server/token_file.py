"""The file that holds a token, as whoever serves and whoever asks read it."""

from __future__ import annotations

from pathlib import Path

from pricebench.errors import PricebenchError
from pricebench.files import read_file

_FEWEST_CHARACTERS = 16


class TokenError(PricebenchError):
    """A token cannot be used."""


def read_token(path: Path) -> str:
    """The token in a file, without the blanks around it.

    Raises:
        OSError: The file cannot be read.
        TokenError: It holds none, or one that can be guessed.
    """
    return checked_token(read_file(path, most_bytes=4096).decode("ascii", "replace"), where=str(path))


def checked_token(text: str, *, where: str) -> str:
    """A token without the blanks around it.

    Args:
        text: That holds it.
        where: It stands.

    Raises:
        TokenError: It holds none, or one that can be guessed.
    """
    token = text.strip()
    if len(token) < _FEWEST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(
            f"{where}: expected a token of at least {_FEWEST_CHARACTERS} letters and digits, found another text. "
            "Make one: openssl rand -hex 32."
        )
    return token
