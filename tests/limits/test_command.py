from __future__ import annotations

import json

import pytest

from pricebench.cli import main
from tests.limits.made import limits


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["limits", *map(str, arguments)])
    return ended.value.code


def test_stored_limits_are_shown_as_text_markdown_and_json(tmp_path, capsys):
    path = tmp_path / "limits.json"
    limits().save(path)

    assert run("--from", path) == 0
    shown = capsys.readouterr().out
    assert run("--from", path, "--markdown") == 0
    markdown = capsys.readouterr().out
    assert run("--from", path, "--json") == 0
    record = json.loads(capsys.readouterr().out)

    assert "torch.mm leaves 40% on the floor" in shown
    assert "| torch.mm | 60.0 (0.60) |" in markdown
    assert record["calls"]["operator"] == 1e-6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--threads", "0"), "expected numbers from 1 on"),
        (("--threads", "two"), "expected numbers from 1 on"),
        (("--json", "--markdown"), "Choose one"),
    ],
)
def test_wrong_options_are_refused(capsys, arguments, told):
    assert run(*arguments) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_missing_file_names_the_command(tmp_path, capsys):
    assert run("--from", tmp_path / "none.json") == 2
    assert "Make one: pricebench limits" in capsys.readouterr().err
