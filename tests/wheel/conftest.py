"""The wheel, built once, and environments that hold it and nothing of this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import linked_environment

ROOT = Path(__file__).parents[2]
# Another test's settings, or ours, are not those of somebody who installed a wheel.
FOREIGN = ("PYTEST_", "PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT", "GITHUB_", "GIT_")


class Environment:
    """An environment, into which the wheel is installed."""

    def __init__(self, folder: Path, wheel: Path, extras: str = "") -> None:
        self.folder = folder
        install = ("pip", "install", "--python", str(self.program("python")), f"{wheel}{extras}")
        # What is linked belongs to another environment: nothing may be put in its place.
        assert "uninstall" not in uv(*install, "--dry-run").stderr
        uv(*install)

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program(program)), *arguments],
            cwd=cwd,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {**kept, "COLUMNS": "140", "PATH": f"{self.folder / 'bin'}{os.pathsep}{kept['PATH']}"}


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("uv")
    assert program is not None
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("uv") is None:
        pytest.skip("needs uv, to build the wheel and to make environments")
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def base_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("base") / "env"
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    return Environment(folder, wheel)


@pytest.fixture(scope="session")
def full_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where the large packages are there already: copying them, and compiling them for Python, would take a minute."""
    folder = tmp_path_factory.mktemp("full") / "env"
    linked_environment(folder, "torch", "streamlit", "pyarrow")
    return Environment(folder, wheel, "[all]")
