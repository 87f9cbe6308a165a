"""Environments of their own within a second: links to distributions of the one that runs the tests."""

from __future__ import annotations

import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def linked_environment(folder: Path, *names: str) -> Path:
    """A virtual environment with links to these distributions, and to what they need; without their programs.

    Returns:
        Its Python.
    """
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    left, seen = [Requirement(name) for name in names], set()
    while left:
        wanted = left.pop()
        if (wanted.name, *wanted.extras) in seen:
            continue
        seen.add((wanted.name, *wanted.extras))
        found = metadata.distribution(wanted.name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():  # several distributions may share a folder
                (site / top).symlink_to(found.locate_file(top))
        needs = map(Requirement, found.requires or ())
        left += [need for need in needs if _applies(need, wanted.extras)]
    return folder / "bin" / "python"


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
