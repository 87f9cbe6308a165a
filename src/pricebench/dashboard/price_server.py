"""A running `pricebench serve`, asked over HTTP: prices, and what it has counted, or one sentence where it fails.

What it says is somebody else's text. Redirections are not followed: the token is for the server that was named.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pricebench.dashboard.settings import Settings
from pricebench.data import FEATURES
from pricebench.errors import PricebenchError
from pricebench.fields import WrongFieldError, as_object, object_in, optional_text, text_in, texts_in, wrong
from pricebench.server.token_file import checked_token, read_token
from pricebench.units import Byte, Dollar, Second

TOKEN_VARIABLE = "PRICEBENCH_SERVER_TOKEN"  # noqa: S105 - where it stands, not what it is

_PATIENCE: Second = 5.0
_MOST_BYTES: Byte = 1 << 20  # its metrics are 10 kB
_PIECE: Byte = 1 << 16


class PriceServerError(PricebenchError):
    """The server cannot be asked, or does not answer as one of ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPrice:
    """A server's answer for one house.

    Attributes:
        dollars: The price.
        most: Between these lie 9 of 10 such houses; None where it does not know.
        no_range: Why it does not.
        warnings: Why the price should be doubted.
        model: Digest of the model that answered.
    """

    dollars: Dollar
    most: tuple[Dollar, Dollar] | None
    no_range: str
    warnings: tuple[str, ...]
    model: str

    @classmethod
    def from_json(cls, content: bytes) -> ServedPrice:
        """Read what `POST /v1/price` answers.

        Raises:
            ValueError: It is something else.
        """
        record = as_object(json.loads(content))
        most = None
        if record.get("range") is not None:
            ends = object_in(record, "range")
            most = (_dollars(ends, "low"), _dollars(ends, "high"))
        return cls(
            dollars=_dollars(record, "price"),
            most=most,
            no_range=optional_text(record, "no_range") or "",
            warnings=texts_in(record, "warnings"),
            model=text_in(record, "model"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceServer:
    """A server that somebody named.

    Attributes:
        url: Where it is, without a slash at its end.
        token: That each request brings, or empty.
        clock: Seconds.
    """

    url: str
    token: str = field(default="", repr=False)
    clock: Callable[[], Second] = time.monotonic

    def __post_init__(self) -> None:
        _parts(self.url)

    def price(self, house: Sequence[float]) -> ServedPrice:
        """Ask what a house costs, `(F,)`.

        Raises:
            PriceServerError: There is no answer, or a refusal.
        """
        body = json.dumps(dict(zip(FEATURES, house, strict=True))).encode()
        content = self._ask("POST", "/v1/price", body)
        try:
            return ServedPrice.from_json(content)
        except (WrongFieldError, ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, WrongFieldError) else "it is no JSON"
            raise PriceServerError(f"{self.url} did not answer with a price: {why}. {_WHICH}") from None

    def metrics(self) -> str:
        """What it has counted, as text for Prometheus.

        Raises:
            PriceServerError: There is no answer, or a refusal.
        """
        return self._ask("GET", "/metrics").decode("utf-8", "replace")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        where = _parts(self.url)
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        until = self.clock() + _PATIENCE
        headers = {"content-type": "application/json"} if body else {}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        connection = kind(str(where.hostname), where.port, timeout=_PATIENCE)
        try:
            connection.request(method, where.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            status, content = response.status, self._content(response, until)
        except TimeoutError:
            raise PriceServerError(f"{self.url} did not answer within {_PATIENCE:g} s. Is it busy, or hung?") from None
        except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
            why = getattr(error, "strerror", None) or str(error)
            raise PriceServerError(f"{self.url} cannot be asked: {why}. Start one: pricebench serve.") from None
        except HTTPException as error:
            raise PriceServerError(f"{self.url} does not speak HTTP ({type(error).__name__}). {_WHICH}") from None
        finally:
            connection.close()
        if status != 200:
            raise PriceServerError(self._refusal(status, content))
        return content

    def _content(self, response: HTTPResponse, until: Second) -> bytes:
        content = b""
        while piece := response.read1(_PIECE):
            content += piece
            if len(content) > _MOST_BYTES:
                raise PriceServerError(f"{self.url} answers with more than {_MOST_BYTES:,} bytes. {_WHICH}")
            if self.clock() > until:
                raise TimeoutError
        return content

    def _refusal(self, status: int, content: bytes) -> str:
        if status == 401:
            what = "refuses this token" if self.token else "wants a token"
            return f"{self.url} {what}. Give its own with --server-token-file FILE, or in {TOKEN_VARIABLE}."
        try:
            said = text_in(as_object(json.loads(content)), "error")
        except (ValueError, RecursionError):
            return f"{self.url} answers with the HTTP status {status}. {_WHICH}"
        return f"{self.url} refuses, with the HTTP status {status}: {said}"


_WHICH = "Is it a pricebench serve?"


def price_server(settings: Settings, environment: Mapping[str, str] = os.environ) -> PriceServer | None:
    """The server that a dashboard was pointed at; None where it was not.

    Raises:
        OSError: The token's file cannot be read.
        PriceServerError: Its URL is none, or there is a token for no server.
        TokenError: The token is none.
    """
    if settings.server is None:
        if settings.server_token_file is not None:
            raise PriceServerError("--server-token-file: expected a server that it is for. Give --server URL.")
        return None
    if settings.server_token_file is not None:
        token = read_token(settings.server_token_file)
    elif TOKEN_VARIABLE in environment:
        token = checked_token(environment[TOKEN_VARIABLE], where=TOKEN_VARIABLE)
    else:
        token = ""
    return PriceServer(url=settings.server.rstrip("/"), token=token)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half of an IPv6 address
        is_ours = False
    is_plain = url.isprintable() and url.isascii() and " " not in url
    # A user's name and password would stand on the page.
    if not (is_ours and is_plain) or "@" in parts.netloc or parts.query or parts.fragment:
        raise PriceServerError(
            "--server: expected an address such as http://127.0.0.1:8600, with http or https and without user, query "
            "and fragment."
        )
    return parts


def _dollars(record: Mapping[str, Any], key: str) -> Dollar:
    value = record.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise wrong(key, "dollars", value)
