"""A server that is not ours: it answers every connection with the same bytes, and keeps what it was sent."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress


def response(body, *, status=b"200 OK", headers=()):
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers, b"", b""]
    return b"\r\n".join(lines) + body


def _request(connection):
    """All of it: a connection that is closed with some of it unread is reset."""
    request = b""
    while not (end := request.find(b"\r\n\r\n") + 4) > 3 or len(request) < end + _length(request):
        request += connection.recv(1 << 16)
    return request


def _length(request):
    found = re.search(rb"(?i)content-length: (\d+)", request)
    return int(found[1]) if found else 0


@contextmanager
def answering(*answers):
    """Its address, and a list of what was sent to it; the last answer is that of all later connections too.

    An answer of None is none: the connection is held until the end.
    """
    received, held = [], []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the end
                return
            answer = answers[min(len(received), len(answers) - 1)]
            received.append(_request(connection))
            if answer is None:
                held.append(connection)
                continue
            with connection, suppress(OSError):  # the client has heard enough
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
