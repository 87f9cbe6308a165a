"""The instructions that this CPU has, and which of them multiply short numbers."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch

# The sets of x86 that GCC's `-march=native` may use.
_INSTRUCTIONS = (
    *("sse", "ssse", "avx", "amx", "fma", "f16c", "bmi", "abm", "popcnt", "movbe", "adx"),
    *("aes", "vaes", "pclmul", "vpclmul", "gfni", "sha", "movdir", "clwb", "rdrnd", "rdseed"),
)
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")


@cache
def cpu_flags() -> tuple[str, ...]:
    """Instructions that this CPU has, as Linux names them, and what torch makes of them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        lines = []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    # Beside instructions there stand clocks and mitigations, which no program asks for.
    instructions = {flag for flag in flags if flag.startswith(_INSTRUCTIONS) or platform.machine() == "aarch64"}
    return tuple(sorted({*instructions, platform.machine(), torch.backends.cpu.get_cpu_capability()}))


def bfloat16_missing() -> str | None:
    """Why this CPU should not multiply in bfloat16, or None. Without instructions oneDNN rounds, which only costs."""
    if set(_BFLOAT16) & set(cpu_flags()):
        return None
    return f"this CPU has none of {', '.join(_BFLOAT16)}, so bfloat16 would be slower than float32"
