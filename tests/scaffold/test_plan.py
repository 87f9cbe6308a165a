from __future__ import annotations

import ast
import tomllib

import pytest
import yaml

from pricebench.gate.settings import Settings
from pricebench.scaffold import ScaffoldError, plan, write
from pricebench.workload import from_example, house_prices

WHOLE = ["benchmarks/conftest.py", "benchmarks/test_modes.py", "pyproject.toml", ".github/workflows/benchmarks.yml"]
TRAINED = house_prices()
UNTRAINED = from_example("model", TRAINED.module, TRAINED.inputs(4), dims={"batch": 0})


def planned(root, name="mymodel:build", workload=TRAINED):
    return {step.path: step for step in plan(root, name, workload)}


def commands(root):
    return [
        step["run"] for step in yaml.safe_load(planned(root)[WHOLE[-1]].text)["jobs"]["gate"]["steps"] if "run" in step
    ]


def test_an_empty_repository_gets_four_files_that_can_be_read(tmp_path):
    write(tmp_path, plan(tmp_path, "mymodel:build", TRAINED))

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(WHOLE)
    for path in WHOLE[:2]:
        ast.parse((tmp_path / path).read_text())
    tables = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]
    assert "--workload=mymodel:build" in tables["pytest"]["ini_options"]["addopts"]
    settings = Settings.load(tmp_path)
    assert (settings.suite, settings.workload) == (("benchmarks",), "mymodel:build")
    assert yaml.safe_load((tmp_path / WHOLE[-1]).read_text())["jobs"]


def test_the_tests_name_the_shapes_of_the_workload_and_train_where_there_is_a_loss(tmp_path):
    trained, untrained = (planned(tmp_path, workload=each)[WHOLE[1]].text for each in (TRAINED, UNTRAINED))

    assert 'SHAPES = ["full", "residual", "single"]' in trained
    assert "def test_train_step(" in trained
    assert "train_step_case" not in untrained
    assert "batch 4" in untrained


def test_what_exists_is_left_and_said(tmp_path):
    mine = 'name = "mine"\n'
    write(tmp_path, plan(tmp_path, "mymodel:build", TRAINED))
    for path in WHOLE[:2]:
        (tmp_path / path).write_text(mine)
    before = {path: (tmp_path / path).read_bytes() for path in WHOLE}

    steps = plan(tmp_path, "other:build", TRAINED)
    write(tmp_path, steps)

    assert {path: (tmp_path / path).read_bytes() for path in WHOLE} == before
    assert [step.says.partition(":")[0] for step in steps] == [
        *(f"left {path}" for path in WHOLE[:3]),
        "left pyproject.toml",
        f"left {WHOLE[3]}",
    ]


def test_settings_are_added_behind_those_that_are_there(tmp_path):
    before = '[project]\nname = "mine"  # no newline at the end\n\n[tool.ruff]\nline-length = 99'
    (tmp_path / "pyproject.toml").write_text(before)

    write(tmp_path, plan(tmp_path, "mymodel:build", TRAINED))

    after = (tmp_path / "pyproject.toml").read_text()
    assert after.startswith(before)
    assert tomllib.loads(after)["tool"].keys() == {"ruff", "pytest", "pricebench"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\n"),
        ("tox.ini", "[pytest]\n"),
        ("setup.cfg", "[tool:pytest]\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
    ],
)
def test_pytest_settings_anywhere_are_left_and_what_to_add_is_said(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    steps = plan(tmp_path, "mymodel:build", TRAINED)

    (left,) = [step for step in steps if step.left]
    assert left.says == (
        f"left {name}: it sets pytest. Add to its addopts: -p pricebench.pytest_plugin '--workload=mymodel:build'"
    )
    assert "ini_options" not in planned(tmp_path)["pyproject.toml"].text


def test_the_workflow_installs_what_the_repository_says(tmp_path):
    alone = commands(tmp_path)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    package = commands(tmp_path)
    (tmp_path / "uv.lock").touch()
    locked = commands(tmp_path)

    gate = "pricebench gate --base HEAD^1 --junit gate.xml"
    ours = "pip install 'pricebench[torch]'"
    assert alone == [ours, gate]
    assert package == ["pip install -r requirements.txt", "pip install --editable .", ours, gate]
    assert locked == ["pip install uv", "uv sync --locked", f"uv {ours}", f"uv run --no-sync {gate}"]


@pytest.mark.parametrize("name", ['my"model:build', "model:build\n", "it's:build", "${{x}}:build"])
def test_a_name_that_would_end_a_text_is_refused(tmp_path, name):
    with pytest.raises(ScaffoldError, match="expected module:function or path"):
        plan(tmp_path, name, TRAINED)


def test_a_file_where_a_folder_should_be_stops_before_anything_is_written(tmp_path):
    (tmp_path / ".github").write_text("")

    with pytest.raises(
        ScaffoldError, match=r"\.github is no folder, expected one for benchmarks\.yml\. Move it away\."
    ):
        plan(tmp_path, "mymodel:build", TRAINED)

    assert [path.name for path in tmp_path.iterdir()] == [".github"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[tool", "pyproject.toml cannot be read: "), ("tool.pricebench = {}\n", "pyproject.toml cannot be added to: ")],
)
def test_settings_that_cannot_be_added_to_are_one_sentence(tmp_path, text, reason):
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(ScaffoldError, match=reason) as caught:
        plan(tmp_path, "mymodel:build", TRAINED)

    assert "\n" not in str(caught.value)
