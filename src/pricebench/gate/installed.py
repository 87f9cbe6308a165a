"""The project's own code in an environment: a copy there is the same for base and head, whatever head changed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_FOLDERS = ("site-packages", "dist-packages")


def copies(modules: Mapping[str, str], checkouts: Collection[Path]) -> dict[str, str]:
    """Those of the modules, by name, whose file was installed as a part of the project and not as a link to it.

    Args:
        modules: Files by name.
        checkouts: Of the project.
    """
    names = {_normalized(_name(checkout)) for checkout in checkouts}
    found: dict[str, str] = {}
    for folder in {folder for file in modules.values() if (folder := _environment_of(Path(file)))}:
        owned = {
            str(Path(str(distribution.locate_file(file))))
            for distribution in metadata.distributions(path=[str(folder)])
            # By the name that the project gives itself, or by where it was installed from.
            if _normalized(distribution.name) in names or _origin(distribution) in checkouts
            for file in distribution.files or ()
        }
        found |= {name: file for name, file in modules.items() if file in owned and not name.startswith("__editable__")}
    return found


def _environment_of(file: Path) -> Path | None:
    return next((parent for parent in file.parents if parent.name in _FOLDERS), None)


def _name(checkout: Path) -> str:
    try:
        tables = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
        return str(tables["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return "-"  # no distribution is called that


def _normalized(name: str) -> str:
    """As packaging.python.org has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _origin(distribution: metadata.Distribution) -> Path | None:
    """The folder that pip or uv installed it from (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    if not text:
        return None
    try:
        url = urlsplit(json.loads(text)["url"])
    except (ValueError, KeyError, TypeError):
        return None
    return Path(url2pathname(url.path)) if url.scheme == "file" else None
