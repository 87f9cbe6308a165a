from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = {path.stem for path in (ROOT / "evidence").glob("[a-z]*.py")}
TEXTS = [
    *ROOT.glob("*.md"),
    ROOT / "Makefile",
    *(path for folder in ("docs", "src", "benchmarks", "evidence") for path in (ROOT / folder).rglob("*.[mp][dy]")),
]


def test_every_command_that_is_written_down_starts_a_module_that_exists():
    named = {
        (package, name)
        for path in TEXTS
        for package, name in re.findall(r"-m (evidence|benchmarks)\.([a-z]\w*)", path.read_text(encoding="utf-8"))
    }

    assert ("evidence", "gate_rates") in named
    assert [f"{p}.{n}" for p, n in named if not _is_module(ROOT / p, n)] == []


def _is_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name / "__main__.py").is_file()


def test_the_benchmarks_hold_the_suite_and_nothing_else():
    suite = [*(ROOT / "benchmarks").glob("test_*.py"), ROOT / "benchmarks" / "conftest.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in suite)
    others = {path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")} - {path.stem for path in suite}

    assert {name for name in others if f"benchmarks.{name}" not in text} == set()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_says_how_it_is_run_unless_it_only_serves_another(name):
    text = (ROOT / "evidence" / f"{name}.py").read_text(encoding="utf-8")

    assert ("__main__" in text) == (f"python -m evidence.{name}" in text)
