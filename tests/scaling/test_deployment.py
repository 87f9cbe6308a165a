"""The server's application on a Ray cluster of this machine, as its command starts it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from pricebench.errors import PricebenchError
from pricebench.scaling.deployment import Replicas
from pricebench.serving import Predictor
from tests.scaling import saved_model
from tests.scaling.running import LOOPBACK, descendants, listening

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server runs on Linux")

HOUSE = {"income": 68_000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36_000}
PATIENCE = 90.0  # seconds


class Running:
    """`pricebench serve --engine ray`, and what it says."""

    def __init__(self, artifacts, *arguments):
        self.artifacts = artifacts
        self.said = []
        command = [sys.executable, "-m", "pricebench", "serve", "--engine", "ray", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            [*command, "--artifacts", str(artifacts)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._has_said = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        self.port = int(re.search(r":(\d+),", self.wait_for("serving on"))[1])

    def _listen(self):
        for line in self.process.stderr:
            with self._has_said:
                self.said.append(line.rstrip())
                self._has_said.notify_all()

    def wait_for(self, words):
        def found():
            return next((line for line in self.said if words in line), None)

        with self._has_said:
            assert self._has_said.wait_for(lambda: found() or self.process.poll() is not None, PATIENCE), self.said
            assert found(), self.said
            return found()

    def ask(self, path="/v1/price", body=HOUSE, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            method = "POST" if path == "/v1/price" else "GET"
            sent = json.dumps(body) if method == "POST" else None
            connection.request(method, path, sent, {"content-type": "application/json", **headers})
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()

    def replicas(self):
        """Processes that answer."""
        found = []
        for pid in descendants(self.process.pid):
            try:
                if Path(f"/proc/{pid}/cmdline").read_text().startswith("ray::ServeReplica"):
                    found.append(int(pid))
            except OSError:  # it has ended
                continue
        return found

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        ended = self.process.wait(PATIENCE)
        self._listener.join()
        self.process.stderr.close()
        return ended


class Asking:
    """Clients that ask without a pause, from the beginning to the end of the context."""

    def __init__(self, server, clients=2):
        self.answers = []
        self._server = server
        self._is_over = threading.Event()
        self._has_answer = threading.Condition()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        while not self._is_over.is_set():
            answer = self._server.ask()
            with self._has_answer:
                self.answers.append(answer)
                self._has_answer.notify_all()

    def wait_for(self, number, condition=lambda _: True):
        """Until so many of the answers are as they should be."""
        with self._has_answer:
            found = self._has_answer.wait_for(lambda: sum(map(condition, self.answers)) >= number, PATIENCE)
            assert found, self.answers[-3:]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    options = ("--replicas", "2", "--receive-timeout", "3s", "--idle-timeout", "2s", "--hang-timeout", "3s")
    running = Running(saved_model(tmp_path_factory.mktemp("serving") / "artifacts"), *options)
    yield running
    pids = descendants(running.process.pid)
    assert running.end() == 0
    assert "ending" in running.said
    assert [pid for pid in pids if is_running(pid)] == [], "the cluster ends with the command"


def is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_replica_prices_as_the_model_does(server):
    status, answer = server.ask()

    expected = Predictor.load(server.artifacts).predict(np.array([list(map(float, HOUSE.values()))]))[0]
    assert status == 200
    # The server writes float32 with nine digits.
    assert answer["price"] == pytest.approx(expected, rel=1e-6)
    assert len(server.replicas()) == 2


def test_limits_hosts_and_paths_are_those_of_the_own_engine(server):
    assert server.ask("/health/ready") == (200, {"ready": True})
    assert server.ask("/nope") == (404, {"error": "nothing is there. /docs says what is."})
    assert server.ask("/health/ready", host="evil.example")[0] == 421
    assert server.ask(body=HOUSE | {"income": -1})[0] == 422


def test_nobody_else_reaches_the_cluster(server):
    reached_at = listening(descendants(server.process.pid))

    assert reached_at
    assert reached_at <= LOOPBACK


def test_a_new_model_takes_over_without_a_lost_request(server, tmp_path):
    old = server.ask()[1]["model"]
    other = saved_model(tmp_path / "other", seed=7)

    with Asking(server) as asking:
        asking.wait_for(10)
        for file in other.iterdir():
            shutil.copy(file, server.artifacts / file.name)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("serving model")
        asking.wait_for(len(asking.answers) + 10)

    assert {status for status, _ in asking.answers} == {200}
    models = [answer["model"] for _, answer in asking.answers]
    new = models[-1]
    assert set(models) == {old, new}
    assert old != new
    assert server.ask()[1]["model"] == new


def test_a_model_that_is_none_is_refused_and_the_old_one_goes_on(server):
    before = server.ask()
    kept = (server.artifacts / "model.pt").read_bytes()
    (server.artifacts / "model.pt").write_bytes(b"none")
    server.process.send_signal(signal.SIGHUP)

    said = server.wait_for("refused the new model, the old one goes on")

    (server.artifacts / "model.pt").write_bytes(kept)
    assert "model.pt" in said
    assert server.ask() == before


def test_a_killed_replica_is_replaced_and_costs_only_what_it_had_at_hand(server):
    clients = 2
    with Asking(server, clients) as asking:
        asking.wait_for(10)
        killed, *_ = server.replicas()
        os.kill(killed, signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while len([pid for pid in server.replicas() if pid != killed]) < 2:
            assert time.monotonic() < until
            asking.wait_for(len(asking.answers) + 1)
        asking.wait_for(len(asking.answers) + 10)

    lost = [status for status, _ in asking.answers if status != 200]
    assert len(lost) <= clients
    assert {status for status, _ in asking.answers[-10:]} == {200}


def started_at(pid):
    """Clock ticks since the machine began (proc(5), field 22)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_a_replica_that_hangs_is_replaced(server):
    # The oldest: Ray waits for ever for one that is still starting (2.60).
    hung = min(server.replicas(), key=started_at)
    os.kill(hung, signal.SIGSTOP)
    try:
        until = time.monotonic() + PATIENCE
        while hung in server.replicas() or len(server.replicas()) < 2:
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        with suppress(ProcessLookupError):
            os.kill(hung, signal.SIGCONT)

    # In turns to both, as Ray chooses.
    assert [server.ask()[0] for _ in range(10)] == [200] * 10


def test_a_request_that_does_not_arrive_and_a_connection_that_asks_nothing_are_ended(server):
    head = (
        b"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    live = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as slow,
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as idle,
    ):
        slow.sendall(head)
        idle.sendall(live)

        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 408 ")
        assert b"".join(iter(lambda: idle.recv(1 << 16), b"")).endswith(b'{"live":true}')


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = command("--engine", "ray", "--artifacts", str(saved_model(tmp_path)), "--port", port)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"pricebench: expected port {port} of 127.0.0.1 to be free")
    assert len(ended.stderr.splitlines()) == 1


def test_a_folder_without_a_model_is_one_line(tmp_path):
    ended = command("--engine", "ray", "--artifacts", str(tmp_path / "nowhere"), "--port", "0")

    assert ended.returncode == 2
    assert "nowhere" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--engine", "ray", "--workers", "2"], "--workers is of --engine own"),
        (["--engine", "ray", "--log", "-"], "--log is of --engine own"),
        (["--engine", "ray", "--replicas", "0"], "--replicas is '0', expected a number such as 2"),
        (["--engine", "ray", "--host", "192.0.2.1"], "so a token is needed"),
        (["--replicas", "2"], "--replicas and --address are of --engine ray"),
        (["--engine", "slurm"], "--engine is 'slurm', expected own or ray"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, says):
    ended = command(*arguments, "--port", "0")

    assert ended.returncode == 2
    assert says in " ".join(ended.stderr.replace("│", " ").split())


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pricebench", "serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(("text", "expected"), [("1", (1, 1)), ("3", (3, 3)), ("1:4", (1, 4)), ("2:2", (2, 2))])
def test_replicas_are_a_number_or_a_range(text, expected):
    replicas = Replicas.parse(text)

    assert (replicas.fewest, replicas.most) == expected
    assert ("autoscaling_config" in replicas.options) == (replicas.fewest < replicas.most)


@pytest.mark.parametrize("text", ["", "0", "a", "1:", ":2", "4:1", "-1", "1:2:3", "1001"])
def test_what_is_no_number_of_replicas_is_refused(text):
    with pytest.raises(PricebenchError, match="expected a number such as 2, or a range such as 1:4"):
        Replicas.parse(text)
