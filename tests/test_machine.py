from __future__ import annotations

import re
from pathlib import Path

import pytest

from pricebench.machine import this_machine

CPUINFO = Path("/proc/cpuinfo")


def test_generations_of_a_cpu_that_share_a_name_are_two_machines():
    told = CPUINFO.read_text() if CPUINFO.is_file() else ""
    numbers = [re.search(rf"^{name}\s*: (\d+)$", told, re.MULTILINE) for name in ("cpu family", "model")]
    if not all(numbers):
        pytest.skip("this system does not tell family and model of its CPU in /proc/cpuinfo")

    family, model = (found[1] for found in numbers)

    assert this_machine().cpu.endswith(f"(family {family}, model {model})")
