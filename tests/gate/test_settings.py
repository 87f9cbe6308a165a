from __future__ import annotations

import pytest

from pricebench.gate.records import GateError
from pricebench.gate.settings import Settings


def test_settings_are_a_table(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.pricebench]\ngate = []\n")

    with pytest.raises(GateError, match="expected a table"):
        Settings.load(tmp_path)


def written(folder, text):
    (folder / "pyproject.toml").write_text(f"[tool.pricebench.gate]\n{text}\n")
    return folder


def test_a_project_without_settings_has_the_defaults(tmp_path):
    assert Settings.load(tmp_path) == Settings()
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    assert Settings.load(tmp_path) == Settings()


def test_thresholds_are_by_pattern_and_the_last_that_fits_counts(tmp_path):
    found = Settings.load(written(tmp_path, 'threshold = 0.04\nthresholds = { "*" = 0.06, "*[compile-*" = 0.1 }'))

    assert found.threshold_of("a.py::test_forward[compile-full]") == 0.1
    assert found.threshold_of("a.py::test_forward[eager-full]") == 0.06
    assert Settings(threshold=0.04).threshold_of("a.py::test") == 0.04


def test_the_command_line_wins(tmp_path):
    found = Settings.load(written(tmp_path, 'suite = ["bench"]\nselect = "fast"'))

    assert found.chosen() == (("bench",), "fast")
    assert found.chosen(select="slow") == (("bench",), "slow")
    assert found.chosen(suite=("other",)) == (("other",), "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("treshold = 0.1", "No setting is called 'treshold'. Did you mean 'threshold'?"),
        ("threshold = 5", "threshold is 5, expected a share between 0.005 and 1"),
        ("threshold = true", "threshold is True"),
        ('thresholds = { "*" = 10 }', "thresholds is"),
        ('suite = "benchmarks"', "suite is 'benchmarks', expected a list of paths"),
        ('carry = ["../secrets"]', "expected paths below the project"),
        ('carry = ["/etc"]', "expected paths below the project"),
        ("budget = -1", "budget is -1, expected seconds above 0"),
        ("accepted = 3", "accepted is 3, expected a text"),
        ("threshold = ", "cannot be read"),
        ('structure = "s.json"', "`structure` needs a `workload`, module:function; found ''"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, text, says):
    with pytest.raises(GateError) as caught:
        Settings.load(written(tmp_path, text))

    assert says in str(caught.value)
