"""The trees that are compared: base from git, head from git or as it lies there; whether one environment fits both."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pricebench.gate.records import GateError
from pricebench.paired.environment import tool_environment
from pricebench.paired.workspace import Workspace

_DEPENDENCY_FILES = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "setup.py",
    "setup.cfg",
    "requirements.txt",
    "requirements-dev.txt",
    ".python-version",
)
_DEPENDENCY_TABLES = ("build-system", "dependency-groups")
_DEPENDENCY_KEYS = ("dependencies", "optional-dependencies", "requires-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A checkout that nothing else touches.

    Attributes:
        folder: Where it lies.
        commit: Full hash of what was checked out.
        is_dirty: It holds changes that the commit does not.
    """

    folder: Path
    commit: str
    is_dirty: bool = False


def repository(folder: Path) -> Path:
    """The root of the checkout that `folder` lies in.

    Raises:
        GateError: It lies in none, or there is no git.
    """
    if shutil.which("git") is None:
        raise GateError("git is not on the PATH, and base is checked out with it. Install git.")
    found = _git(folder, "rev-parse", "--show-toplevel")
    if found.returncode:
        raise GateError(
            f"{folder}: expected a checkout, for base is a git ref; git says: {_last_line(found.stderr)}. "
            "Run the gate inside of one."
        )
    return Path(found.stdout.strip())


def resolve(root: Path, ref: str) -> str:
    """The full hash of a commit.

    Raises:
        GateError: The repository has no such commit.
    """
    # Not taken for an option, whatever it begins with.
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        shallow = _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        hint = (
            "This clone is shallow: fetch more (git fetch --unshallow; fetch-depth: 0 in actions/checkout)."
            if shallow
            else "Fetch it, or name another: a branch, a tag, a hash."
        )
        raise GateError(f"git knows no commit '{ref}' here. {hint}")
    return found.stdout.strip()


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Whether `newer` contains `older`; False for what git does not know."""
    return _git(root, "merge-base", "--is-ancestor", older, newer).returncode == 0


def check_out(workspace: Workspace, root: Path, commit: str, name: str) -> Tree:
    """A worktree of a commit, in the workspace.

    Raises:
        GateError: git could not make it.
    """
    folder = workspace.folder / name
    command = _command(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    made = workspace.run(command, folder=root, environment=tool_environment())
    if made.returncode:
        raise GateError(f"git could not check out {commit[:10]}: {_last_line(made.stderr)}. Mend that and run again.")
    return Tree(folder=folder, commit=commit)


def check_out_as_it_is(workspace: Workspace, root: Path, name: str) -> Tree:
    """A worktree with what lies in the checkout now: changes and new files too, ignored ones not.

    Raises:
        GateError: git could not make it.
    """
    head = check_out(workspace, root, resolve(root, "HEAD"), name)
    folder = head.folder
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    committed = _git(folder, "ls-files", "-z")
    present = [name for name in listed.stdout.split("\0") if name]
    files = [path for path in present if _is_file(root, path)]
    # All that goes first: a file may stand where a folder was, and the other way round.
    for path in {path for path in committed.stdout.split("\0") if path} - set(files):
        target = folder / path
        if target.is_symlink() or target.is_file():
            target.unlink()
    for path in files:
        target = folder / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)
    changed = _git(root, "status", "--porcelain").stdout.strip()
    return Tree(folder=folder, commit=head.commit, is_dirty=bool(changed))


def _is_file(root: Path, path: str) -> bool:
    """Whether it is there as git sees it: what lies behind a link to a folder is somewhere else."""
    file = root / path
    is_behind_link = any(parent.is_symlink() for parent in file.parents if parent.is_relative_to(root))
    return not is_behind_link and (file.is_symlink() or file.is_file())


def contents(tree: Tree) -> str:
    """Digest over all that git does not ignore, names, modes and bytes: the hash of a commit knows no changes."""
    listed = _git(tree.folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    found = hashlib.sha256()
    for name in sorted(set(listed.split("\0"))):
        path = tree.folder / name
        if path.is_symlink():
            kind, data = b"link", os.fsencode(path.readlink())
        elif path.is_file():
            kind, data = (b"run" if os.access(path, os.X_OK) else b"file"), path.read_bytes()
        else:
            continue
        for part in (os.fsencode(name), kind, data):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:16]


def copy(tree: Tree, folder: Path) -> Tree:
    """A second copy, with what was made in the first since: caches, a trained model."""
    shutil.copytree(tree.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    return Tree(folder=folder, commit=tree.commit, is_dirty=tree.is_dirty)


def needs(folder: Path) -> dict[str, str]:
    """What a tree says about its dependencies; two trees that say the same share an environment."""
    found = {}
    for name in _DEPENDENCY_FILES:
        path = folder / name
        if path.is_file():
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    project = folder / "pyproject.toml"
    if project.is_file():
        try:
            tables = tomllib.loads(project.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise GateError(f"{project.name} of {folder.name} cannot be read: {error}. Mend it.") from error
        for name in _DEPENDENCY_TABLES:
            found[name] = repr(tables.get(name))
        for name in _DEPENDENCY_KEYS:
            found[name] = repr(tables.get("project", {}).get(name))
        tools = tables.get("tool", {})
        found["tool.uv"] = repr(tools.get("uv"))
        for name in ("dependencies", "group"):
            found[f"tool.poetry.{name}"] = repr(tools.get("poetry", {}).get(name))
    return found


def make_environment(workspace: Workspace, tree: Tree, like: Path) -> Path:
    """The Python of an environment of the tree's own, made from its `uv.lock`, of the same version as another.

    Raises:
        GateError: There is no lock, no uv, or it could not make the environment.
    """
    if not (tree.folder / "uv.lock").is_file():
        raise GateError(
            f"the dependencies of base ({tree.commit[:10]}) differ from head's, and it has no uv.lock to make an "
            "environment from. Give the Python of one: --base-python."
        )
    uv = shutil.which("uv")
    if uv is None:
        raise GateError("base needs an environment of its own, and uv is not on the PATH. Install it: pip install uv.")
    command = [uv, "sync", "--frozen", "--quiet", "--project", str(tree.folder), "--python", str(like)]
    made = workspace.run(command, folder=tree.folder, environment=tool_environment())
    python = tree.folder / ".venv" / "bin" / "python"
    if made.returncode or not python.is_file():
        raise GateError(
            f"uv could not make the environment of base ({tree.commit[:10]}): {_last_line(made.stderr)}. "
            "Give the Python of one: --base-python."
        )
    return python


def _command(folder: Path, *arguments: str) -> list[str]:
    # A hook of the project is for its people's checkouts, not for ours.
    return ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *arguments]


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = _command(folder, *arguments)
    return subprocess.run(
        command, env=tool_environment(), capture_output=True, text=True, errors="replace", check=False
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason given"
