"""An object store of this machine that counts what it is asked: moto's server, which speaks the API of S3, on loopback.

python -m evidence.object_store --latency 0.03     says its URL, serves until its stdin ends, and then prints its counts
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.threaded_moto_server import MotoRequestHandler
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEYS_A_PAGE = 1_000  # what S3 lists in one answer
_REGION = "us-east-1"


class ObjectStore:
    """A server, from `with` on; its buckets last as long as the process.

    Attributes:
        requests: How often each operation was asked for, such as `ListObjects` and `GetObject`.
        answer: In place of the store's own answer to an operation: `operation, key` -> status and XML, or None.
        latency: Seconds that each answer waits, as the network of a remote one does.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        self.requests: Counter[str] = Counter()
        self.answer: Callable[[str, str], tuple[str, bytes] | None] = lambda _operation, _key: None
        self.latency = latency
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._counted, threaded=True, request_handler=MotoRequestHandler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> ObjectStore:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The usual variables, by which every client of S3 finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": _REGION,
        }

    def counted(self) -> dict[str, int]:
        """What was asked since the last call."""
        with self._lock:
            counts = dict(self.requests)
            self.requests.clear()
        return counts

    def _counted(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        operation, key = _asked(environ)
        with self._lock:
            self.requests[operation] += 1
        if self.latency:
            time.sleep(self.latency)
        answered = self.answer(operation, key)
        if answered is None:
            result: Iterable[bytes] = self._moto(environ, start_response)
            return result
        status, body = answered
        start_response(status, [("content-type", "application/xml"), ("content-length", str(len(body)))])
        return [body]


def _asked(environ: Mapping[str, Any]) -> tuple[str, str]:
    """An operation by S3's name, and the key that it is about."""
    _, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
    method, query = environ["REQUEST_METHOD"], parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if method == "GET" and not key and "prefix" in query:
        return "ListObjects", key
    return method.capitalize() + ("Object" if key else "Bucket"), key


def main() -> None:
    """Serve; a line on stdin asks for the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer waits")
    with ObjectStore(latency=parser.parse_args().latency) as store:
        sys.stdout.write(json.dumps(store.environment) + "\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(json.dumps(store.counted()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
