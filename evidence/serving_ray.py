"""What Ray Serve costs and gives on one machine: our server, and the same application on Ray, in turns.

    python -m evidence.serving_ray                          measures, fifteen minutes; writes reports/scaling/
    python -m evidence.serving_ray --rounds 1 --seconds 1   tries it out

Contenders are started one after another, in each round in another order, and nothing else of ours runs meanwhile. A
client in a process of its own keeps a few connections, each of which asks again when it was answered. What Ray adds to
a request is what the client waits beyond the time that the application itself has counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from pricebench.files import atomic_write
from pricebench.load import LoadMeter
from pricebench.reports import finite

FOLDER = Path(__file__).parents[1] / "reports" / "scaling"
HOUSE = {"income": 68_000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36_000}
_READY = 120.0  # seconds that a server has to start
_WARM = 0.5  # seconds of load that are not counted
_ADDRESS = re.compile(r"on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to serve.

    Attributes:
        name: In the report.
        module: That is run.
        options: After `--artifacts` and `--port`.
        environment: Variables that Ray reads.
    """

    name: str
    module: str = "pricebench"
    options: tuple[str, ...] = ("serve", "--engine", "ray")
    environment: dict[str, str] = field(default_factory=dict)


CONTENDERS = (
    Contender(name="own engine", options=("serve", "--workers", "1")),
    Contender(name="ray"),
    Contender(name="ray, serve.batch", module="evidence.serving_ray_batch", options=()),
    Contender(name="ray, its options for throughput", environment={"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}),
    Contender(
        name="ray, behind HAProxy",
        environment={"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1"},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the client does.

    Attributes:
        connections: That are kept; each has one request at a time.
        houses: In a request.
    """

    connections: int
    houses: int


LOADS = (Load(connections=1, houses=1), Load(connections=8, houses=1), Load(connections=8, houses=64))


# ---- the servers ---------------------------------------------------------------------------------------------------


@contextmanager
def serving(contender: Contender, artifacts: Path) -> Iterator[int]:
    """Run it until the context ends; its port."""
    command = [sys.executable, "-m", contender.module, *contender.options]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, "--artifacts", str(artifacts), "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
            env=os.environ | contender.environment,
        )
        try:
            yield _port_when_ready(process, said.fileno())
        finally:
            process.terminate()
            process.wait(_READY)


def _port_when_ready(process: subprocess.Popen[str], said: int) -> int:
    until = time.monotonic() + _READY
    while time.monotonic() < until and process.poll() is None:
        found = _ADDRESS.search(os.pread(said, 1 << 16, 0).decode())
        with contextlib.suppress(OSError):
            if found and _got(int(found[1]), "/health/ready")[0] == 200:
                return int(found[1])
        time.sleep(0.1)
    raise RuntimeError(f"no server: {os.pread(said, 1 << 16, 0).decode()}")


def _got(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def counted(port: int) -> tuple[float, float]:
    """Requests for prices that the application has answered, and its own seconds for them."""
    text = _got(port, "/metrics")[1]
    count, seconds = (
        re.search(rf'pricebench_request_seconds_{name}{{endpoint="price"}} (\S+)', text) for name in ("count", "sum")
    )
    assert count
    assert seconds
    return float(count[1]), float(seconds[1])


# ---- the client ----------------------------------------------------------------------------------------------------


async def asked(port: int, load: Load, seconds: float) -> dict[str, Any]:
    """Ask for a time; statuses and latencies."""
    body = json.dumps(HOUSE if load.houses == 1 else {"houses": [HOUSE] * load.houses}).encode()
    head = (
        f"POST /v1/price HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    )
    request = head.encode() + b"\r\n\r\n" + body
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    started = time.perf_counter()
    counts_from, ends = started + _WARM, started + _WARM + seconds

    async def ask_again_and_again() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (asked_at := time.perf_counter()) < ends:
            writer.write(request)
            status = await _answer(reader)
            if asked_at >= counts_from:
                statuses[status] += 1
                latencies.append(time.perf_counter() - asked_at)
        writer.close()

    await asyncio.gather(*(ask_again_and_again() for _ in range(load.connections)))
    percentiles = np.percentile(latencies, range(101)).tolist()
    return {
        "requests": len(latencies),
        "seconds": time.perf_counter() - counts_from,
        "statuses": dict(statuses),
        "mean_s": float(np.mean(latencies)),
        "percentiles_s": percentiles,
    }


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read a response; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    assert length, head
    await reader.readexactly(int(length[1]))
    return int(head.split(b" ", 2)[1])


def measured_by_client(port: int, load: Load, seconds: float) -> dict[str, Any]:
    """Let another process ask."""
    command = [sys.executable, "-m", "evidence.serving_ray", "--client", json.dumps([port, asdict(load), seconds])]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    result: dict[str, Any] = json.loads(said)
    return result


# ---- the measurement -----------------------------------------------------------------------------------------------


def measure(artifacts: Path, *, rounds: int, seconds: float, note: Callable[[list[dict[str, Any]]], None]) -> None:
    """Measure all of them in turns; `note` is told all results after each."""
    results: list[dict[str, Any]] = []
    chance = np.random.default_rng(0)
    for number in range(rounds):
        for place in chance.permutation(len(CONTENDERS)):
            contender = CONTENDERS[place]
            meter, started = LoadMeter(), time.perf_counter()
            with serving(contender, artifacts) as port:
                ready_after = time.perf_counter() - started
                for load in LOADS:
                    before = counted(port)
                    found = measured_by_client(port, load, seconds)
                    num, inside = (now - then for now, then in zip(counted(port), before, strict=True))
                    results.append(
                        {
                            "round": number,
                            "contender": contender.name,
                            **asdict(load),
                            "start_s": ready_after,
                            **found,
                            "mean_in_application_s": inside / num,
                        }
                    )
                    sys.stderr.write(line(results[-1]))
            results[-1]["hypervisor_and_others"] = meter.shares()
            note(results)


def line(result: dict[str, Any]) -> str:
    """A measurement for people."""
    each, beyond = result["percentiles_s"], result["mean_s"] - result["mean_in_application_s"]
    return (
        f"{result['contender']:>32}, {result['connections']} x {result['houses']:>2}: "
        f"{result['requests'] / result['seconds']:8.1f} requests/s, p50 {each[50] * 1e3:7.2f} ms, "
        f"p99 {each[99] * 1e3:7.2f} ms, beyond the application {beyond * 1e3:7.2f} ms, {result['statuses']}\n"
    )


def table(report: dict[str, Any]) -> str:
    """A row per contender: requests a second by load; of one load the latencies, and what is not the application's."""
    results = report["results"]
    rounds = 1 + max(result["round"] for result in results)
    titles = [f"{load.connections} x {load.houses}" for load in LOADS]
    lines = [
        f"| | {' | '.join(titles)} | p50, ms | p99, ms | beyond the application, ms |",
        "|---|" + "---:|" * (len(LOADS) + 3),
    ]
    for contender in CONTENDERS:
        by_load = [
            [result for result in results if result["contender"] == contender.name and _is_of(result, load)]
            for load in LOADS
        ]
        of_many = by_load[1]
        beyond = [each["mean_s"] - each["mean_in_application_s"] for each in of_many]
        cells = [
            *(_over_rounds([each["requests"] / each["seconds"] for each in found], "{:,.0f}") for found in by_load),
            *(_over_rounds([each["percentiles_s"][place] * 1e3 for each in of_many], "{:.3g}") for place in (50, 99)),
            _over_rounds([seconds * 1e3 for seconds in beyond], "{:.3g}"),
        ]
        lines.append(f"| {contender.name} | {' | '.join(cells)} |")
    answers = sum((Counter(result["statuses"]) for result in results), Counter())
    machine = report["machine"]
    told = (
        f"Requests a second by connections x houses of a request, and of {titles[1]} the latencies: medians of "
        f"{rounds} rounds, and their range; one replica or worker. "
        f"{', '.join(f'{num:,} answers {status}' for status, num in sorted(answers.items()))}. "
        f"{machine['cpu']}, {report['cores']} cores, torch {machine['torch']}, ray {report['ray']}, "
        f"{report['started'][:10]}."
    )
    return "\n".join([*lines, "", told]) + "\n"


def _is_of(result: dict[str, Any], load: Load) -> bool:
    return (result["connections"], result["houses"]) == (load.connections, load.houses)


def _over_rounds(values: list[float], form: str) -> str:
    middle, low, high = (form.format(value) for value in (np.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, load, seconds = json.loads(options.client)
        sys.stdout.write(json.dumps(asyncio.run(asked(port, Load(**load), seconds))))
        return
    from importlib.metadata import version  # noqa: PLC0415

    from pricebench.machine import this_machine  # noqa: PLC0415 - imports torch, which the client does not need

    started, machine = datetime.now(UTC), this_machine()
    path = options.out / f"serving_ray-{machine.digest}_{started:%Y%m%dT%H%M%SZ}.json"

    def note(results: list[dict[str, Any]]) -> None:
        report = {
            "started": started.isoformat(timespec="seconds"),
            "fingerprint": machine.digest,
            "machine": asdict(machine),
            "cores": len(os.sched_getaffinity(0)),
            "ray": version("ray"),
            "results": results,
        }
        with atomic_write(path) as file:
            file.write(json.dumps(finite(report), indent=1).encode() + b"\n")

    measure(options.artifacts, rounds=options.rounds, seconds=options.seconds, note=note)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
