"""Hostile clients: those of `hostile_requests`, and Schemathesis with the OpenAPI document; counted on both sides."""

from __future__ import annotations

import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any

from benchmarks.serving.desk import Desk
from benchmarks.serving.endings import NO_ANSWER
from benchmarks.serving.hostile_requests import End, Hostile, requests
from benchmarks.serving.lineup import Contender
from benchmarks.serving.metrics import Metrics
from benchmarks.serving.processes import Serving
from benchmarks.serving.rates import say
from pricebench.traffic.records import Traffic, Trial
from pricebench.traffic.table import counts
from pricebench.units import Second

OPTIONS = ("--receive-timeout", "2s")
"""So that slow clients are answered while somebody watches."""

_SLOW = 100
_BY_SCHEMA = 0.25  # of all requests: one takes some milliseconds to be made
_TIMEOUT: Second = 15.0
_MEANT = {"503", "504"}
_CHECK_EVERY = 1_000


def hostile(desk: Desk, contender: Contender, *, number: int, seed: int) -> tuple[Trial, ...]:
    """Send so many requests to a server of its own.

    Args:
        desk: Starts the server.
        contender: Ours, with `OPTIONS`.
        number: Of requests.
        seed: Of every choice.
    """
    with desk.started(contender) as serving:
        house = desk.bodies(Traffic.ONE).texts[0]
        document = json.loads(serving.get("/openapi.json"))
        made = _schemathesis(serving, document, round(number * _BY_SCHEMA), seed)
        by_schema = _trial(serving, "Schemathesis", made, house)
        rest = max(0, number - by_schema.num)
        own = hostile_trial(serving, number=rest, seed=seed, slow=min(_SLOW, rest // 10), house=house)
    return by_schema, own


def hostile_trial(serving: Serving, *, number: int, seed: int, slow: int, house: str) -> Trial:
    """Those of our own list.

    Args:
        serving: A server.
        number: Of requests.
        seed: Of every choice.
        slow: How many of them are clients that stop in the middle.
        house: What a friend asks now and then.
    """
    return _trial(serving, "our own list", _own(serving, number, seed, slow), house)


def _trial(serving: Serving, what: str, sent: Iterator[tuple[str, list[str], bool]], house: str) -> Trial:
    """Count the statuses of what is sent: each entry is a kind, its statuses, and whether an answer was owed."""
    before = Metrics.of(serving)
    client: Counter[str] = Counter()
    findings: dict[str, None] = {}
    num = num_checks = 0
    for kind, statuses, is_owed in sent:
        num += 1
        client.update(statuses or [NO_ANSWER])
        for status in statuses:
            if status.startswith("5") and status not in _MEANT:
                findings[f"a {status} for {kind}"] = None
        if is_owed and not statuses:
            findings[f"no answer to {kind}"] = None
        if num % _CHECK_EVERY == 0:
            num_checks += 1
            if _price(serving, house) != 200:
                findings[f"a friend got no price after {num:,} requests"] = None
            say(f"{what}: {num:,} requests; {counts(client)}")
    after = Metrics.of(serving)
    server = after.since(before)
    server["200"] = server.get("200", 0) - num_checks
    if after.restarts > before.restarts:
        findings[f"{after.restarts - before.restarts} workers died"] = None
    for status, counted in server.items():
        if status.startswith("5") and status not in _MEANT:
            findings[f"the server counted {counted} times {status}"] = None
    return Trial(
        what=what,
        num=num,
        client=dict(client),
        server=server,
        restarts=after.restarts - before.restarts,
        findings=tuple(findings),
    )


def _price(serving: Serving, house: str) -> int:
    connection = HTTPConnection(*serving.address, timeout=_TIMEOUT)
    try:
        connection.request("POST", "/v1/price", house, {"content-type": "application/json"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


# ---- our own -------------------------------------------------------------------------------------------------------


def _own(serving: Serving, number: int, seed: int, slow: int) -> Iterator[tuple[str, list[str], bool]]:
    waiting: list[tuple[Hostile, socket.socket]] = []
    for one in requests(number, seed=seed, slow=slow):
        sock = socket.create_connection(serving.address, timeout=_TIMEOUT)
        with suppress(OSError):  # refused before it was all sent: the answer says why
            sock.sendall(one.sent)
        if one.end is End.WAIT:
            waiting.append((one, sock))
            continue
        yield one.kind, _answers(one, sock), one.is_whole
    for one, sock in waiting:
        yield one.kind, _answers(one, sock), True  # a 408


def _answers(one: Hostile, sock: socket.socket) -> list[str]:
    """The statuses that come on a connection until it ends, or until a whole request has its answer."""
    with sock:
        if one.end is End.RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return []
        if one.end is End.HALF_CLOSE:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        received, statuses = b"", list[str]()
        with suppress(OSError):
            while chunk := sock.recv(65536):
                received += chunk
                found, received = _taken(received)
                statuses += found
                if one.end is End.READ and statuses:
                    break
        return statuses


def _taken(received: bytes) -> tuple[list[str], bytes]:
    """Statuses of the answers that are whole, and what is left."""
    statuses = []
    while True:
        head, separator, body = received.partition(b"\r\n\r\n")
        if not separator:
            return statuses, received
        _, _, rest = head.lower().partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0] or 0)
        # An answer to HEAD has a length and no body; the connection ends behind it.
        if len(body) < length and body:
            return statuses, received
        statuses.append(head[9:12].decode("ascii", "replace"))
        received = body[length:]


# ---- by the document -----------------------------------------------------------------------------------------------


def _schemathesis(
    serving: Serving, document: dict[str, Any], number: int, seed: int
) -> Iterator[tuple[str, list[str], bool]]:
    """Requests that Schemathesis makes from an OpenAPI document, right ones and wrong ones."""
    import hypothesis  # noqa: PLC0415 - only here
    import schemathesis  # noqa: PLC0415

    url = "http://{}:{}".format(*serving.address)
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    plans = [
        (operation, mode)
        for operation in operations
        for mode in (schemathesis.GenerationMode.NEGATIVE, schemathesis.GenerationMode.POSITIVE)
    ]
    # Where a document leaves nothing to choose, Hypothesis ends early; the others get what is left.
    open_, done, round_ = plans, 0, 0
    while open_ and done < number:
        share = max(1, (number - done) // len(open_))
        productive = []
        for operation, mode in open_:
            found: list[tuple[str, list[str], bool]] = []
            ask = _asker(found, f"{operation.method.upper()} {operation.path}, {mode.value}", url)
            settings = hypothesis.settings(
                max_examples=share,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            run = hypothesis.given(case=operation.as_strategy(generation_mode=mode))(ask)
            with suppress(hypothesis.errors.Unsatisfiable):
                hypothesis.seed(seed + round_)(settings(run))()
            yield from found
            done += len(found)
            if len(found) >= share // 2 and len(found) > 1:
                productive.append((operation, mode))
        open_, round_ = productive, round_ + 1


def _asker(found: list[tuple[str, list[str], bool]], label: str, url: str) -> Callable[[Any], None]:
    """What sends a case, and writes down how it went."""
    import requests as http  # noqa: PLC0415 - only here

    def ask(case: Any) -> None:
        with http.Session() as session:
            try:
                answer = case.call(base_url=url, session=session, timeout=_TIMEOUT)
            except (http.RequestException, ValueError):
                found.append((label, [], False))  # no request could be made of it
            else:
                found.append((label, [str(answer.status_code)], True))

    return ask
