"""Reading this machine's facts for the fingerprint."""

from __future__ import annotations

import os
import platform
import re
from functools import cache

import cpuinfo
import torch

from pricebench.history import Fingerprint


def this_machine(device: str = "cpu") -> Fingerprint:
    """The fingerprint of this process: call it after the number of threads was set.

    Args:
        device: "cpu" or "cuda".
    """
    return Fingerprint(
        cpu=_cpu_model(),
        architecture=platform.machine(),
        logical_cores=os.cpu_count() or 0,
        system=platform.system(),
        python=".".join(platform.python_version_tuple()[:2]),
        torch=torch.__version__,
        blas=_blas(),
        threads=torch.get_num_threads(),
        device=_device_name(device),
    )


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    # The benchmarks say so too and skip; asking torch for the name would end the run before they can.
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"


@cache
def _cpu_model() -> str:
    told = cpuinfo.get_cpu_info()
    brand = str(told.get("brand_raw") or "unknown")
    family, model = told.get("family"), told.get("model")
    # Hypervisors call generations by one name: an "AMD EPYC" of family 25 multiplies half as fast as one of 26.
    return brand if family is None or model is None else f"{brand} (family {family}, model {model})"


def _blas() -> str:
    found = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return found.group(1) if found else "unknown"
