"""Workers that die, and the end: each with a server of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.server import HOUSE, JSON, answers_on, request_bytes, served
from tests.server.disturbed import Clients, kill, until_ready


def of_session(process):
    """Processes that were started by the server, workers' own sessions included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process.pid:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def two_workers(folder):
    with served(folder, "--workers", 2) as server:
        yield server


def test_a_worker_that_is_killed_is_replaced_and_others_notice_nothing(two_workers):
    server = two_workers
    before = server.workers()
    idle = [HTTPConnection(*server.address, timeout=30) for _ in range(8)]
    for connection in idle:
        assert server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection).status == 200

    os.kill(before[0], signal.SIGKILL)
    server.heard(r"worker 0 died \(signal 9\); another takes its place")

    # Connections that were open, to either worker, go on as if nothing had happened.
    replies = [server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection) for connection in idle]
    assert {reply.status for reply in replies} <= {200}
    until_ready(server)
    after = server.workers()
    assert after[1] == before[1]
    assert after[0] != before[0]
    for connection in idle:
        connection.close()


ANSWERED_BY_NO_WORKER = 'pricebench_requests_total{endpoint="other",status="503"}'


def test_a_request_that_a_dead_worker_had_is_a_503(two_workers):
    server = two_workers
    until_ready(server)
    # The test before this one has closed its connections, most of which one worker had.
    server.until(lambda: server.metrics()["pricebench_connections"] == 1)
    with ExitStack() as stack:
        # Half of a request on each of some connections: both workers have some.
        begun = [stack.enter_context(server.connect(request_bytes()[:-5])) for _ in range(6)]
        server.until(lambda: server.metrics()["pricebench_connections"] >= 7)
        # Each worker gets two more, and has read what came before when it answers on those.
        others = [HTTPConnection(*server.address, timeout=30) for _ in range(4)]
        for connection in others:
            stack.callback(connection.close)
            connection.connect()
        for connection in others:
            assert server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection).status == 200

        before = server.metrics().get(ANSWERED_BY_NO_WORKER, 0)
        kill(server, 1)
        for sock in begun:
            sock.sendall(request_bytes()[-5:])
            sock.shutdown(socket.SHUT_WR)

        found = [answers_on(sock) for sock in begun]
    statuses = Counter(statuses[0] for statuses, _ in found)
    assert set(statuses) == {200, 503}
    assert all(len(statuses) == 1 for statuses, _ in found)
    refused = next(body for statuses, body in found if statuses == [503])
    assert json.loads(refused) == {"error": "the worker that had this request died. Try again."}
    assert server.metrics()[ANSWERED_BY_NO_WORKER] - before == statuses[503]


@contextmanager
def first_in_line(core):
    """Run on this core, and before anything else on it where that is allowed."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("_", range(3))
def test_a_worker_that_is_killed_just_after_an_answer_has_left_sends_no_second_one(two_workers, _):
    server = two_workers
    until_ready(server)
    server.until(lambda: server.metrics()["pricebench_connections"] == 1)
    one = server.workers()[1]
    with ExitStack() as stack:
        asking = [stack.enter_context(server.connect()) for _ in range(8)]
        server.until(lambda: server.metrics()["pricebench_connections"] == 9)
        # The worker sends an answer, and has not gone on yet when the client has it.
        with first_in_line(os.sched_getaffinity(one)):
            for sock in asking:
                sock.sendall(request_bytes())
            for sock in asking:
                assert sock.recv(1 << 16).startswith(b"HTTP/1.1 200")
            os.kill(one, signal.SIGKILL)
        server.until(lambda: one not in server.workers())

        # Each goes on as if nothing had happened, and gets one answer.
        for sock in asking:
            sock.sendall(request_bytes())
            sock.shutdown(socket.SHUT_WR)
        assert [answers_on(sock)[0] for sock in asking] == [[200]] * 8


def test_under_load_every_request_is_answered_when_workers_are_killed(two_workers):
    server = two_workers
    until_ready(server)

    with Clients(server) as clients:
        for number in (0, 1):
            clients.wait_for(200)
            kill(server, number)
            until_ready(server)
        clients.wait_for(200)

    # None was lost: each has a price, or a 503 that says why not.
    assert set(clients.counts) <= {200, 503}
    assert clients.counts[503] <= 8
    assert clients.counts[200] > 500


def test_a_worker_that_hangs_is_replaced_and_what_it_had_is_a_503(folder):
    with served(folder, "--workers", 2, "--hang-timeout", "2s") as server, ExitStack() as stack:
        stopped = server.workers()[0]
        idle = [HTTPConnection(*server.address, timeout=30) for _ in range(4)]
        for connection in idle:
            stack.callback(connection.close)
            assert server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection).status == 200
        begun = [stack.enter_context(server.connect(request_bytes()[:-5])) for _ in range(4)]
        server.until(lambda: server.metrics()["pricebench_connections"] >= 9)
        for connection in idle:  # what came before was read by now
            assert server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection).status == 200

        os.kill(stopped, signal.SIGSTOP)
        for sock in begun:
            sock.sendall(request_bytes()[-5:])
            sock.shutdown(socket.SHUT_WR)
        replies = [
            server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection) for connection in idle
        ]
        found = [answers_on(sock) for sock in begun]

        server.heard(r"worker 0 hangs: its loop has not turned for 2 s")
        server.heard(r"worker 0 died \(signal 9\); another takes its place")
        # The hung one had not read what came on these; another did.
        assert [reply.status for reply in replies] == [200] * 4
        assert {tuple(statuses) for statuses, _ in found} == {(200,), (503,)}
        until_ready(server)
        assert stopped not in server.workers()
        assert server.metrics()["pricebench_worker_restarts_total"] == 1


def test_the_end_under_load_answers_what_was_begun_and_leaves_nothing(folder):
    with served(folder, "--workers", 2, "--grace", "5s") as server, Clients(server) as clients:
        clients.wait_for(200)
        children = of_session(server.process)
        status = server.end(signal.SIGTERM)
        server.heard(r"\(the end\)")

    assert status == 0
    assert len(children) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    # A client that begins when the server is gone cannot connect, and knows it.
    assert set(clients.counts) <= {200, 503, "ConnectionRefusedError"}
    assert clients.counts["ConnectionRefusedError"] == 4


def test_at_the_end_what_arrives_within_the_grace_is_answered_and_the_rest_is_a_503(folder):
    with served(folder, "--grace", "1s") as server, ExitStack() as stack:
        in_time, late = (stack.enter_context(server.connect(request_bytes()[:-5])) for _ in range(2))
        server.until(lambda: server.metrics()["pricebench_connections"] >= 3)

        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionRefusedError):
            server.until(lambda: server.connect().close())
        in_time.sendall(request_bytes()[-5:])

        assert answers_on(in_time)[0] == [200]
        assert answers_on(late)[0] == [503]
        assert server.process.wait(timeout=10) == 0


def test_ctrl_c_leaves_nothing_behind(folder, tmp_path):
    with served(folder, TMPDIR=str(tmp_path)) as server:
        children = of_session(server.process)
        assert list(tmp_path.iterdir())

        assert server.end(signal.SIGINT) == 130

    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert list(tmp_path.iterdir()) == []


def test_workers_end_with_a_supervisor_that_is_killed(folder, tmp_path):
    with served(folder, "--grace", "1s", TMPDIR=str(tmp_path)) as server:
        (pid,) = server.workers()
        server.process.kill()
        server.until(
            lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]
        )

    assert list(tmp_path.iterdir()) == []


# ---- connections ---------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_a_503_and_a_late_price_is_a_504(folder):
    with served(folder, "--connections", 3, "--deadline", "0.000001s") as server:
        with ExitStack() as stack:
            held = [stack.enter_context(server.connect()) for _ in range(3)]
            with server.connect(request_bytes()) as sock:
                statuses, body = answers_on(sock)
            assert statuses == [503]
            assert json.loads(body)["error"].startswith("3 connections are open, which is all that may.")
            held.pop().close()

            text = server.until(lambda: (reply := server.ask("GET", "/metrics")).status == 200 and reply.body.decode())
            assert re.search(r"^pricebench_refused_connections_total [1-9]", text, re.MULTILINE)

        server.until(lambda: server.ask("GET", "/health/live").status == 200)
        connection = HTTPConnection(*server.address, timeout=30)
        replies = [server.ask("POST", "/v1/price", json.dumps(HOUSE), JSON, connection=connection) for _ in range(3)]
        connection.close()

    assert {reply.status for reply in replies} == {504}
    assert replies[0].body["error"].startswith("no price within 1e-06 s")
