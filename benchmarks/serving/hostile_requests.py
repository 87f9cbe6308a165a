"""Requests that no friend would send, made from a seed: what is sent, and how the connection ends.

They go for the server's limits: malformed JSON, deep nesting, equal keys, NaN, numbers beyond float64, wrong types,
methods and paths, headers and bodies that are too large, lengths that lie, bodies that end early.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from pricebench.data import FEATURES

_HOUSE = {"income": 68_000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36_000}
_NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e308",
    "-1",
    "0",
    "-0.0",
    "1e-400",
    "9" * 400,
    "01",
    "+1",
    "0x10",
    "1.",
    ".5",
    "1e",
    "null",
    "true",
    '"6"',
    "[]",
    "{}",
    '"\\ud800"',
    "1_000",
    "٣",
)
_METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "FOO", "post", "P" * 300)
_PATHS = (
    "/",
    "/v1",
    "/v1/price/",
    "/v1/price?x=1",
    "/v1/../etc/passwd",
    "//v1/price",
    "/%00",
    "/" + "a" * 9000,
    "/v2/models/x/infer",
    "/v2/models/house-prices/versions/0/infer",
    "/metrics/../v1/price",
    "*",
    "http://elsewhere.invalid/v1/price",
    "/v1/pri ce",
)
_TYPES = (
    "text/plain",
    "application/xml",
    "application/json; charset=utf-16",
    "",
    "application/json, text/csv",
    "\x00",
    "j" * 9000,
)


class End(Enum):
    """What the client does when all is sent."""

    READ = auto()
    HALF_CLOSE = auto()
    RESET = auto()
    WAIT = auto()
    """Send no more, and keep the connection, as a client that is slow."""


class Hostile(NamedTuple):
    """One of them.

    Attributes:
        kind: In two or three words.
        sent: All bytes.
        end: What follows.
        is_whole: Whether it is a request, of which an answer is owed whatever it says.
    """

    kind: str
    sent: bytes
    end: End = End.READ
    is_whole: bool = True


def requests(number: int, *, seed: int, slow: int) -> Iterator[Hostile]:
    """So many of them, the same for a seed.

    Args:
        number: Of all, slow ones included.
        seed: Of every choice.
        slow: How many are clients that stop in the middle; they come first, and are waited for last.
    """
    rng = random.Random(seed)  # noqa: S311 - the same requests for the same seed are what is wanted
    for place in range(number):
        yield _slow(rng) if place < slow else rng.choice(_MAKERS)(rng)


def _request(
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/v1/price",
    kind: str = "application/json",
    length: object = None,
    headers: tuple[str, ...] = (),
) -> bytes:
    size = len(body) if length is None else length
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-type: {kind}",
        f"content-length: {size}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def _text(house: dict[str, object] | None = None) -> str:
    return json.dumps(_HOUSE if house is None else house)


def _slow(rng: random.Random) -> Hostile:
    whole = _request(_text().encode())
    return Hostile("slow client", whole[: rng.randrange(1, len(whole))], End.WAIT, is_whole=False)


def _bytes_flipped(rng: random.Random) -> Hostile:
    body = bytearray(_text().encode())
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return Hostile("flipped bytes", _request(bytes(body)))


def _request_flipped(rng: random.Random) -> Hostile:
    sent = bytearray(_request(_text().encode()))
    for _ in range(rng.randint(1, 4)):
        sent[rng.randrange(len(sent))] = rng.randrange(256)
    # What is left may be the beginning of a request that never ends.
    return Hostile("flipped bytes, head too", bytes(sent), End.HALF_CLOSE, is_whole=False)


def _malformed(rng: random.Random) -> Hostile:
    text = _text()
    body = rng.choice(
        (
            text[: rng.randrange(len(text))],
            text + text,
            text.replace(":", "="),
            "\ufeff" + text,
            "",
            " ",
            "{",
            "nul",
            "'{}'",
        )
    )
    return Hostile("malformed JSON", _request(body.encode()))


def _nested(rng: random.Random) -> Hostile:
    depth = rng.choice((10, 100, 1_000, 10_000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"houses":', "}"), ('{"houses":[', "]}"), ('{"income":', "}")))
    body = opening * depth + rng.choice(("", "1")) + closing * rng.choice((0, depth))
    return Hostile("deep nesting", _request(body[:1_000_000].encode()))


def _wrong_value(rng: random.Random) -> Hostile:
    pairs = [f'"{name}": {rng.choice(_NUMBERS) if rng.random() < 0.3 else value}' for name, value in _HOUSE.items()]
    rng.shuffle(pairs)
    if rng.random() < 0.3:
        pairs.append(rng.choice(pairs))  # a key that stands twice
    if rng.random() < 0.2:
        pairs.append(f'"{rng.choice((*FEATURES, "price", "__proto__", "a" * 500))}": {rng.choice(_NUMBERS)}')
    if rng.random() < 0.2:
        pairs.pop(0)
    house = "{" + ", ".join(pairs) + "}"
    body = house if rng.random() < 0.5 else f'{{"houses": [{_text()}, {house}]}}'
    return Hostile("wrong values and keys", _request(body.encode()))


def _wrong_shape(rng: random.Random) -> Hostile:
    body = rng.choice(
        (
            "[]",
            "1",
            '"house"',
            "null",
            "{}",
            '{"houses": 1}',
            '{"houses": []}',
            '{"houses": [1]}',
            '{"houses": {}, "x": 1}',
        )
    )
    return Hostile("wrong shape", _request(body.encode()))


def _wrong_type(rng: random.Random) -> Hostile:
    kind = rng.choice(_TYPES)
    headers = rng.choice(((), ("content-encoding: gzip",), ("content-encoding: identity",), ("accept-encoding: br",)))
    return Hostile("wrong content type", _request(_text().encode(), kind=kind, headers=headers))


def _wrong_method(rng: random.Random) -> Hostile:
    path = rng.choice(("/v1/price", "/metrics", "/health/ready", "/v2/models/house-prices/infer"))
    return Hostile("wrong method", _request(b"", method=rng.choice(_METHODS), path=path), End.HALF_CLOSE)


def _wrong_path(rng: random.Random) -> Hostile:
    return Hostile("wrong path", _request(_text().encode(), path=rng.choice(_PATHS)), End.HALF_CLOSE)


def _huge_head(rng: random.Random) -> Hostile:
    headers = rng.choice(
        (
            ("x: " + "a" * 20_000,),
            tuple(f"x{number}: y" for number in range(5_000)),
            ("a" * 20_000 + ": b",),
            ("x: " + "é" * 9_000,),
        )
    )
    return Hostile("huge head", _request(_text().encode(), headers=headers))


def _lying_length(rng: random.Random) -> Hostile:
    body = _text().encode()
    length = rng.choice(("-1", "x", "1e3", "99999999999999999999", str(len(body) + 50), "+5", "0x10", " ", "5, 5"))
    headers = rng.choice(
        ((), ("content-length: 3",), ("transfer-encoding: chunked",), ("transfer-encoding: gzip, chunked",))
    )
    return Hostile("lying length", _request(body, length=length, headers=headers), End.HALF_CLOSE, is_whole=False)


def _bad_chunks(rng: random.Random) -> Hostile:
    head = b"POST /v1/price HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n"
    chunks = rng.choice(
        (
            b"zz\r\n",
            b"-1\r\n",
            b"5\r\n{}",
            b"FFFFFFFFFFFFFFFFF\r\n",
            b"2\r\n{}\r\n0\r\n\r\n",
            b"2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n",
        )
    )
    return Hostile("bad chunks", head + chunks, End.HALF_CLOSE, is_whole=False)


def _cut_short(rng: random.Random) -> Hostile:
    whole = _request(_text().encode())
    sent = whole[: rng.randrange(1, len(whole))]
    return Hostile("cut short", sent, rng.choice((End.HALF_CLOSE, End.RESET)), is_whole=False)


def _too_much(rng: random.Random) -> Hostile:
    if rng.random() < 0.5:
        many = f'{{"houses": [{", ".join([_text()] * 10_001)}]}}'
        return Hostile("too many houses", _request(many.encode()))
    return Hostile("too many bytes", _request(b" " * 100, length=5_000_000), End.HALF_CLOSE)


def _noise(rng: random.Random) -> Hostile:
    return Hostile("noise", rng.randbytes(rng.randrange(1, 2_000)), End.HALF_CLOSE, is_whole=False)


def _table(rng: random.Random) -> Hostile:
    kind = rng.choice(("text/csv", "application/vnd.apache.arrow.stream"))
    body = rng.choice(
        (
            rng.randbytes(rng.randrange(300)),
            b"income,house_age,rooms,bedrooms,population\n1,2,3\n",
            b'income,house_age,rooms,bedrooms,population\n1,2,3,4,"',
            b"a,b\n\x00,\xff\n",
            b"\xff\xff\xff\xff" + rng.randbytes(4) + rng.randbytes(200),
        )
    )
    return Hostile("broken table", _request(body, kind=kind))


def _inference(rng: random.Random) -> Hostile:
    tensor: dict[str, object] = {
        "name": "features",
        "shape": [1, 5],
        "datatype": "FP64",
        "data": [68000, 6, 7, 4, 36000],
    }
    tensor[rng.choice(tuple(tensor))] = rng.choice(
        (None, -1, [], [[]], "x", [2**62, 5], [1, 2, 3], {"a": 1}, "FP16", "BYTES")
    )
    headers: tuple[str, ...] = ()
    if rng.random() < 0.3:
        headers = (f"inference-header-content-length: {rng.choice((-1, 5, 10**9, 'x'))}",)
    body = json.dumps({"inputs": [tensor]}).encode() + rng.randbytes(rng.choice((0, 0, 7)))
    return Hostile("broken inference", _request(body, path="/v2/models/house-prices/infer", headers=headers))


def _behind_another(rng: random.Random) -> Hostile:
    good = _request(_text().encode())
    return Hostile("one behind another", good + rng.choice((good, rng.randbytes(50), good[:-9])), End.HALF_CLOSE)


_MAKERS: tuple[Callable[[random.Random], Hostile], ...] = (
    _bytes_flipped,
    _request_flipped,
    _malformed,
    _nested,
    _wrong_value,
    _wrong_value,
    _wrong_shape,
    _wrong_type,
    _wrong_method,
    _wrong_path,
    _huge_head,
    _lying_length,
    _bad_chunks,
    _cut_short,
    _noise,
    _table,
    _inference,
    _behind_another,
    # A megabyte of houses takes the server tens of milliseconds.
    *([_bytes_flipped] * 10),
    _too_much,
)
