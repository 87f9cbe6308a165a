from __future__ import annotations

import subprocess
import sys

import pytest

from pricebench.paired.environment import bytecode_warnings


@pytest.mark.parametrize("environment", [{}, {"PYTHONDONTWRITEBYTECODE": ""}, {"PYTHONDONTWRITEBYTECODE": "0"}])
def test_it_is_said_where_python_keeps_no_bytecode(environment):
    command = [sys.executable, "-S", "-c", "import sys; print(sys.dont_write_bytecode)"]
    says = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    assert len(bytecode_warnings(environment)) == (says == "True")
