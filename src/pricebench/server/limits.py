"""How much a client may ask for, send, and wait: each limit has an answer of its own when it is passed."""

from __future__ import annotations

from dataclasses import dataclass

from pricebench.units import Byte, Second


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused.

    Attributes:
        body_bytes: Of a request; a larger body is a 413.
        rows: Houses in a request; more are a 413.
        waiting_rows: Houses that wait in a worker's queue; more are a 503.
        deadline: After which a request that has no price yet is a 504.
        connections: Open at a time; one more is a 503.
        head_bytes: Of a request's line and headers; more are a 431.
        receive_timeout: For a request to arrive in; a slower one is a 408. And for a client to take its answer in.
        idle_timeout: After which a connection without a request is closed.
    """

    body_bytes: Byte = 4 * 1024 * 1024
    rows: int = 10_000
    waiting_rows: int = 50_000
    deadline: Second = 2.0
    connections: int = 1_000
    head_bytes: Byte = 16 * 1024
    receive_timeout: Second = 10.0
    idle_timeout: Second = 75.0
