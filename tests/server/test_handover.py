"""What the kernel says of a connection, beside what a worker wrote down before it was killed."""

from __future__ import annotations

import socket

import pytest

from pricebench.server.board import Doing, State
from pricebench.server.handover import Fate, bytes_sent, bytes_taken, fate, is_asking

REQUEST, ANSWER = b"r" * 100, b"a" * 300


@pytest.fixture
def ends():
    """A client's end, and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def test_the_kernel_counts_what_was_taken_and_what_was_sent_by_whomever(ends):
    client, server = ends
    with server.dup() as kept:
        assert (bytes_taken(kept), bytes_sent(kept), is_asking(kept)) == (0, 0, False)
        client.sendall(REQUEST)
        server.recv(60, socket.MSG_WAITALL)
        server.sendall(ANSWER)
        assert (bytes_taken(kept), bytes_sent(kept), is_asking(kept)) == (60, 300, True)
        client.recv(250, socket.MSG_WAITALL)  # what the client has taken makes no difference
        server.recv(40, socket.MSG_WAITALL)
        assert (bytes_taken(kept), bytes_sent(kept), is_asking(kept)) == (100, 300, False)


def test_more_than_the_client_takes_is_counted_as_far_as_the_kernel_took_it(ends):
    _, server = ends
    server.setblocking(False)  # noqa: FBT003 - its only parameter
    sent = 0
    try:
        while True:
            sent += server.send(b"x" * 65_536)
    except BlockingIOError:
        assert bytes_sent(server) == sent


def test_what_is_no_tcp_connection_tells_nothing():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert bytes_taken(ours) is None
        assert bytes_sent(ours) is None
        # With nothing about to leave, a 503 is safe; otherwise only the end is.
        assert fate(ours, State(Doing.REQUEST, received=5)) is Fate.REFUSE
        assert fate(ours, State(Doing.ANSWER, received=5, answered=9)) is Fate.CLOSE


@pytest.mark.parametrize(
    ("doing", "asked", "left", "answered", "expected"),
    [
        # Nothing was asked, or all that was asked is answered and sent.
        (Doing.NOTHING, 0, 0, 0, Fate.MOVE),
        (Doing.NOTHING, 1, 300, 300, Fate.MOVE),
        # It was asked once more, and read it, and was killed before it wrote that down.
        (Doing.NOTHING, 2, 300, 300, Fate.REFUSE),
        # A request is being received or answered.
        (Doing.REQUEST, 1, 0, 0, Fate.REFUSE),
        (Doing.REQUEST, 1, 0, 300, Fate.REFUSE),
        (Doing.REQUEST, 1, 120, 300, Fate.CLOSE),
        (Doing.REQUEST, 1, 300, 300, Fate.CLOSE),
        # An answer was about to leave.
        (Doing.ANSWER, 1, 0, 300, Fate.REFUSE),
        (Doing.ANSWER, 1, 120, 300, Fate.CLOSE),
        (Doing.ANSWER, 1, 300, 300, Fate.MOVE),
        (Doing.ANSWER, 2, 300, 300, Fate.REFUSE),
        # The last one.
        (Doing.LAST, 1, 0, 300, Fate.REFUSE),
        (Doing.LAST, 1, 120, 300, Fate.CLOSE),
        (Doing.LAST, 1, 300, 300, Fate.CLOSE),
    ],
)
def test_what_becomes_of_a_connection(ends, doing, asked, left, answered, expected):
    client, server = ends
    for _ in range(asked):
        client.sendall(REQUEST)
        server.recv(len(REQUEST), socket.MSG_WAITALL)
    server.sendall(ANSWER[:left])
    received = len(REQUEST) * min(asked, 1)
    sent = answered if doing is Doing.NOTHING else 0

    assert fate(server, State(doing, received, sent, answered)) is expected
