"""A Ray cluster to work on: one that is there, or one of this machine alone that ends with the work."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import UnsupportedOperation
from pathlib import Path
from typing import Any, TextIO

from pricebench.errors import PricebenchError
from pricebench.extras import require
from pricebench.scaling import leftovers

_ANSWER_TIME = 5.0  # seconds in which an address has to take a connection
_NODE_TIME = 180.0  # seconds in which a node has to start a process and import pricebench; a cold disk takes a minute
_STDERR = 2  # the descriptor
_STORE_BYTES = 100 << 20  # of shared memory a node; what travels are descriptions

# Each of these is read when ray is imported, so whoever imports it first sets them.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else a driver under `uv run` has its folder uploaded and each worker started by uv.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # The coming default; Ray warns at each start while it is not said.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# With it a node may be at 127.0.0.1, where nobody else reaches it; Ray takes the machine's outer address else.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


class ClusterError(PricebenchError):
    """A cluster is not there, or cannot do the work."""


@contextmanager
def cluster(address: str | None = None, *, num_cpus: int | None = None, needed_by: str) -> Iterator[Any]:
    """Connect to a cluster, or start one that only this machine reaches; leave it, or end it, with the context.

    What Ray prints reaches nobody; what goes wrong is raised.

    Args:
        address: HOST:PORT of a cluster's head; None to start one.
        num_cpus: Of the one that is started; None for the cores of this machine.
        needed_by: What cannot work without Ray.

    Yields:
        The module `ray`.

    Raises:
        MissingPackageError: Ray is not installed.
        ClusterError: Nobody answers at the address, or a node cannot run our code.
    """
    require("ray", needed_by)
    os.environ.update(QUIET)
    if address is not None:
        _require_answer(address)
    if address is None or _is_loopback(address):
        os.environ.update(LOOPBACK)
    import ray  # noqa: PLC0415 - an optional extra, and a second

    with (
        tempfile.TemporaryDirectory(prefix="pb-", dir=_short_folder()) as folder,
        nullcontext() if address else _without_leftovers(folder),
        _silence(),
    ):
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if address is None:
                ray.init(
                    "local",
                    num_cpus=num_cpus or len(os.sched_getaffinity(0)),
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=folder,
                    **quiet,
                )
            else:
                _require_ray(address)
                ray.init(address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise ClusterError(f"{address or 'a cluster of this machine'}: {_first_line(error)}.") from error
        try:
            _require_same_code(ray)
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _without_leftovers(folder: str) -> Iterator[None]:
    """Whoever works in the folder of our cluster ends with this process, also when it is killed."""
    command = [sys.executable, "-I", leftovers.__file__, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(
            f"--address is '{address}', expected HOST:PORT of a Ray cluster's head, such as 10.0.0.1:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_TIME).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--address {address}: expected a Ray cluster, found nobody who answers within {_ANSWER_TIME:g} s "
            f"({error}). Start one there: ray start --head."
        ) from error


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # the name of a machine
        return False


def _require_ray(address: str) -> None:
    """Whoever listens there is a Ray cluster: `ray.init` waits for minutes to find out, this for 40 seconds."""
    from ray._private.authentication import authentication_token_setup as tokens  # noqa: PLC0415
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # noqa: PLC0415 - it is compiled
    from ray.exceptions import AuthenticationError, RpcError  # noqa: PLC0415

    try:
        GcsClient(address=address)
    except AuthenticationError:
        # Shown only where it is asked for: with a token the driver refuses the workers of a cluster that has none.
        if not tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
            raise
    except RpcError as error:
        raise ClusterError(
            f"--address {address}: expected a Ray cluster, found something else that listens there "
            f"({_first_line(error)}). Start one: ray start --head."
        ) from error


def _require_same_code(ray: Any) -> None:
    """Ask every node whether it can import what is going to run there."""
    ours = version("pricebench")

    # A local function travels whole, not by its name: it runs where there is no pricebench.
    def what_is_wrong() -> str:
        from importlib import import_module, metadata, util  # noqa: PLC0415

        try:
            import_module("pricebench.scaling")
        except ImportError as error:
            return f"cannot import pricebench ({error})"
        if util.find_spec("torch") is None:  # not imported: that takes seconds
            return "has no torch"
        found = metadata.version("pricebench")
        return "" if found == ours else f"has pricebench {found}"

    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    task = ray.remote(num_cpus=0, max_retries=0)(what_is_wrong)
    asked = {node: task.options(scheduling_strategy=strategy(node_id=node, soft=False)).remote() for node in nodes}
    for node, answer in asked.items():
        try:
            wrong = ray.get(answer, timeout=_NODE_TIME)
        except ray.exceptions.GetTimeoutError as error:
            raise ClusterError(
                f"node {nodes[node]} of the cluster: expected a process that imports pricebench, found none after "
                f"{_NODE_TIME:g} s. Look at the node, or leave it out."
            ) from error
        except ray.exceptions.RayError as error:
            wrong = f"does not start a process ({_first_line(error)})"
        if wrong:
            raise ClusterError(
                f"node {nodes[node]} of the cluster {wrong}; expected version {ours} on every node. "
                f"Install it there: pip install 'pricebench[ray]=={ours}'."
            )


def _short_folder() -> str | None:
    """Where Ray's sockets fit: their paths may have 107 characters, and Ray's own folders take 75 of them."""
    return None if len(tempfile.gettempdir()) <= 16 or not Path("/tmp").is_dir() else "/tmp"  # noqa: S108


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")


def last_line(told: object) -> str:
    """What an error of Ray comes down to: the lines above are tracebacks of its processes."""
    lines = [line.strip() for line in str(told).splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given").rstrip(".")


def _is_descriptor(stderr: TextIO) -> bool:
    try:
        return stderr.fileno() == _STDERR
    except UnsupportedOperation:  # somebody has put a text in its place
        return False


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing of Ray reaches the terminal: its Python prints to stdout, its C++ writes to the descriptor of stderr."""
    with ExitStack() as ends:
        nowhere = ends.enter_context(open(os.devnull, "w"))  # noqa: PTH123 - no path
        if _is_descriptor(sys.stderr):
            terminal = ends.enter_context(os.fdopen(os.dup(_STDERR), "w", buffering=1))
            os.dup2(nowhere.fileno(), _STDERR)
            ends.callback(os.dup2, terminal.fileno(), _STDERR)
            ends.enter_context(redirect_stderr(terminal))
        ends.enter_context(redirect_stdout(nowhere))
        yield
