from __future__ import annotations

import subprocess

import pytest

from pricebench.gate import trees
from pricebench.gate.records import GateError


def git(folder, *arguments):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


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


def test_a_commit_is_checked_out_as_it_was(root, tmp_path):
    (root / "kept.py").write_text("2\n")

    tree = trees.check_out(root, trees.resolve(root, "main"), tmp_path / "base")

    assert (tree.folder / "kept.py").read_text() == "1\n"
    assert tree.commit == git(root, "rev-parse", "HEAD")


def test_the_checkout_is_copied_as_it_lies_there(root, tmp_path):
    (root / "kept.py").write_text("2\n")
    (root / "removed.py").unlink()
    (root / "new").mkdir()
    (root / "new" / "file name.py").write_text("3\n")
    (root / "ignored").write_text("4\n")
    (root / "link").symlink_to("kept.py")

    tree = trees.check_out_as_it_is(root, tmp_path / "head")

    found = {str(path.relative_to(tree.folder)) for path in tree.folder.rglob("*") if path.name != ".git"}
    assert found == {".gitignore", "kept.py", "new", "new/file name.py", "link"}
    assert (tree.folder / "kept.py").read_text() == "2\n"
    assert (tree.folder / "link").is_symlink()
    assert tree.is_dirty


def test_a_clean_checkout_is_clean(root, tmp_path):
    assert not trees.check_out_as_it_is(root, tmp_path / "head").is_dirty


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
    with pytest.raises(GateError, match="is in no git repository"):
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


def test_a_base_that_needs_an_environment_and_has_no_lock_says_so(tmp_path):
    with pytest.raises(GateError, match=r"has no uv\.lock.*--base-python"):
        trees.make_environment(trees.Tree(folder=tmp_path, commit="a" * 40))
