"""The Python that runs a suite: whether it is one, and has what the gate's plugin needs. pricebench is not needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pricebench.gate.records import GateError
from pricebench.paired.environment import tool_environment
from pricebench.paired.workspace import Workspace
from pricebench.units import Second

_NEEDED = {"pytest": "pytest", "pytest_benchmark": "pytest-benchmark"}  # by module what installs it
_OLDEST = (3, 9)  # that the copied files run on
_LIMIT: Second = 60.0
_QUESTION = """
import importlib.util, json, sys
print(json.dumps([list(sys.version_info[:2]), [n for n in sys.argv[1:] if importlib.util.find_spec(n) is None]]))
"""


def require(workspace: Workspace, python: Path, option: str) -> None:
    """See that a suite can be run by a Python.

    Args:
        workspace: Where the question is asked from, so that no project's files answer it.
        python: The file.
        option: Of the command line that names it, or would.

    Raises:
        GateError: It is none, is too old, or lacks pytest or pytest-benchmark; the message has the command.
    """
    command = [str(python), "-c", _QUESTION, "pip", *_NEEDED]
    environment = {name: value for name, value in tool_environment().items() if name != "PYTHONPATH"}
    try:
        answer = workspace.run(command, folder=workspace.folder, environment=environment, limit=_LIMIT)
        version, missing = json.loads(answer.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise GateError(f"{option} is {python}, expected the Python of an environment. Name its file.") from error
    if tuple(version) < _OLDEST:
        found, oldest = (".".join(map(str, numbers)) for numbers in (version, _OLDEST))
        raise GateError(f"{python} is Python {found}, expected {oldest} or later. Name another: {option}.")
    if lacking := [package for module, package in _NEEDED.items() if module in missing]:
        install = f"uv pip install --python {python}" if "pip" in missing else f"{python} -m pip install"
        raise GateError(
            f"{python} has no {' and no '.join(lacking)}, and it is to run the suite. "
            f"Install: {install} {' '.join(lacking)}; or name another Python: {option}."
        )
