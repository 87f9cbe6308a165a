from __future__ import annotations

import json
from pathlib import Path

import pytest

from pricebench.gate.installed import copies


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text('[project]\nname = "Some.Sums"\n')
    return tmp_path / "project"


def install(folder, name, files, *, url=None):
    """As pip leaves a distribution behind."""
    site = folder / "lib" / "site-packages"
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if url:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}))
    return {Path(file).parts[0].removesuffix(".py"): str(site / file) for file in files}


def test_a_copy_of_the_project_is_found_by_its_name(tmp_path, project):
    modules = install(tmp_path, "some_sums", ["sums/__init__.py"]) | {"json": json.__file__}

    assert list(copies(modules, [project])) == ["sums"]


def test_a_copy_of_the_project_is_found_by_where_it_came_from(tmp_path, project):
    modules = install(tmp_path, "other-name", ["sums/__init__.py"], url=project.as_uri())

    assert list(copies(modules, [project])) == ["sums"]


def test_other_distributions_are_none(tmp_path, project):
    modules = install(tmp_path, "numpy", ["numpy/__init__.py"])

    assert copies(modules, [project]) == {}


def test_a_link_to_the_project_is_none(tmp_path, project):
    # What an editable installation leaves: a module that finds the project's.
    modules = install(tmp_path, "some-sums", ["__editable___some_sums_finder.py"])
    modules["sums"] = str(project / "sums" / "__init__.py")

    assert copies(modules, [project]) == {}


def test_a_project_without_a_name_owns_nothing(tmp_path, project):
    (project / "pyproject.toml").unlink()

    assert copies(install(tmp_path, "some-sums", ["sums/__init__.py"]), [project]) == {}
