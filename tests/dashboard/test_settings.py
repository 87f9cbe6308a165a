from __future__ import annotations

from pathlib import Path

import pytest

from pricebench.dashboard.settings import Settings


def test_without_options_the_folders_are_those_of_the_project():
    assert Settings.from_arguments([]) == Settings(reports=Path("reports"), artifacts=Path("artifacts"))


def test_settings_survive_the_way_through_the_command_line():
    settings = Settings(reports=Path("my reports"), artifacts=Path("-a"))

    assert Settings.from_arguments(settings.arguments()) == settings


def test_a_server_and_the_file_of_its_token_survive_it_too():
    settings = Settings(server="http://127.0.0.1:8600", server_token_file=Path("-my token"))

    assert Settings.from_arguments(settings.arguments()) == settings


def test_where_runs_are_survives_it_and_is_below_the_reports_by_default():
    settings = Settings(reports=Path("my reports"), runs_from="s3://bucket/my runs")

    assert Settings.from_arguments(settings.arguments()) == settings
    assert settings.runs == "s3://bucket/my runs"
    assert Settings(reports=Path("my reports")).runs == Path("my reports/history")


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit):
        Settings.from_arguments(["--report", "x", "--port", "1"])

    assert "--port" in capsys.readouterr().err
