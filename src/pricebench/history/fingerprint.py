"""Which machine and stack a number was measured on, as one short key.

Measured clocks are left out: they differ between two runs on one machine, and histories would fall apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The facts; two runs are comparable only if all of them agree.

    Attributes:
        cpu: CPU model, or "unknown".
        architecture: Such as x86_64.
        logical_cores: As the operating system counts them.
        system: Operating system.
        python: Major and minor version.
        torch: Full version, with its build.
        blas: Library behind the matrix products.
        threads: Intra-op threads.
        device: Device name, or "cpu".
    """

    cpu: str
    architecture: str
    logical_cores: int
    system: str
    python: str
    torch: str
    blas: str
    threads: int
    device: str

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits of SHA-256 over the facts; the folder's name under `reports/history`."""
        facts = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMachine:
    """What a file without a fingerprint tells about its machine.

    Attributes:
        key: `partial-` and ten hexadecimal digits over the facts, or None where there are none.
        facts: Those that were stated, named as in a fingerprint; torch, BLAS and threads are unknown.
    """

    key: str | None
    facts: Mapping[str, str | int]


def stated_machine(machine_info: Mapping[str, Any]) -> StatedMachine:
    """The comparable facts in pytest-benchmark's `machine_info`.

    Left out are the host's name and kernel, which change with every hosted CI job, and measured clocks.
    """
    cpu = machine_info.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}  # a project's own hook may have put something else there
    facts = {
        "cpu": cpu.get("brand_raw") or cpu.get("brand"),  # py-cpuinfo renamed it in version 6
        "architecture": machine_info.get("machine"),
        "logical_cores": cpu.get("count"),
        "system": machine_info.get("system"),
        "implementation": machine_info.get("python_implementation"),
        "python": ".".join(str(machine_info.get("python_version") or "").split(".")[:2]),
    }
    stated: dict[str, str | int] = {
        name: value if isinstance(value, int) else str(value)
        for name, value in facts.items()
        if isinstance(value, str | int) and value and value != "unknown"
    }
    if not stated:
        return StatedMachine(key=None, facts={})
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:10]
    return StatedMachine(key=f"partial-{digest}", facts=stated)
