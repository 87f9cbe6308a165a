"""Which machine and stack a number was measured on, as one short key.

Measured clocks are left out: they differ between two runs on one machine, and histories would fall apart.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


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
