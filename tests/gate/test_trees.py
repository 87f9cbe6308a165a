from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pricebench.gate import trees
from pricebench.gate.records import GateError
from pricebench.paired.workspace import Workspace


def git(folder, *arguments):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def workspace(root):
    with Workspace(root) as workspace:
        yield workspace


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "kept.py").write_text("1\n")
    (folder / "removed.py").write_text("1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_a_commit_is_checked_out_as_it_was(root, workspace):
    (root / "kept.py").write_text("2\n")

    tree = trees.check_out(workspace, root, trees.resolve(root, "main"), "base")

    assert (tree.folder / "kept.py").read_text() == "1\n"
    assert tree.commit == git(root, "rev-parse", "HEAD")


def test_the_checkout_is_copied_as_it_lies_there(root, workspace):
    (root / "kept.py").write_text("2\n")
    (root / "removed.py").unlink()
    (root / "new").mkdir()
    (root / "new" / "file name.py").write_text("3\n")
    (root / "ignored").write_text("4\n")
    (root / "link").symlink_to("kept.py")

    tree = trees.check_out_as_it_is(workspace, root, "head")

    found = {str(path.relative_to(tree.folder)) for path in tree.folder.rglob("*") if path.name != ".git"}
    assert found == {".gitignore", "kept.py", "new", "new/file name.py", "link"}
    assert (tree.folder / "kept.py").read_text() == "2\n"
    assert (tree.folder / "link").is_symlink()
    assert tree.is_dirty


def test_a_clean_checkout_is_clean(root, workspace):
    assert not trees.check_out_as_it_is(workspace, root, "head").is_dirty


def test_files_folders_and_links_may_take_each_others_place(root, workspace, tmp_path):
    (root / "folder").mkdir()
    (root / "folder" / "a.py").write_text("1\n")
    (root / "linked").mkdir()
    (root / "linked" / "b.py").write_text("1\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "second")
    # A file where a folder was, a folder where a file was, and a link to a folder that is somebody else's.
    shutil.rmtree(root / "folder")
    (root / "folder").write_text("2\n")
    (root / "kept.py").unlink()
    (root / "kept.py").mkdir()
    (root / "kept.py" / "c.py").write_text("2\n")
    shutil.rmtree(root / "linked")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.py").write_text("theirs\n")
    (root / "linked").symlink_to(outside)

    tree = trees.check_out_as_it_is(workspace, root, "head")

    assert (tree.folder / "folder").read_text() == "2\n"
    assert (tree.folder / "kept.py" / "c.py").read_text() == "2\n"
    assert (tree.folder / "linked").readlink() == outside
    assert (outside / "b.py").read_text() == "theirs\n"


def test_gits_own_variables_lead_nothing_to_the_users_index(root, workspace, monkeypatch):
    (root / "kept.py").write_text("2\n")
    git(root, "commit", "--quiet", "-am", "second")
    monkeypatch.setenv("GIT_INDEX_FILE", str(root / ".git" / "index"))

    tree = trees.check_out(workspace, root, trees.resolve(root, "HEAD~1"), "base")

    assert (tree.folder / "kept.py").read_text() == "1\n"
    assert git(root, "status", "--porcelain") == ""


def test_a_hook_of_the_project_is_not_run(root, workspace):
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    assert trees.check_out(workspace, root, trees.resolve(root, "HEAD"), "base").folder.is_dir()


def test_an_unknown_ref_says_what_to_do(root):
    with pytest.raises(GateError, match=r"git knows no commit 'nowhere' here\. Fetch it"):
        trees.resolve(root, "nowhere")


def test_a_ref_is_never_taken_for_an_option(root):
    with pytest.raises(GateError, match="git knows no commit '--help'"):
        trees.resolve(root, "--help")


def test_a_shallow_clone_says_how_to_get_more(root, tmp_path):
    (root / "kept.py").write_text("2\n")
    git(root, "commit", "--quiet", "-am", "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "shallow")

    with pytest.raises(GateError, match="shallow: fetch more"):
        trees.resolve(tmp_path / "shallow", "HEAD~1")


def test_outside_of_a_repository_is_said(tmp_path):
    with pytest.raises(GateError, match=r"expected a checkout, .* git says: fatal: not a git repository"):
        trees.repository(tmp_path)


def test_ancestors_are_known(root):
    first = trees.resolve(root, "HEAD")
    (root / "kept.py").write_text("2\n")
    git(root, "commit", "--quiet", "-am", "second")

    assert trees.is_ancestor(root, first, "HEAD")
    assert not trees.is_ancestor(root, "HEAD", first)
    assert not trees.is_ancestor(root, "f" * 40, "HEAD")


@pytest.mark.parametrize(
    ("name", "text", "is_same"),
    [
        ("uv.lock", "x", False),
        ("pyproject.toml", "[project]\ndependencies = ['torch']\n", False),
        ("pyproject.toml", "[dependency-groups]\ndev = ['pytest']\n", False),
        ("poetry.lock", "x", False),
        ("pyproject.toml", "[tool.poetry.dependencies]\ntorch = '2.15'\n", False),
        ("pyproject.toml", "[tool.uv]\nindex-strategy = 'first-index'\n", False),
        ("pyproject.toml", "[project]\ndescription = 'another'\n", True),
        ("kept.py", "2", True),
    ],
)
def test_an_environment_fits_both_where_they_need_the_same(tmp_path, name, text, is_same):
    for folder in ("base", "head"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "head" / name).write_text(text)

    assert (trees.needs(tmp_path / "base") == trees.needs(tmp_path / "head")) is is_same


def test_a_base_that_needs_an_environment_and_has_no_lock_says_so(tmp_path, workspace):
    with pytest.raises(GateError, match=r"has no uv\.lock.*--base-python"):
        trees.make_environment(workspace, trees.Tree(folder=tmp_path, commit="a" * 40), Path(sys.executable))
