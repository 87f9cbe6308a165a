"""What of the user's environment reaches the processes that measure, or prepare for it."""

from __future__ import annotations

import os
from collections.abc import Mapping

# git sets them for its hooks: with them, git would work on the user's index and checkout instead of on ours.
_OF_GIT = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
# What a user's shell may hold that would change which code is measured, or how it runs.
_OF_CODE = (
    "COVERAGE_PROCESS_START",
    "PYTEST_ADDOPTS",
    "PYTEST_CURRENT_TEST",
    "PYTEST_PLUGINS",
    "PYTHONPATH",
    "TORCH_COMPILE_JOB_ID",
    "TORCH_LOGS",
    "TORCH_TRACE",
)
_OF_PYTHON = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV")
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def tool_environment() -> dict[str, str]:
    """For git and uv: the folder that they are started for decides, nothing else."""
    return {name: value for name, value in os.environ.items() if name not in (*_OF_GIT, *_OF_PYTHON)}


def plain_environment(threads: int) -> dict[str, str]:
    """The user's without what would change which code runs, or how; with the number of threads."""
    kept = {name: value for name, value in os.environ.items() if name not in (*_OF_GIT, *_OF_CODE)}
    return {**kept, **dict.fromkeys(_THREADS, str(threads))}


def bytecode_warnings(environment: Mapping[str, str]) -> list[str]:
    """What a figure that holds imports should say where no bytecode is kept (docs/log.md has what that costs)."""
    if environment.get("PYTHONDONTWRITEBYTECODE", "") in ("", "0"):
        return []
    said = "PYTHONDONTWRITEBYTECODE is set: each process compiles what it imports anew, so first answers are later"
    return [f"{said}. Unset it, unless it is set where you ship"]


def worker_environment(threads: int, seed: int) -> dict[str, str]:
    """For what is measured: the user's without what would change the measurement, with what makes processes alike."""
    return {
        **plain_environment(threads),
        # Compiling in processes of its own would start them in every worker.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        # Of 2 MiB pages there are few, so which of them a process gets matters less: docs/log.md has the figures.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "PYTHONHASHSEED": str(seed),
    }
