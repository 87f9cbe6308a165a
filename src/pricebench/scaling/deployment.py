"""The server's application on a Ray cluster: replicas behind Ray Serve's proxy, each with a model and its own batches.

Requests are batched by ours, in each replica, and not by Ray's `serve.batch`. A new model is checked here first; then
Ray replaces replica by replica, each of which answers what it has begun before it ends, so no request is lost.
"""

from __future__ import annotations

import base64
import logging
import math
import signal
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from pricebench.errors import PricebenchError
from pricebench.scaling.cluster import ClusterError, cluster, last_line
from pricebench.server.app import App, not_http
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.example import curl
from pricebench.server.hosts import hosts_of
from pricebench.server.listening import listen
from pricebench.server.requests import Receive, Scope, Send
from pricebench.server.service import Service
from pricebench.server.settings import Settings
from pricebench.server.snapshots import EXPORTED, Snapshots, Watch
from pricebench.units import Second, counted

if TYPE_CHECKING:
    from pricebench.serving.reloading import Models

NAME = "pricebench"
_LOOK: Second = 1.0  # at a changed folder
# Requests that a replica has at a time, for which autoscaling adds none yet: so many make one batch.
_ONGOING_PER_REPLICA = 64
_SILENCES = 3  # health checks without an answer, after which Ray replaces a replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """How many processes answer.

    Attributes:
        fewest: At any time.
        most: While much is asked; the same number where it does not change.
    """

    fewest: int = 1
    most: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2` or `1:4`.

        Raises:
            PricebenchError: It is no such text.
        """
        low, colon, high = text.partition(":")
        if not low.isdecimal() or (colon and not high.isdecimal()) or not 1 <= int(low) <= int(high or low) <= 1000:
            raise PricebenchError(f"--replicas is '{text}', expected a number such as 2, or a range such as 1:4.")
        return cls(fewest=int(low), most=int(high or low))

    def __str__(self) -> str:
        if self.fewest == self.most:
            return counted(self.most, "replica")
        return f"{self.fewest} to {self.most} replicas"

    @property
    def options(self) -> dict[str, Any]:
        """As Ray Serve takes them."""
        if self.fewest == self.most:
            return {"num_replicas": self.fewest}
        scaling = {"min_replicas": self.fewest, "max_replicas": self.most}
        return {"autoscaling_config": scaling | {"target_ongoing_requests": _ONGOING_PER_REPLICA}}


class Prices:
    """A replica.

    Attributes:
        application: The same as in a worker of `pricebench serve`.
    """

    def __init__(self, settings: str, hosts: list[str], *, is_alone: bool) -> None:
        """Begin without a model; `reconfigure` brings it.

        Args:
            settings: As `Settings.to_json` wrote them.
            hosts: That requests may name.
            is_alone: All of the cluster is this machine, and nobody else is to reach it.
        """
        if is_alone:
            _stay_on_loopback()
        self._settings = Settings.from_json(settings)
        counters = Counters(memoryview(array("d", bytes(8 * NUMBERS))))
        self._service = Service(
            limits=self._settings.limits,
            counters=counters,
            everyone=[counters],
            token=self._settings.token,
            hosts=hosts,
            clock=time.monotonic,
        )
        self.application = App(self._service)
        self._models: Models | None = None

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Load the model.

        Args:
            config: `files` by name, base64: what Ray hands to every replica that it starts.
        """
        import torch  # noqa: PLC0415 - seconds

        from pricebench.serving.reloading import Models  # noqa: PLC0415

        torch.set_num_threads(self._settings.threads)
        if self._models is None:
            self._models = Models(
                mode=self._settings.mode or None,
                exported=EXPORTED if self._settings.exported else None,
                device=self._settings.device,
                on_switch=self._service.use,
            )
        with tempfile.TemporaryDirectory(prefix="pricebench-replica-") as folder:
            for name, content in config["files"].items():
                (Path(folder) / Path(name).name).write_bytes(base64.b64decode(content))
            await self._models.load_beside(Path(folder))
        self._models.switch()

    async def check_health(self) -> None:
        """Answer Ray from the loop that prices: one that hangs does not."""


def _stay_on_loopback() -> None:
    """Ray 2.60 opens a port of each replica to the network, wherever its node listens, and unpickles what comes."""
    # By name: the module has no types, and the attribute is Ray's own.
    replica: Any = import_module("ray.serve._private.replica")
    add_port = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add_port(server, address.replace("[::]", "127.0.0.1"))


class Route:
    """What Ray Serve takes for the application: it finds the replica's own when a request is there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one, as ASGI asks."""
        if scope["type"] != "http":
            await not_http(scope, receive, send)
            return
        from ray.serve import get_replica_context  # noqa: PLC0415 - an optional extra, here in a replica

        replica: Any = get_replica_context().servable_object
        await replica.application(scope, receive, send)


class Server:
    """A deployment that serves; made by `deployed`.

    Attributes:
        url: Where it answers.
    """

    def __init__(
        self, serve: Any, settings: Settings, replicas: Replicas, snapshots: Snapshots, *, url: str, is_alone: bool
    ) -> None:
        self.url = url
        self._is_alone = is_alone
        self._serve = serve
        self._settings = settings
        self._replicas = replicas
        self._snapshots = snapshots
        self._class = serve.ingress(Route())(Prices)

    def use_model(self) -> str:
        """Hand what lies in the artifacts folder to all replicas; returns when they serve it.

        Returns:
            Its digest.

        Raises:
            PricebenchError: It is no whole model, or its mode cannot run here; the one that serves goes on.
        """
        from pricebench.serving.readiness import load_ready  # noqa: PLC0415 - imports torch

        _, folder = self._snapshots.take()
        settings = self._settings
        try:
            # Checked here first: a replica that refuses it would end.
            ready = load_ready(
                folder,
                mode=settings.mode or None,
                exported=EXPORTED if settings.exported else None,
                device=settings.device,
            )
        except PricebenchError as error:
            raise type(error)(self._snapshots.told(str(error))) from error
        files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.iterdir()}
        url = self.url.removeprefix("http://").rpartition(":")[0].strip("[]")
        hosts = hosts_of(url, host=settings.host, allowed=settings.allowed_hosts, has_token=bool(settings.token))
        deployment = self._serve.deployment(
            self._class,
            name=NAME,
            user_config={"files": files},
            # What waits is refused by our queue, with a 503 that says so.
            max_ongoing_requests=settings.limits.connections,
            graceful_shutdown_timeout_s=settings.grace,
            health_check_period_s=settings.hang_timeout / _SILENCES,
            health_check_timeout_s=settings.hang_timeout / _SILENCES,
            # One new replica at least is there before an old one goes: requests to a single one would wait for seconds.
            # Elsewhere there may be no room for it, and Ray would wait for ever.
            max_surge_percent=1 if self._is_alone else 0,
            ray_actor_options={"num_cpus": settings.threads},
            **self._replicas.options,
        )
        try:
            bound = deployment.bind(settings.to_json(), list(hosts), is_alone=self._is_alone)
            self._serve.run(bound, name=NAME, route_prefix="/")
        except RuntimeError as error:
            told = self._serve.status().applications[NAME].deployments[NAME].message
            raise ClusterError(f"Ray Serve could not start the replicas: {last_line(told or error)}.") from error
        return ready.digest


@contextmanager
def deployed(settings: Settings, replicas: Replicas, address: str | None = None) -> Iterator[Server]:
    """Serve on a cluster while the context lasts; the replicas end with it.

    Args:
        settings: What to serve, where, and what is refused.
        replicas: How many.
        address: HOST:PORT of the cluster; None for one of this machine.

    Raises:
        ServeError: The port is taken, or another address than this machine's own has no token.
        ClusterError: The cluster is not there, or too small.
        PricebenchError: There is no model.
    """
    from pricebench.artifacts import Artifacts  # noqa: PLC0415 - imports torch

    # No cluster is started for a port that is taken.
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
    # Nor for a folder without a model.
    Artifacts.load(settings.artifacts)
    with Snapshots(settings.artifacts, settings.exported) as snapshots:
        needed = (replicas.most + 1) * settings.threads  # while a new model takes over, there is one more
        with cluster(address, num_cpus=needed if address is None else None, needed_by="--engine ray") as ray:
            found = int(ray.cluster_resources().get("CPU", 0))
            if found < replicas.fewest * settings.threads:
                raise ClusterError(
                    f"--replicas {replicas.fewest}: expected a cluster with {replicas.fewest * settings.threads} CPUs, "
                    f"found {found}. Take fewer."
                )
            serve: Any = import_module("ray.serve")  # an optional extra, without types
            logging.getLogger("ray.serve").setLevel(logging.ERROR)

            serve.start(
                http_options={
                    "host": host,
                    "port": port,
                    "location": "HeadOnly",
                    # Of all of a request: to arrive, and to be priced; 408 after it.
                    "request_timeout_s": settings.limits.receive_timeout + settings.limits.deadline,
                    "keep_alive_timeout_s": math.ceil(settings.limits.idle_timeout),
                },
                logging_config={"log_level": "ERROR", "enable_access_log": False},
            )
            try:
                url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
                server = Server(serve, settings, replicas, snapshots, url=url, is_alone=address is None)
                server.use_model()
                yield server
            finally:
                serve.shutdown()


def serve_until_told(
    settings: Settings, replicas: Replicas, address: str | None, *, say: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM; SIGHUP, or a changed folder where it is watched, brings the new model."""
    told: set[signal.Signals] = set()
    is_told = threading.Event()

    def hear(number: int, _frame: FrameType | None) -> None:
        told.add(signal.Signals(number))
        is_told.set()

    with deployed(settings, replicas, address) as server:
        # After Ray, which has put its own in their place.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, hear)
        watch = Watch(settings.artifacts, settings.exported) if settings.watch else None
        say(f"serving on {server.url}, {replicas}; such as:")
        say(curl(server.url, has_token=bool(settings.token)))
        while not told & {signal.SIGINT, signal.SIGTERM}:
            is_told.wait(_LOOK)
            is_told.clear()
            if signal.SIGHUP in told or (watch and watch.has_changed()):
                told.discard(signal.SIGHUP)
                try:
                    say(f"serving model {server.use_model()[:12]}")
                except PricebenchError as error:
                    say(f"refused the new model, the old one goes on: {error}")
        say("ending")
