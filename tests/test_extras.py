from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pricebench.extras import _EXTRAS, absent, explained

# Python's own way to hide a package: importing it is then as in an environment without it.
HIDING = "import sys; sys.modules.update(dict.fromkeys({hidden!r}));"


def run_without(*hidden, code="from pricebench.cli import main; main()", arguments=(), cwd=None):
    command = [sys.executable, "-c", HIDING.format(hidden=hidden) + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize("command", ["modes", "train", "cliff", "profile"])
def test_a_command_without_torch_is_one_sentence_with_the_command_to_run(command, tmp_path):
    result = run_without("torch", arguments=[command], cwd=tmp_path)

    assert result.returncode == 2
    assert result.stderr == (
        f"pricebench: {command} needs torch, which is not installed. Install it: pip install 'pricebench[torch]'.\n"
    )


def test_the_dashboard_without_streamlit_says_which_extra(tmp_path):
    result = run_without("streamlit", arguments=["dashboard", "--port", "8799"], cwd=tmp_path)

    assert result.returncode == 2
    assert result.stderr == (
        "pricebench: dashboard needs streamlit, which is not installed. "
        "Install it: pip install 'pricebench[dashboard]'.\n"
    )


def test_what_somebody_elses_code_lacks_is_not_explained_by_our_extras():
    with pytest.raises(ModuleNotFoundError) as caught:
        exec("import torch.nowhere", {"__name__": "model"})  # noqa: S102

    assert caught.value.name == "torch.nowhere"
    assert explained(caught.value, needed_by="modes") is None


def test_a_package_that_no_extra_brings_keeps_its_traceback():
    with pytest.raises(ModuleNotFoundError) as caught:
        exec("import nowhere_at_all", {"__name__": "pricebench.cli.modes"})  # noqa: S102

    assert explained(caught.value, needed_by="modes") is None


def test_of_packages_the_first_that_is_absent_is_named_with_its_command(monkeypatch):
    assert absent("torch", "pandas") is None

    monkeypatch.setitem(sys.modules, "pandas", None)  # Python's own way to hide a package

    assert absent("torch", "pandas") == "pandas is not installed. Install it: pip install 'pricebench[dashboard]'"


def test_asking_what_is_absent_imports_nothing():
    code = (
        "import sys; from pricebench.extras import absent; absent('onnxruntime'); print('onnxruntime' in sys.modules)"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "False"


def test_every_package_stands_in_the_extra_that_is_named():
    extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]

    for package, extra in _EXTRAS.items():
        assert any(line.startswith(package.replace("_", "-")) for line in extras[extra]), package
