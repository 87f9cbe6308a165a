"""The request that comes a thousand times a second, one house as JSON, answered without a task, a future or ASGI.

Half of what such a request costs is what a general server has to make for any request (docs/log.md). It is taken here
when all of it is right: the header fields are those of a plain request, the token is there, a model is ready, and the
house is one. Anything else goes the ordinary way, which also says what is wrong with it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from pricebench.server import houses_json
from pricebench.server.answers import JSON, Answer, RefusedError, refusal
from pricebench.server.price import one_house
from pricebench.server.refusing import head
from pricebench.server.service import Service
from pricebench.server.tokens import require_token
from pricebench.serving.batching import DeadlineError, Priced, QueueFullError
from pricebench.serving.readiness import ReadyModel
from pricebench.units import Second

URL = b"/v1/price"
_MOST_DIGITS = 3  # of the body's length: below a thousand bytes there is one house

_OK = b"HTTP/1.1 200 OK\r\ndate: %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


def fits(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request's header fields are those of a short JSON body that comes as it is."""
    return (
        headers.get(b"content-type") == JSON
        and len(headers.get(b"content-length", b"....")) <= _MOST_DIGITS
        and b"content-encoding" not in headers
        and b"expect" not in headers
    )


class Asker(Protocol):
    """The connection that has asked."""

    def answer_shortly(self, request: Shortcut, answer: Answer) -> None:
        """Send it."""


class _Nobody:
    """Where uvicorn wakes an application, and none waits."""

    def set(self) -> None:
        """Wake nobody."""


class Shortcut:
    """Stands where uvicorn keeps the request that is being answered, and where the batcher keeps a future.

    Attributes:
        arrived: When its first byte did.
        disconnected: Whether the client is gone.
        keep_alive: Whether the connection is kept after the answer.
        response_complete: Whether it was answered.
    """

    __slots__ = ("_asker", "_house", "_service", "arrived", "disconnected", "keep_alive", "response_complete")
    message_event = _Nobody()

    def __init__(
        self, service: Service, asker: Asker, house: tuple[float, ...], arrived: Second, *, keep_alive: bool
    ) -> None:
        self._service = service
        self._asker = asker
        self._house = house
        self.arrived = arrived
        self.disconnected = False
        self.keep_alive = keep_alive
        self.response_complete = False

    def done(self) -> bool:
        """Whether nobody waits for the answer."""
        return self.response_complete or self.disconnected

    def set_result(self, priced: Priced[ReadyModel]) -> None:
        """Answer with the price."""
        try:
            answer = one_house(self._house, priced)
        except RefusedError as error:
            answer = error.answer()
        except Exception as error:  # whatever it is, others in the batch get their prices
            answer = _fault(error)
        self._asker.answer_shortly(self, answer)

    def set_exception(self, error: BaseException) -> None:
        """Answer that there is none."""
        if isinstance(error, DeadlineError):
            self._asker.answer_shortly(self, self._service.refused(error).answer())
        else:
            self._asker.answer_shortly(self, _fault(error))


def begin(
    service: Service, asker: Asker, headers: Mapping[bytes, bytes], body: bytes, arrived: Second, *, keep_alive: bool
) -> Shortcut | None:
    """Put a house into the queue; None where the request is not as simple as that."""
    house = houses_json.plain_house(body)
    if house is None or service.batcher is None:
        return None
    request = Shortcut(service, asker, house, arrived, keep_alive=keep_alive)
    try:
        service.hosts.require(headers)
        require_token(headers, service.token)
        service.batcher.put(np.array((house,)), request, arrived=arrived)
    except (RefusedError, QueueFullError):
        return None
    return request


def as_bytes(answer: Answer, date: bytes) -> bytes:
    """An answer as it is sent."""
    if answer.status == 200:
        return _OK % (date, len(answer.body), answer.body)
    fields = (b"date: " + date, *(b"%b: %b" % each for each in answer.headers))
    return head(answer.status, len(answer.body), *fields) + answer.body


def _fault(error: BaseException) -> Answer:
    traceback.print_exception(error, file=sys.stderr)
    return refusal(500, "the server failed at this request; its own log says how.")
