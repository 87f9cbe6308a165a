"""What happens to a server while it serves: clients that ask without a pause, workers that are killed, other files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections import Counter
from http.client import HTTPConnection, HTTPException

from pricebench.server.snapshots import FILES
from tests.server import HOUSE, JSON


class Clients(threading.Thread):
    """Asks without a pause over connections that are kept, and counts how each request ended."""

    def __init__(self, server, num=4):
        super().__init__()
        self.counts = Counter()
        self.models = Counter()
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(num)]

    def _ask(self):
        connection = HTTPConnection(*self._server.address, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/v1/price", json.dumps(HOUSE), JSON)
                response = connection.getresponse()
                body = json.loads(response.read())
                self.counts[response.status] += 1
                self.models[body.get("model")] += 1
            except (HTTPException, OSError) as error:
                self.counts[type(error).__name__] += 1
                connection.close()
                if isinstance(error, ConnectionRefusedError):
                    return
        connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def wait_for(self, num):
        before = sum(self.counts.values())
        self._server.until(lambda: sum(self.counts.values()) >= before + num)


def said(server, number, what):
    return sum(line.startswith(f"worker {number} {what}") for line in server.lines)


def kill(server, number):
    """End a worker as nobody can foresee, and wait until that is known."""
    before = said(server, number, "died")
    os.kill(server.workers()[number], signal.SIGKILL)
    server.until(lambda: said(server, number, "died") > before)


def until_ready(server):
    """Whoever took a dead worker's place is; the supervisor says so, who gives it connections from then on."""

    def is_so():
        is_told = all(said(server, number, "died") == said(server, number, "is ready") for number in (0, 1))
        return is_told and server.metrics()["pricebench_ready_workers"] == 2

    server.until(is_so)


def put(source, target, *names):
    # An untrained model has no rows of training beside it.
    for name in names or [name for name in FILES if (source / name).exists()]:
        shutil.copyfile(source / name, target / name)
