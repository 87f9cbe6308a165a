"""What goes over a socket, to a server in a process of its own."""

from __future__ import annotations

import json
import os
import socket
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pricebench.data import FEATURES, make_houses
from tests.server import HOUSE, JSON, answers_on, request_bytes
from tests.serving import untrained_artifacts

CHUNKED = (
    b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
)


def test_a_house_is_priced(server):
    reply = server.price(HOUSE)

    assert reply.status == 200
    assert reply.body["model"] == untrained_artifacts().stats.model_digest
    assert reply.headers["content-type"] == "application/json"
    assert "date" in reply.headers


def test_a_connection_is_kept_for_many_requests(server):
    connection = HTTPConnection(*server.address, timeout=30)

    replies = [server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection) for _ in range(20)]

    assert {reply.status for reply in replies} == {200}
    connection.close()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"])
def test_it_is_live_and_ready(server, path):
    assert server.ask("GET", path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/price", 405, "POST"),
        ("DELETE", "/v1/price", 405, "POST"),
        ("OPTIONS", "/v1/price", 405, "POST"),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("GET", "/v2/models/house-prices/infer", 405, "POST"),
        ("GET", "/", 404, None),
        ("GET", "/v1/price/", 404, None),
        ("POST", "/v1/%70rice%2f..", 404, None),
        ("GET", "/v2/models/other", 404, None),
        ("GET", "/../../etc/passwd", 404, None),
    ],
)
def test_other_methods_and_paths_are_refused(server, method, path, status, allow):
    reply = server.ask(method, path)

    assert reply.status == status
    assert reply.headers.get("allow") == allow
    assert list(reply.body) == ["error"]


def test_head_is_get_without_a_body(server):
    reply = server.ask("HEAD", "/openapi.json")

    assert reply.status == 200
    assert int(reply.headers["content-length"]) > 1_000


# ---- clients that are slow, large or no clients --------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\n",
        b"P",
        request_bytes()[:-5],
        CHUNKED + b"\r\n5\r\n{",
    ],
    ids=["head", "a letter", "body", "chunk"],
)
def test_a_request_that_does_not_arrive_is_a_408(server, sent):
    with server.connect(sent) as sock:
        statuses, body = answers_on(sock)

    assert statuses == [408]
    assert json.loads(body) == {"error": "the request did not arrive within 0.5 s."}


def test_a_request_that_trickles_in_is_a_408_however_steadily(server):
    with server.connect() as sock:
        sock.settimeout(0.05)
        received = b""
        for byte in b"POST /v1/price HTTP/1.1\r\n" + b"x-padding: 1\r\n" * 50:
            try:
                sock.send(bytes([byte]))
                received += sock.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                break
            if received:
                break

    assert received.startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_never_asks_is_closed(server):
    with server.connect() as sock:
        assert answers_on(sock) == ([], b"")


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost here\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
    ids=["words", "TLS", "two lengths", "negative", "smuggled", "bytes in path", "no colon", "version", "connect"],
)
def test_what_is_no_http_is_a_400_and_closed(server, sent):
    with server.connect(sent) as sock:
        statuses, body = answers_on(sock)

    assert statuses == [400]
    assert json.loads(body)["error"].startswith("expected HTTP/1.1")


def test_headers_that_are_too_large_are_a_431(server):
    for padding in (b"x: " + b"y" * 20_000, b"x: y\r\n" * 4_000):
        with server.connect(b"GET /docs HTTP/1.1\r\nhost: localhost\r\n" + padding + b"\r\n\r\n") as sock:
            statuses, body = answers_on(sock)

        assert statuses == [431]
        assert json.loads(body)["error"] == "expected at most 16,384 bytes of headers, found more."


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    with server.connect(request_bytes(b"")[:-4].replace(b"length: 0", b"length: 2000001") + b"\r\n\r\n") as sock:
        statuses, body = answers_on(sock)

    assert statuses == [413]
    assert "at most 2,000,000 bytes" in json.loads(body)["error"]


def test_a_refusal_is_read_by_a_client_that_goes_on_sending(server):
    # What is closed with unread data is reset, and a reset would take the answer with it.
    with server.connect(request_bytes(b"")[:-4].replace(b"length: 0", b"length: 3000000") + b"\r\n\r\n") as sock:
        for _ in range(30):
            sock.sendall(b" " * 100_000)
        sock.shutdown(socket.SHUT_WR)
        assert answers_on(sock)[0] == [413]


def test_a_chunked_body_is_priced_and_one_that_is_too_large_is_not(server):
    body = json.dumps(HOUSE).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with server.connect(CHUNKED + b"connection: close\r\n\r\n" + chunks) as sock:
        assert answers_on(sock)[0] == [200]

    with server.connect(CHUNKED + b"\r\n") as sock:
        for _ in range(25):
            sock.sendall(b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n")
        assert answers_on(sock)[0] == [413]


def test_requests_sent_in_one_piece_are_answered_in_their_order(server):
    last = request_bytes(headers=["connection: close"])
    with server.connect(request_bytes() + request_bytes(b"{") + request_bytes(b"[]") + last) as sock:
        assert answers_on(sock)[0] == [200, 400, 422, 200]


def test_a_client_that_says_it_sends_no_more_is_answered(server):
    with server.connect(request_bytes() * 3) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert answers_on(sock)[0] == [200, 200, 200]


def test_a_client_that_waits_for_continue_is_told_to_go_on(server):
    sent = request_bytes(headers=["expect: 100-continue", "connection: close"])
    head, body = sent.split(b"\r\n\r\n")
    with server.connect(head + b"\r\n\r\n") as sock:
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert answers_on(sock)[0] == [200]


def test_a_client_that_leaves_takes_nobody_with_it(server):
    for sent in (request_bytes()[:-5], request_bytes(), b"", b"x"):
        with server.connect(sent) as sock:
            # A reset instead of an orderly end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert server.price(HOUSE).status == 200


def test_a_client_that_asks_for_a_websocket_is_answered_as_if_it_had_not(server):
    sent = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    with server.connect(sent) as sock:
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_takes_no_answers_is_left(server):
    rows = make_houses(5_000, seed=1).features_NF.tolist()
    body = json.dumps({"houses": [dict(zip(FEATURES, row, strict=True)) for row in rows]}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(server.address)
        sock.settimeout(5)
        # Answers that nobody takes are more than the kernel holds, and then requests are too.
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            sock.sendall(request_bytes(body) * 100)

    assert server.price(HOUSE).status == 200


# ---- what it says of itself ----------------------------------------------------------------------------------------


def test_what_was_answered_is_counted(server):
    before = server.metrics()

    for _ in range(3):
        server.price(HOUSE)
    server.price({})
    server.price({"houses": [HOUSE] * 7})

    after = server.metrics()
    gained = {name: after[name] - before.get(name, 0.0) for name in after}
    assert gained['pricebench_requests_total{endpoint="price",status="200"}'] == 4
    assert gained['pricebench_requests_total{endpoint="price",status="422"}'] == 1
    assert gained['pricebench_request_seconds_count{endpoint="price"}'] == 5
    assert gained['pricebench_request_seconds_bucket{endpoint="price",le="+Inf"}'] == 5
    assert gained["pricebench_houses_total"] == 10
    assert gained["pricebench_batches_total"] == 4
    assert gained['pricebench_batch_rows_bucket{le="1"}'] == 3
    assert gained['pricebench_batch_rows_bucket{le="8"}'] == 4
    assert gained["pricebench_batch_rows_sum"] == 10
    assert after["pricebench_compilations_total"] == 0
    assert after["pricebench_ready_workers"] == 1


def test_the_metrics_are_what_prometheus_reads(server):
    text = server.ask("GET", "/metrics").body.decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["pricebench_request_seconds"].type == "histogram"
    for family in families.values():
        assert family.documentation
    worker = next(iter(families["pricebench_worker"].samples)).labels
    assert worker["threads"] == "1"


def test_it_is_pinned_to_a_core(server):
    (pid,) = server.workers()

    assert len(os.sched_getaffinity(pid)) == 1


def test_two_connections_have_one_batch_only_where_they_arrive_together(server):
    before = server.metrics()["pricebench_batches_total"]

    for _ in range(5):
        server.price(HOUSE)

    assert server.metrics()["pricebench_batches_total"] - before == 5
