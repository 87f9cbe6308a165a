"""Which files a repository lacks for its benchmarks, and their texts."""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from pricebench.errors import PricebenchError
from pricebench.files import atomic_write

if TYPE_CHECKING:
    from pricebench.workload import Workload

_SETTINGS = "pyproject.toml"
_SUITE = "benchmarks"
_WORKFLOW = ".github/workflows/benchmarks.yml"
# pytest reads the first of them that is there, and pyproject.toml only after these.
_BEFORE_PYPROJECT = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_AFTER_PYPROJECT = {"tox.ini": "pytest", "setup.cfg": "tool:pytest"}
# It stands in Python, TOML and YAML: whatever would end a text there is refused.
_WRITABLE_NAME = re.compile(r"[\w./ -]+:\w+")


class ScaffoldError(PricebenchError):
    """The repository cannot be given its benchmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One file, or tables of one.

    Attributes:
        path: From the root of the repository.
        text: To write.
        is_appended: To the end of the file that is there.
        left: Why nothing is written; empty where something is.
    """

    path: str
    text: str = ""
    is_appended: bool = False
    left: str = ""

    @property
    def says(self) -> str:
        """What happens, in a line."""
        if self.left:
            return f"left {self.path}: {self.left}"
        return f"{'added to' if self.is_appended else 'wrote'} {self.path}"


def plan(root: Path, name: str, workload: Workload) -> list[Step]:
    """What is to be done.

    Args:
        root: Of the repository.
        name: Of the workload, as it was given: `module:function` or `path/to/file.py:function`.
        workload: What it names.

    Raises:
        ScaffoldError: A name cannot be written down, or a file cannot be read or written.
    """
    if not _WRITABLE_NAME.fullmatch(name):
        raise ScaffoldError(
            f"the workload is {name!r}, expected module:function or path/to/file.py:function, "
            "in letters, digits, blanks and . / _ -. Rename the file."
        )
    steps = [
        _file(root, f"{_SUITE}/conftest.py", _text("conftest.py")),
        _file(root, f"{_SUITE}/test_modes.py", _tests(name, workload)),
        *_settings(root, name, workload),
        _file(root, _WORKFLOW, _workflow(root)),
    ]
    for step in steps:
        if not step.left:
            _check_writable(root, root / step.path)
    return steps


def write(root: Path, steps: Sequence[Step]) -> None:
    """Do it."""
    for step in steps:
        if step.left:
            continue
        path = root / step.path
        before = path.read_text(encoding="utf-8") if step.is_appended else ""
        with atomic_write(path) as file:
            file.write((before + step.text).encode())


def _text(template: str, **values: str) -> str:
    source = files("pricebench.scaffold").joinpath("templates", f"{template}.template")
    return Template(source.read_text(encoding="utf-8")).substitute(values)


def _file(root: Path, path: str, text: str) -> Step:
    return Step(path=path, left="it exists") if (root / path).exists() else Step(path=path, text=text)


def _tests(name: str, workload: Workload) -> str:
    known = "; ".join(f"{shape}: {_sizes(workload, shape)}" for shape in workload.shapes)
    tests = _text(
        "test_modes.py",
        name=name,
        import_training=", train_step_case" if workload.has_loss else "",
        sizes=known,
        shapes=json.dumps(list(workload.shapes)),
    )
    return tests + (_text("training.py") if workload.has_loss else "")


def _sizes(workload: Workload, shape: str) -> str:
    return " and ".join(f"{dimension} {size}" for dimension, size in workload.shapes[shape].items()) or "as it is"


def _settings(root: Path, name: str, workload: Workload) -> Iterator[Step]:
    path = root / _SETTINGS
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    try:
        tables = tomllib.loads(before)
    except ValueError as error:
        raise ScaffoldError(f"{_SETTINGS} cannot be read: {error}. Mend it.") from error
    option = f"--workload={name}"
    texts = []
    if found := _pytest_settings(root, tables):
        has_plugin = "pricebench.pytest_plugin" in (root / found).read_text(encoding="utf-8")
        hint = "" if has_plugin else f". Add to its addopts: -p pricebench.pytest_plugin '{option}'"
        yield Step(path=found, left=f"it sets pytest{hint}")
    else:
        texts.append(_text("pytest.toml", workload_option=json.dumps(option)))
    if "gate" in _table(tables, "tool", "pricebench"):
        yield Step(path=_SETTINGS, left="it has [tool.pricebench.gate]")
    else:
        chosen = [shape for shape in ("full", "single") if shape in workload.shapes]
        select = f"test_forward and ({' or '.join(chosen)})"
        words = "forward passes of " + " and ".join(_sizes(workload, shape) for shape in chosen)
        texts.append(_text("gate.toml", select=json.dumps(select), workload=json.dumps(name), chosen=words))
    if texts:
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        added = gap + "\n".join(texts)
        try:
            tomllib.loads(before + added)
        except ValueError as error:
            # Such as `tool.pytest = {}`: a table in one line, to which nothing can be added.
            raise ScaffoldError(f"{_SETTINGS} cannot be added to: {error}. Write its tables in brackets.") from error
        yield Step(path=_SETTINGS, text=added, is_appended=bool(before))


def _pytest_settings(root: Path, tables: dict[str, Any]) -> str:
    """The file that pytest's settings stand in, or empty."""
    for name in _BEFORE_PYPROJECT:
        if (root / name).is_file():
            return name
    if "pytest" in _table(tables, "tool"):
        return _SETTINGS
    for name, section in _AFTER_PYPROJECT.items():
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(root / name, encoding="utf-8")
        except configparser.Error as error:
            raise ScaffoldError(f"{name} cannot be read: {error.message.splitlines()[0]}. Mend it.") from error
        if parser.has_section(section):
            return name
    return ""


def _table(tables: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = tables.get(name, {})
        tables = found if isinstance(found, dict) else {}
    return tables


def _workflow(root: Path) -> str:
    """With the commands that install this repository."""
    prefix, commands = "", []
    if (root / "uv.lock").is_file():
        prefix = "uv run --no-sync "
        commands = ["pip install uv", "uv sync --locked", "uv pip install 'pricebench[torch]'"]
    else:
        if (root / "requirements.txt").is_file():
            commands.append("pip install -r requirements.txt")
        if _is_package(root):
            # Linked, not copied: a copy would be the same code for both sides.
            commands.append("pip install --editable .")
        commands.append("pip install 'pricebench[torch]'")
    install = "\n".join(f"      - run: {command}" for command in commands)
    return _text(
        "benchmarks.yml",
        python=".".join(map(str, sys.version_info[:2])),
        install=install,
        prefix=prefix,
    )


def _is_package(root: Path) -> bool:
    if (root / "setup.py").is_file():
        return True
    path = root / _SETTINGS
    return path.is_file() and "project" in tomllib.loads(path.read_text(encoding="utf-8"))


def _check_writable(root: Path, path: Path) -> None:
    """Before anything is written, so that no half is left."""
    folder = path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    shown = folder.relative_to(root.parent) if folder.is_relative_to(root.parent) else folder
    if not folder.is_dir():
        raise ScaffoldError(f"{shown} is no folder, expected one for {path.name}. Move it away.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ScaffoldError(f"{shown} cannot be written to, expected a folder for {path.name}. Change its permissions.")
