"""The load's client against servers of a few lines, whose latency and faults are known."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

loadgen = pytest.importorskip("mlperf_loadgen", reason="LoadGen has wheels for Linux on x86-64 only")

from benchmarks.serving.client import attack, is_whole  # noqa: E402 - needs it

REQUEST = "GET / HTTP/1.1\r\nhost: here\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextmanager
def answering(answer, *, accepts=1_000):
    """A server that calls `answer(sock, number)` for each request, one at a time, numbered as they come."""
    listening = socket.create_server(("127.0.0.1", 0))
    one_at_a_time, numbers = threading.Lock(), iter(range(100_000))

    def serve(sock):
        with sock:
            while sock.recv(65536):
                with one_at_a_time:
                    if answer(sock, next(numbers)) == "close":
                        return

    def accept():
        for _ in range(accepts):
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()
        listening.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()
    finally:
        listening.close()


def asked(address, *, rate=400.0, seconds=0.5, connections=4):
    return attack(
        {
            "address": address,
            "requests": [REQUEST],
            "rate": rate,
            "seconds": seconds,
            "connections": connections,
            "seed": 1,
        }
    )


def test_every_request_is_counted_and_answers_are_kept():
    with answering(lambda sock, _: sock.sendall(ANSWER)) as address:
        found = asked(address)

    assert found["num"] == 200
    assert found["statuses"] == {"200": 200}
    assert found["samples"][0] == (0, "ok")
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"] <= found["latency"]["most"]


def test_requests_that_were_due_while_the_server_stood_still_have_waited():
    def stalls_once(sock, number):
        if number == 50:
            time.sleep(0.5)  # the server's: what is measured
        sock.sendall(ANSWER)

    with answering(stalls_once) as address:
        latency = asked(address, connections=1)["latency"]

    # Three of four were due after it and waited; a client that sends nothing meanwhile finds a single slow one.
    assert latency["p50"] > 0.1
    assert latency["most"] >= 0.5


def test_what_the_server_says_is_counted_by_its_status():
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"

    def every_tenth_refused(sock, number):
        sock.sendall(ANSWER if number % 10 else refusal)
        if number % 10:
            return None
        sock.recv(65536)  # what comes on a connection that was said to close is lost
        return "close"

    with answering(every_tenth_refused) as address:
        found = asked(address)

    assert found["statuses"] == {"200": 180, "503": 20}


def test_a_connection_that_ends_without_an_answer_is_a_reset_and_another_takes_its_place():
    with answering(lambda sock, number: "close" if number == 30 else sock.sendall(ANSWER)) as address:
        found = asked(address)

    assert found["statuses"] == {"200": 199, "reset": 1}


def test_a_server_that_is_gone_refuses_what_is_due_then():
    with answering(lambda sock, number: sock.sendall(ANSWER) if number < 40 else "close", accepts=4) as address:
        found = asked(address)

    assert found["statuses"]["200"] == 40
    assert sum(found["statuses"].values()) == found["num"]
    assert set(found["statuses"]) == {"200", "reset", "refused"}


def test_more_than_the_server_can_do_is_given_up_before_it_takes_for_ever():
    with answering(lambda sock, _: (time.sleep(0.01), sock.sendall(ANSWER))[1]) as address:
        found = asked(address, rate=300.0, seconds=1.0)

    assert found["statuses"]["given up"] > 0
    assert sum(found["statuses"].values()) == 300


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (ANSWER, True),
        (ANSWER[:-1], False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_by_its_length_or_its_last_chunk(data, whole):
    assert is_whole(data) is whole
