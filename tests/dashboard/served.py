"""`pricebench dashboard` in a process of its own, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

import pytest


@contextmanager
def served(home, *more):
    """`pricebench dashboard` on a free port, until Ctrl-C; its address, and its exit status in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pricebench", "dashboard", "--port", str(port), *more]
    environment = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true", "PRICEBENCH_CACHE": str(home / "cache")}
    process = subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # A server that never says where it is must not hold the tests for ever.
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        for line in process.stdout:
            if "URL:" in line:
                break
        else:
            pytest.fail("the server ended before it said where it is")
        guard.cancel()
        address = f"http://127.0.0.1:{port}"
        assert urllib.request.urlopen(f"{address}/_stcore/health", timeout=10).read() == b"ok"  # noqa: S310
        yield address
    finally:
        guard.cancel()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0
