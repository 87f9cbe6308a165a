"""A server in a process of its own, clients that say exactly what they send, and the application without a server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from pricebench.artifacts import save_metrics
from pricebench.server.app import App
from pricebench.server.board import Board
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.requests import ARRIVED
from pricebench.server.service import Service
from tests.serving import untrained_artifacts

HOUSE = {"income": 68_000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36_000}
RESIDUALS = {"0.05": -100_000.0, "0.25": -40_000.0, "0.5": 0.0, "0.75": 50_000.0, "0.95": 120_000.0}
JSON = {"content-type": "application/json"}


def save_artifacts(folder, *, seed=3, residuals=RESIDUALS):
    """A folder as `pricebench train` leaves it; its model's digest."""
    artifacts = untrained_artifacts(seed=seed)
    artifacts.save(folder)
    digest = artifacts.stats.model_digest
    save_metrics(folder, {"residual_quantiles": residuals, "num_test": 1_000, "model_digest": digest})
    return digest


# ---- in a process of its own ---------------------------------------------------------------------------------------


class Served:
    """`pricebench serve` on a free port of this machine's own address."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._heard = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.process.stderr:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self.lines.append("(the end)")
            self._heard.notify_all()

    def heard(self, pattern, *, seconds=60, times=1):
        """Wait until it has said so, and give what it said."""

        def found():
            matches = [match for line in self.lines if (match := re.search(pattern, line))]
            return matches[times - 1] if len(matches) >= times else None

        with self._heard:
            self._heard.wait_for(lambda: found() or "(the end)" in self.lines, timeout=seconds)
            match = found()
        assert match, f"never heard {pattern!r}:\n" + "\n".join(self.lines)
        return match

    @property
    def address(self):
        match = self.heard(r"listening on http://\[?([0-9a-f.:]+?)\]?:(\d+)$")
        return match[1], int(match[2])

    def ask(self, method, path, body=None, headers=None, *, connection=None):
        """One request; its status, headers and body, which is parsed where it is JSON."""
        mine = connection or HTTPConnection(*self.address, timeout=30)
        try:
            mine.request(method, path, body, headers or {})
            response = mine.getresponse()
            content = response.read()
        finally:
            if connection is None:
                mine.close()
        kind = response.getheader("content-type", "")
        return Reply(
            response.status,
            dict(response.getheaders()),
            json.loads(content) if content and kind == JSON["content-type"] else content,
        )

    def price(self, houses, **headers):
        return self.ask("POST", "/v1/price", json.dumps(houses), JSON | headers)

    def metrics(self):
        """Numbers by name, labels included."""
        text = self.ask("GET", "/metrics").body.decode()
        return {
            name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        }

    def workers(self):
        """Process numbers."""
        return [int(pid) for name in self.metrics() for pid in re.findall(r'pricebench_worker\{.*pid="(\d+)"', name)]

    def connect(self, sent=b""):
        sock = socket.create_connection(self.address, timeout=30)
        sock.sendall(sent)
        return sock

    def until(self, is_so, *, seconds=30):
        """Ask again and again, for what nobody tells."""
        end = time.monotonic() + seconds
        while not (answer := is_so()):
            assert time.monotonic() < end, "it never was so"
            threading.Event().wait(0.01)
        return answer

    def end(self, number=signal.SIGTERM):
        """Tell it that it is the end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@dataclass
class Reply:
    status: int
    headers: dict
    body: object


@contextmanager
def served(artifacts, *options, wait=True, **environment):
    command = [sys.executable, "-m", "pricebench", "serve", "--artifacts", str(artifacts), "--port", "0"]
    process = subprocess.Popen(
        [*command, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        server = Served(process)
        if wait:
            server.heard("^ready:")
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=30)
        server._thread.join(timeout=30)
        process.stdout.close()
        process.stderr.close()


def answers_on(sock):
    """All that is sent until the end: statuses, and the last body."""
    received = b""
    while part := sock.recv(1 << 16):
        received += part
    statuses = [int(number) for number in re.findall(rb"HTTP/1\.1 (\d+) ", received)]
    return statuses, received.rpartition(b"\r\n\r\n")[2]


HOUSE_BYTES = json.dumps(HOUSE).encode()


def request_bytes(body=HOUSE_BYTES, *, method="POST", path="/v1/price", headers=()):
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


# ---- without a server ----------------------------------------------------------------------------------------------


@dataclass
class Clock:
    """A clock that goes on when it is told to."""

    now: float = 100.0

    def __call__(self):
        return self.now


@dataclass
class Desk:
    """A service without processes, and the application on top of it."""

    service: Service
    clock: Clock
    counters: Counters
    log: object = None
    arrived: float | None = None

    def ask(self, *requests):
        """Requests that arrive in the same turn of the loop: `(method, path, body, headers)`; their replies."""
        return asyncio.run(self.asked(*requests))

    async def asked(self, *requests):
        return await asyncio.gather(*(self._one(*request) for request in requests))

    def price(self, body, kind="application/json", **headers):
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(("POST", "/v1/price", sent, {"content-type": kind} | headers))[0]

    async def _one(self, method, path, body=b"", headers=None, parts=None):
        replies = []
        waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts or [body]]
        waiting[-1]["more_body"] = False

        async def receive():
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message):
            replies.append(message)

        pairs = [(name.lower().encode(), str(value).encode()) for name, value in (headers or {}).items()]
        if parts is None and body:
            pairs.append((b"content-length", str(len(body)).encode()))
        scope = {"type": "http", "method": method, "path": path, "headers": pairs, ARRIVED: self.arrived}
        await App(self.service, self.log)(scope, receive, send)
        if not replies:
            return None
        start, end = replies
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        content = end["body"]
        is_json = found["content-type"] == JSON["content-type"]
        return Reply(start["status"], found, json.loads(content) if is_json else content)


def desk_with(model, limits, *, token="", hosts=()):
    clock = Clock()
    board = Board.make(places=1, processes=1, numbers=NUMBERS)
    counters = Counters(board.numbers(0))
    service = Service(
        limits=limits,
        counters=counters,
        everyone=[counters],
        token=token,
        hosts=hosts,
        clock=clock,
    )
    if model:
        service.use(model)
    return Desk(service, clock, counters)
