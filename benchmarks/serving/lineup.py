"""Who is measured: our server in each mode, a constant, and the rivals; how each is started and asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from pricebench.traffic.records import Server, Traffic

_RIVALS = "benchmarks.serving.rivals"
_UVICORN = (
    sys.executable,
    *("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
)
_UVICORN_SET_UP = "uvicorn with uvloop and httptools, one worker, no access log"

CONSTANT = "constant"
OURS = "pricebench-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server that can be started.

    Attributes:
        server: As the report has it.
        command: Starts it on a port.
        paths: Where it is asked.
        packages: That it needs.
        prices: Whether its answers are prices.
        takes_lists_only: Whether one house is a list of one.
        ready_path: Answers 200 to a GET when it is ready; empty where only a price tells.
        environment: For its processes.
    """

    server: Server
    command: Callable[[int], Sequence[str]]
    paths: Mapping[Traffic, str]
    packages: tuple[str, ...] = ()
    prices: bool = True
    takes_lists_only: bool = False
    ready_path: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its probes."""
        return self.server.name


def ours(mode: str, artifacts: str, *options: str) -> Contender:
    """`pricebench serve` in a mode.

    Args:
        mode: Execution mode.
        artifacts: A trained model.
        options: More of the command's.
    """
    return Contender(
        server=Server(
            name=f"{OURS}{mode}",
            title=f"pricebench serve ({mode})",
            is_ours=True,
            set_up="one worker, one thread, every check and limit as by default",
            versions=_versions("torch", "uvicorn", "httptools", "uvloop"),
        ),
        command=lambda port: (
            *(sys.executable, "-m", "pricebench", "serve", "--artifacts", artifacts, "--mode", mode),
            *("--port", str(port), *options),
        ),
        paths=dict.fromkeys(Traffic, "/v1/price"),
        ready_path="/health/ready",
    )


def rivals() -> list[Contender]:
    """Everybody else; the constant first."""
    fastapi = f"{_RIVALS}.fastapi_app"
    one_way = {Traffic.ONE: "/price", Traffic.MIXED: "/prices"}
    return [
        Contender(
            server=_server(CONSTANT, "a constant from uvicorn", f"no JSON and no model; {_UVICORN_SET_UP}", "uvicorn"),
            command=lambda port: (*_UVICORN, "--port", str(port), f"{_RIVALS}.constant:app"),
            paths=dict.fromkeys(Traffic, "/price"),
            packages=("uvicorn",),
            prices=False,
        ),
        Contender(
            server=_server(
                "fastapi-eager",
                "FastAPI + eager",
                f"async def, since nothing is waited for, pydantic both ways; one torch thread; {_UVICORN_SET_UP}",
                *("fastapi", "pydantic", "uvicorn", "torch"),
            ),
            command=lambda port: (*_UVICORN, "--port", str(port), "--factory", f"{fastapi}:with_eager"),
            paths=one_way,
            packages=("fastapi",),
        ),
        Contender(
            server=_server(
                "fastapi-onnx",
                "FastAPI + ONNX Runtime",
                f"torch.onnx.export(dynamo=True), one intra-op thread; the rest as FastAPI + eager; {_UVICORN_SET_UP}",
                *("fastapi", "onnxruntime", "uvicorn"),
            ),
            command=lambda port: (*_UVICORN, "--port", str(port), "--factory", f"{fastapi}:with_onnx_runtime"),
            paths=one_way,
            packages=("fastapi", "onnxruntime", "onnxscript"),
        ),
        Contender(
            server=_server(
                "litserve",
                "LitServe, batching",
                "max_batch_size 64, batch_timeout 1 ms, fast_queue, one worker and API server; eager, one torch thread",
                *("litserve", "uvicorn", "torch"),
            ),
            command=lambda port: (sys.executable, "-m", f"{_RIVALS}.litserve_app", str(port)),
            paths=dict.fromkeys(Traffic, "/price"),
            packages=("litserve",),
        ),
        Contender(
            server=_server(
                "bentoml",
                "BentoML",
                "async def, one worker, no access log, no metrics; eager, one torch thread",
                *("bentoml", "uvicorn", "torch"),
            ),
            command=lambda port: (
                *(sys.executable, "-m", "bentoml", "serve", f"{_RIVALS}.bentoml_app:Prices"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ),
            paths=dict.fromkeys(Traffic, "/price"),
            packages=("bentoml",),
            takes_lists_only=True,
            environment={"BENTOML_DO_NOT_TRACK": "True"},
        ),
    ]


def why_missing(contender: Contender) -> str:
    """Which of its packages is not installed, as a sentence; empty where all are."""
    for package in contender.packages:
        try:
            version(package)
        except PackageNotFoundError:
            return f"{package} is not installed. Install it: uv sync --group load."
    return ""


def _server(name: str, title: str, set_up: str, *packages: str) -> Server:
    return Server(name=name, title=title, is_ours=False, set_up=set_up, versions=_versions(*packages))


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # said as missing
    return found
