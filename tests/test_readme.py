from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from benchmarks.readme import README, rendered
from pricebench.cli import main
from pricebench.data import make_houses
from pricebench.training import TrainingConfig

TEXT = README.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^uv run (pricebench [^#\n]*)", TEXT, re.MULTILINE)


def test_the_table_is_the_one_of_the_committed_run():
    assert rendered(TEXT) == TEXT


@pytest.mark.parametrize(("run", "row"), [("usa", "USA_Housing.csv"), ("california", "California housing.csv")])
def test_the_quality_figures_are_those_of_the_committed_trainings(run, row):
    metrics = json.loads((README.parent / "reports" / "training" / f"{run}.json").read_text())

    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {row}")]

    assert line.endswith(f"| {metrics['linear_r2']:.4f} | {metrics['r2']:.4f} |")
    assert f"--test-size {metrics['config']['test_size']} --split-seed {metrics['config']['split_seed']}" in line


def test_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]

    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_the_first_screen_has_both_commands():
    screen = "\n".join(TEXT.splitlines()[:30])

    assert "\npip install uv && uv run pytest benchmarks\n" in screen
    assert "\npip install uv && uv run pytest\n" in screen


@pytest.fixture
def desk(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with a file of houses and the committed runs, as a reader of the README would have."""
    monkeypatch.chdir(tmp_path)
    make_houses(200, seed=1).frame().to_csv("houses.csv", index=False)
    shutil.copytree(README.parent / "reports" / "history", "reports/history")
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    return tmp_path


def test_every_command_does_what_it_says(desk, capsys):
    assert len(COMMANDS) == 10

    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        assert not ended.value.code, f"{command}: {capsys.readouterr().err}"

    assert {path.name for path in desk.iterdir()} == {
        "artifacts", "houses.csv", "priced.csv", "model.ts.pt", "reports"
    }  # fmt: skip
    assert "$" in capsys.readouterr().out


@pytest.mark.parametrize("page", sorted((README.parent / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_name_files_that_exist(page: Path):
    names = re.findall(r"`((?:benchmarks|tests|src|docs)/[\w./-]+\.\w+)`", page.read_text(encoding="utf-8"))

    assert [name for name in names if not (README.parent / name).exists()] == []


def test_defaults_that_the_readme_states_are_those_of_the_code():
    assert TrainingConfig().batch_rows == 2048
    assert TrainingConfig().drop_last
