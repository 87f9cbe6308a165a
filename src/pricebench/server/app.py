"""The server as an ASGI application: which endpoint a path is, and that every error is a small JSON object."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from pricebench.server import inference_protocol, metrics, openapi
from pricebench.server.answers import Answer, DisconnectedError, RefusedError, as_json, refusal
from pricebench.server.price import price
from pricebench.server.request_log import RequestLog
from pricebench.server.requests import ARRIVED, Receive, Request, Scope, Send
from pricebench.server.service import Service
from pricebench.server.tokens import require_token
from pricebench.units import Byte, Second

Endpoint: TypeAlias = Callable[[Service, Request], Awaitable[Answer]]

# A body that was not asked for: more than this is not waited for, the connection is closed instead.
_UNREAD_BYTES: Byte = 1 << 16
_CLOSE = (b"connection", b"close")


class Route(NamedTuple):
    """What a path leads to.

    Attributes:
        method: The only one that it knows; GET knows HEAD too.
        endpoint: Answers.
        counted_as: Among `counters.ENDPOINTS`.
        is_open: Whether it needs no token.
    """

    method: str
    endpoint: Endpoint
    counted_as: str = "other"
    is_open: bool = False


async def _live(service: Service, request: Request) -> Answer:  # noqa: ARG001 - the signature of every endpoint
    return Answer(as_json({"live": True}))


async def _ready(service: Service, request: Request) -> Answer:  # noqa: ARG001
    is_ready = service.model is not None
    return Answer(as_json({"ready": is_ready}), 200 if is_ready else 503)


async def _metrics(service: Service, request: Request) -> Answer:  # noqa: ARG001
    service.refresh()
    digest = service.model.digest if service.model else ""
    body = metrics.text(service.everyone, model=digest, mode=service.mode)
    return Answer(body, content_type=metrics.CONTENT_TYPE)


ROUTES: Mapping[str, Route] = {
    "/v1/price": Route("POST", price, "price"),
    "/health/live": Route("GET", _live, is_open=True),
    "/health/ready": Route("GET", _ready, is_open=True),
    "/metrics": Route("GET", _metrics),
    "/openapi.json": Route("GET", openapi.document),
    "/docs": Route("GET", openapi.page),
    "/v2": Route("GET", inference_protocol.server),
    "/v2/health/live": Route("GET", _live, is_open=True),
    "/v2/health/ready": Route("GET", _ready, is_open=True),
}
# What follows is the rest of the path.
_MODEL_ROUTES: Mapping[str, Route] = {
    "": Route("GET", inference_protocol.model),
    "ready": Route("GET", inference_protocol.model_ready),
    "infer": Route("POST", inference_protocol.infer, "infer"),
}


class App:
    """Answers requests.

    Attributes:
        service: What all of them share.
    """

    def __init__(self, service: Service, log: RequestLog | None = None) -> None:
        self.service = service
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one, as ASGI asks."""
        if scope["type"] != "http":
            await not_http(scope, receive, send)
            return
        service = self.service
        arrived = scope.get(ARRIVED)
        headers = dict(scope["headers"])
        request = Request(headers, receive, service.clock() if arrived is None else arrived)
        counted_as = "other"
        try:
            service.hosts.require(headers)
            route, request.rest = find(scope["path"])
            counted_as = route.counted_as
            require_method(scope["method"], route)
            if not route.is_open:
                require_token(headers, service.token)
            answer = await route.endpoint(service, request)
        except RefusedError as refused:
            answer = refused.answer()
        except DisconnectedError:
            return
        except Exception:  # whatever it is, the client gets no traceback of it
            traceback.print_exc(file=sys.stderr)
            answer = refusal(500, "the server failed at this request; its own log says how.")
        await _send(answer, send, is_last=_leaves_body(request))
        # A path that leads nowhere may be anything, and is not written down.
        path = scope["path"] if answer.status != 404 else ""
        self.count(counted_as, scope["method"], path, answer, request.arrived)

    def count(self, counted_as: str, method: str, path: str, answer: Answer, arrived: Second) -> None:
        """Note that a request was answered."""
        seconds = self.service.clock() - arrived
        self.service.counters.request(counted_as, answer.status, seconds)
        if self._log:
            self._log.write(method, path, answer, seconds)


def find(path: str) -> tuple[Route, str]:
    """What a path leads to, and the version of a model in it.

    Raises:
        RefusedError: 404.
    """
    route = ROUTES.get(path)
    if route is not None:
        return route, ""
    if found := inference_protocol.PATH.fullmatch(path):
        name, version, action = found.groups(default="")
        if name == inference_protocol.NAME and action in _MODEL_ROUTES:
            return _MODEL_ROUTES[action], version
        if name != inference_protocol.NAME:
            raise RefusedError(404, f"no model is called so; there is {inference_protocol.NAME}.")
    raise RefusedError(404, "nothing is there. /docs says what is.")


def require_method(method: str, route: Route) -> None:
    """Refuse another method than the route knows.

    Raises:
        RefusedError: 405.
    """
    if method == route.method or (method == "HEAD" and route.method == "GET"):
        return
    allowed = b"GET, HEAD" if route.method == "GET" else b"POST"
    raise RefusedError(405, f"expected {route.method}, found another method.", headers=((b"allow", allowed),))


def _leaves_body(request: Request) -> bool:
    """Whether the client may go on sending a body that nobody wants."""
    if request.is_read:
        return False
    length = request.headers.get(b"content-length")
    return int(length) > _UNREAD_BYTES if length else b"transfer-encoding" in request.headers


async def _send(answer: Answer, send: Send, *, is_last: bool) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    if is_last:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def not_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin and end with a server that asks whether to; refuse what is no HTTP."""
    if scope["type"] != "lifespan":
        await send({"type": "websocket.close"})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
