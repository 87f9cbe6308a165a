from __future__ import annotations

import random
import sys

import pytest

from pricebench.errors import WorkloadError
from pricebench.workload import HOUSE_PRICES, load_workload

GOOD = """
import torch
from torch import nn

def build():
    return nn.Linear(3, 1), torch.ones(4, 3), {"batch": 0}
"""
FILES = {
    "alone": "from torch import nn\ndef build(): return nn.Linear(3, 1)\n",
    "raises": "def build(): raise LookupError('no weights\\nhere')\n",
    "needs": "def build(path): return path\n",
    "number": "def build(): return 7\n",
    "value": "build = 7\n",
    "empty": "",
    "broken": "import nothing_of_this_name\n",
    "ends": "import sys\nsys.exit('usage: train')\n",
    "syntax": "def build(:\n",
}


@pytest.fixture(autouse=True)
def _modules_as_before():
    modules, path = dict(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - set(modules):
        if getattr(sys.modules[name], "__file__", "") and "pytest-" in str(sys.modules[name].__file__):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / f"given_{name}.py").write_text(text)
    return tmp_path


def test_a_function_of_a_module_is_called():
    assert load_workload(HOUSE_PRICES, residual_rows=9).rows("residual") == 9


def test_residual_rows_reach_a_function_without_that_parameter(folder):
    (folder / "given_good.py").write_text(GOOD)

    workload = load_workload("given_good.py:build", residual_rows=3)

    assert workload.name == "given_good"
    assert workload.rows("residual") == 3


@pytest.mark.parametrize("path", ["a folder/my model.py", "random.py"], ids=["spaces", "name of a module"])
def test_a_file_of_any_name_is_read_and_installed_modules_stay(folder, path):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(GOOD)

    workload = load_workload(f"{path}:build")
    again = load_workload(f"{folder / path}:build")

    assert type(workload.module) is type(again.module)
    assert workload.rows("full") == 4
    assert sys.modules["random"] is random


def test_files_of_one_name_in_two_folders_are_two(folder):
    for place, rows in (("one", 4), ("two", 6)):
        (folder / place).mkdir()
        (folder / place / "given_same.py").write_text(GOOD.replace("ones(4", f"ones({rows}"))

    found = [load_workload(f"{place}/given_same.py:build").rows("full") for place in ("one", "two")]

    assert found == [4, 6]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("given", "The workload is 'given', expected module:function or path/to/file.py:function."),
        (":build", "The workload is ':build', expected module:function or path/to/file.py:function."),
        (
            "gone.py:build",
            "The workload gone.py:build cannot be found: there is no file gone.py here.",
        ),
        (
            "nowhere_at_all:build",
            (
                "The workload nowhere_at_all:build cannot be imported: ModuleNotFoundError: No module named "
                "'nowhere_at_all'."
            ),
        ),
        (
            "given_alone.py:build",
            (
                "given_alone.py:build gave a module alone, expected (module, example): the arguments of a call are "
                "missing."
            ),
        ),
        (
            "given_raises.py:build",
            "The workload given_raises.py:build cannot be made: LookupError: no weights.",
        ),
        (
            "given_needs:build",
            (
                "The workload given_needs:build cannot be made: TypeError: build() missing 1 required positional "
                "argument: 'path'."
            ),
        ),
        (
            "given_number.py:build",
            (
                "given_number.py:build gave a int, expected a pricebench.Workload, (module, example) or "
                "(module, example, dims)."
            ),
        ),
        (
            "given_value.py:build",
            "The workload given_value.py:build cannot be found: given_value.py has no callable 'build'.",
        ),
        ("given_empty.py:build", "The workload given_empty.py:build cannot be found: given_empty.py has no 'build'."),
        (
            "given_ends.py:build",
            "The workload given_ends.py:build cannot be imported: SystemExit: usage: train.",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_no_workload_is_refused_in_one_sentence(name, message):
    with pytest.raises(WorkloadError) as caught:
        load_workload(name)

    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["given_broken.py:build", "given_syntax.py:build"])
@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_imported_is_refused_alike_each_time(name):
    messages = []
    for _ in range(2):
        with pytest.raises(WorkloadError, match="cannot be imported") as caught:
            load_workload(name)
        messages.append(str(caught.value))

    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
