"""One run of the proof: where its report is, how a server is started and suspended, how one is asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.serving.bodies import Bodies, bodies_for
from benchmarks.serving.lineup import Contender
from benchmarks.serving.processes import Serving
from benchmarks.serving.rivals.names import ARTIFACTS, ONNX_FILE
from pricebench.traffic.records import Latency, Probe, Purpose, Traffic
from pricebench.units import Second

_STARTED_WITHIN: Second = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How it is run.

    Attributes:
        artifacts: A trained model.
        server_core: Where servers run, one at a time.
        client_core: Where the client runs, and this process, which sleeps meanwhile.
        connections: That the client keeps.
        step: Of a probe of the search.
        confirm: Of a longer one.
        seed: Of houses and arrivals.
    """

    artifacts: Path
    server_core: int
    client_core: int
    connections: int = 64
    step: Second = 4.0
    confirm: Second = 10.0
    seed: int = 0


class Desk:
    """Starts servers and asks them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._bodies: dict[tuple[Traffic, bool], Bodies] = {}
        self._num_asked = 0

    @classmethod
    @contextmanager
    def open(cls, settings: Settings) -> Iterator[Desk]:
        """Begin, with a folder for what servers write; this process moves to the client's core."""
        os.sched_setaffinity(0, {settings.client_core})
        with TemporaryDirectory(prefix="pricebench-serving-") as folder:
            yield cls(settings, Path(folder))

    def bodies(self, traffic: Traffic, *, lists_only: bool = False) -> Bodies:
        """What is asked."""
        key = (traffic, lists_only)
        if key not in self._bodies:
            self._bodies[key] = bodies_for(
                self.settings.artifacts, traffic, seed=self.settings.seed, lists_only=lists_only
            )
        return self._bodies[key]

    @contextmanager
    def started(self, contender: Contender) -> Iterator[Serving]:
        """A server that answers.

        Raises:
            NotServingError: It does not.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if "onnxruntime" in contender.packages:
            self._export_onnx()
        names = {ARTIFACTS: str(self.settings.artifacts), ONNX_FILE: str(self._onnx_file)}
        serving = Serving(
            contender.command(port),
            port=port,
            core=self.settings.server_core,
            log=self._folder / f"{contender.name}.log",
            environment={**names, **contender.environment},
        )
        with ExitStack() as stack:
            stack.callback(serving.end)
            traffic = Traffic.ONE
            if contender.ready_path:
                serving.wait_until_ready(contender.ready_path, None, within=_STARTED_WITHIN)
            else:
                body = self.bodies(traffic, lists_only=contender.takes_lists_only).texts[0]
                serving.wait_until_ready(contender.paths[traffic], body, within=_STARTED_WITHIN)
            yield serving

    @property
    def _onnx_file(self) -> Path:
        return self._folder / "model.onnx"

    def _export_onnx(self) -> None:
        # In a process of its own: the exporter is half a gigabyte of imports.
        if not self._onnx_file.exists():
            command = (sys.executable, "-m", "benchmarks.serving.onnx_export")
            subprocess.run(
                (*command, str(self.settings.artifacts), str(self._onnx_file)), check=True, capture_output=True
            )

    def client(
        self,
        contender: Contender,
        serving: Serving,
        traffic: Traffic,
        *,
        rate: float,
        seconds: Second,
        warm: bool = True,
    ) -> subprocess.Popen[str]:
        """A client that has begun to ask."""
        self._num_asked += 1
        bodies = self.bodies(traffic, lists_only=contender.takes_lists_only)
        order = {
            "address": serving.address,
            "root": serving.process.pid,
            "requests": bodies.requests(contender.paths[traffic]),
            "rate": rate,
            "seconds": seconds,
            "connections": self.settings.connections,
            "seed": self.settings.seed + self._num_asked,
            "core": self.settings.client_core,
            "is_warmed_up": warm,
        }
        client = subprocess.Popen(
            (sys.executable, "-m", "benchmarks.serving.client"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdin
        json.dump(order, client.stdin)
        client.stdin.close()
        return client

    def found(self, client: subprocess.Popen[str]) -> dict[str, Any]:
        """What a client has found, when it is done."""
        assert client.stdout
        text = client.stdout.read()
        client.stdout.close()
        if client.wait():
            raise RuntimeError(f"the client ended with {client.returncode}.")
        found: dict[str, Any] = json.loads(text)
        return found

    def probe(
        self,
        contender: Contender,
        serving: Serving,
        traffic: Traffic,
        *,
        purpose: Purpose,
        rate: float,
        seconds: Second,
        round_: int = 0,
    ) -> Probe:
        """Ask at one rate."""
        found = self.found(self.client(contender, serving, traffic, rate=rate, seconds=seconds))
        bodies = self.bodies(traffic, lists_only=contender.takes_lists_only)
        samples = [tuple(sample) for sample in found["samples"]] if contender.prices else []
        return Probe(
            server=contender.name,
            traffic=traffic,
            purpose=purpose,
            round=round_,
            rate=rate,
            seconds=found["seconds"],
            num=found["num"],
            statuses=found["statuses"],
            num_checked=len(samples),
            num_wrong=bodies.num_wrong(samples),
            latency=Latency(**found["latency"]),
            server_cpu=found["server_cpu"],
            client_cpu=found["client_cpu"],
            others=found["others"],
        )
