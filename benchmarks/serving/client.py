"""The load, a process of its own on a core of its own: an open loop by MLPerf's LoadGen, Server scenario.

LoadGen decides when each request is due (Poisson arrivals, seeded), whether the server keeps up or not. Latency is from
that moment to the last byte of the answer, so a request that waits for a connection, or for this process, has waited:
its `issue_query_controller.cc` has `scheduled_time = start + scheduled_delta`, whenever a query was issued, and
latencies begin there.

What is ours is the HTTP: a request is written to a connection that is free, and an answer is read when it is there. Run
as `python -m benchmarks.serving.client`, with the order as JSON on stdin and what was found as JSON on stdout.
"""

from __future__ import annotations

import gc
import json
import os
import re
import select
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlperf_loadgen as loadgen

from benchmarks.serving.endings import GIVEN_UP, NO_ANSWER, REFUSED, RESET
from benchmarks.serving.processes import cpu_of
from pricebench.load import LoadMeter
from pricebench.units import Second

_CHUNK = 1 << 18
_CLOSES = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE).search
_HEAD = 600  # bytes, in which such a line stands
_GIVE_UP_AFTER: Second = 0.5  # of requests that wait for a connection: a server that is so far behind is lost
_SAMPLES = 200  # answers that are kept, for their prices
_LAST_ANSWERS: Second = 10.0
_WARM_UP: Second = 0.5
_WARM_UP_RATE = 500.0


class Client:
    """Connections that are kept, and requests that wait for one.

    LoadGen's thread issues, and another receives. Each puts what it has into its queue before it looks at the other's,
    so nothing waits that could be sent.

    Attributes:
        statuses: Number of requests by how they ended: HTTP's status, or a word of `endings`.
        samples: Some answers, each with the number of the body that it answers.
    """

    def __init__(self, address: tuple[str, int], requests: list[bytes], *, connections: int, most_waiting: int) -> None:
        self.statuses: Counter[str] = Counter()
        self.samples: list[tuple[int, str]] = []
        self.keep_every = 1
        self._address = address
        self._requests = requests
        self._most_waiting = most_waiting
        self._epoll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._busy: dict[int, tuple[int, int]] = {}  # by descriptor: LoadGen's id, and which body
        self._read: dict[int, bytes] = {}
        self._free: deque[socket.socket] = deque()
        self._waiting: deque[tuple[int, int]] = deque()
        self._dropping = threading.Lock()
        self._is_over = False
        for _ in range(connections):
            self._connect()
        self._thread = threading.Thread(target=self._receive, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        for connection in self._open.values():
            connection.close()
        self._epoll.close()

    # ---- sending

    def issue(self, queries: Any) -> None:
        """Send what is due."""
        for query in queries:
            if not self._open:
                self._end(REFUSED, query.id)
            elif len(self._waiting) >= self._most_waiting:
                self._end(GIVEN_UP, query.id)
            else:
                self._waiting.append((query.id, query.index))
                self._match()

    def flush(self) -> None:
        """Nothing is held back."""

    def _match(self) -> None:
        while True:
            try:
                connection = self._free.popleft()
            except IndexError:
                return
            try:
                identity, index = self._waiting.popleft()
            except IndexError:
                self._free.append(connection)
                if not self._waiting:
                    return
                continue
            self._send(connection, identity, index)

    def _send(self, connection: socket.socket, identity: int, index: int) -> None:
        number, request = connection.fileno(), self._requests[index]
        self._busy[number] = (identity, index)
        try:
            # The kernel takes any of ours whole: nothing else is on its way.
            is_sent = connection.send(request) == len(request)
        except OSError:
            is_sent = False
        if not is_sent:
            self._drop(connection, number)
            # A connection that was closed already has no number, and was not found above.
            if self._busy.pop(number, None):
                self._end(RESET, identity)

    def _connect(self) -> None:
        connection = socket.create_connection(self._address, timeout=5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)  # noqa: FBT003 - its only parameter
        self._open[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        self._free.append(connection)

    def _drop(self, connection: socket.socket | None, number: int) -> None:
        """Count what was on a connection that is gone, and make another."""
        with self._dropping:
            if connection is None or self._open.get(number) is not connection:
                return
            self._epoll.unregister(number)
            self._read.pop(number, None)
            busy = self._busy.pop(number, None)
            with suppress(ValueError):
                self._free.remove(connection)
            self._open.pop(number).close()
            if busy:
                self._end(RESET, busy[0])
            try:
                self._connect()
            except OSError:
                if not self._open:
                    self._end_all(REFUSED)
                return
        self._match()

    # ---- receiving

    def _receive(self) -> None:
        response, complete, num_answered = loadgen.QuerySampleResponse, loadgen.QuerySamplesComplete, 0
        poll, opened, busy, statuses = self._epoll.poll, self._open, self._busy, self.statuses
        while not self._is_over:
            done = []
            for number, _ in poll(0.1):
                connection = opened.get(number)
                data = self._whole(connection, number) if connection else b""
                # What is said without being asked, such as a 408, is followed by the connection's end.
                answered = busy.pop(number, None) if data else None
                if answered is None:
                    continue
                statuses[data[9:12].decode("ascii", "replace")] += 1
                num_answered += 1
                if num_answered % self.keep_every == 0 and len(self.samples) < _SAMPLES:
                    self.samples.append((answered[1], data.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")))
                done.append(response(answered[0], 0, 0))
                if _CLOSES(data, 0, _HEAD):
                    self._drop(connection, number)
                else:
                    self._free.append(connection)
                    self._match()
            if done:
                complete(done)

    def _whole(self, connection: socket.socket, number: int) -> bytes:
        """An answer that has arrived to its last byte; empty where none has."""
        try:
            data = connection.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop(connection, number)
            return b""
        if number in self._read:
            data = self._read.pop(number) + data
        if is_whole(data):
            return data
        self._read[number] = data
        return b""

    # ---- ends without an answer

    def _end(self, how: str, *identities: int) -> None:
        self.statuses[how] += len(identities)
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(each, 0, 0) for each in identities])

    def _end_all(self, how: str) -> None:
        while self._waiting:
            self._end(how, self._waiting.popleft()[0])

    def give_up(self) -> None:
        """Count what has no answer, so that LoadGen ends."""
        self._end_all(GIVEN_UP)
        for number in list(self._busy):
            if lost := self._busy.pop(number, None):
                self._end(NO_ANSWER, lost[0])


def is_whole(data: bytes) -> bool:
    """Whether all of an answer has arrived, by its length or its last chunk."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    _, name, rest = head.lower().partition(b"\r\ncontent-length:")
    return len(body) >= int(rest.partition(b"\r\n")[0]) if name else body.endswith(b"0\r\n\r\n")


def attack(order: dict[str, Any]) -> dict[str, Any]:
    """Ask as ordered, and count.

    Args:
        order: `address`, `requests` (text of each), `rate`, `seconds`, `connections`, `seed`.
    """
    rate, num = order["rate"], max(1, round(order["rate"] * order["seconds"]))
    requests = [each.encode() for each in order["requests"]]
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    # Several that are due are handed over together; each keeps the moment at which it was due.
    settings.server_coalesce_queries = True
    settings.min_duration_ms = 0
    settings.min_query_count = settings.max_query_count = num
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = order["seed"]
    most_waiting = max(order["connections"], round(rate * _GIVE_UP_AFTER))
    client = Client(tuple(order["address"]), requests, connections=order["connections"], most_waiting=most_waiting)
    client.keep_every = max(1, num // _SAMPLES)
    with tempfile.TemporaryDirectory() as folder, client:
        logs = loadgen.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        sut = loadgen.ConstructSUT(client.issue, client.flush)
        library = loadgen.ConstructQSL(len(requests), len(requests), lambda _: None, lambda _: None)
        watch = threading.Timer(order["seconds"] + _LAST_ANSWERS, client.give_up)
        watch.start()
        started = time.monotonic()
        loadgen.StartTestWithLogSettings(sut, library, settings, logs, "")
        took = time.monotonic() - started
        watch.cancel()
        latency = _logged(Path(folder))
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(sut)
    return {
        "num": num,
        "statuses": dict(client.statuses),
        "seconds": took,
        "latency": latency,
        "samples": client.samples,
    }


_KEYS = {
    "p50": "result_50.00_percentile_latency_ns",
    "p90": "result_90.00_percentile_latency_ns",
    "p99": "result_99.00_percentile_latency_ns",
    "p999": "result_99.90_percentile_latency_ns",
    "most": "result_max_latency_ns",
}


def _logged(folder: Path) -> dict[str, Second]:
    """What LoadGen has logged, a line `:::MLLOG {"key": ..., "value": ...}` each."""
    lines = (folder / "mlperf_log_detail.txt").read_text().splitlines()
    entries = [json.loads(line.partition(" ")[2]) for line in lines if line.startswith(":::MLLOG ")]
    found = {entry["key"]: entry["value"] for entry in entries}
    return {name: found[key] / 1e9 for name, key in _KEYS.items()}


def main() -> None:
    """Warm the server up, then do what stdin says."""
    order = json.load(sys.stdin)
    os.sched_setaffinity(0, {order["core"]})
    if order["is_warmed_up"]:
        attack(order | {"rate": min(order["rate"], _WARM_UP_RATE), "seconds": _WARM_UP})
    gc.collect()
    gc.disable()  # its pauses would be latency
    meter, server, own = LoadMeter(), cpu_of(order["root"]), time.process_time()
    found = attack(order)
    server_cpu = cpu_of(order["root"]) - server
    shares = meter.shares(own=server_cpu)
    found |= {
        "server_cpu": max(0.0, server_cpu),
        "client_cpu": time.process_time() - own,
        "others": round(shares[0], 3) if shares else None,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
