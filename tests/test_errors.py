from __future__ import annotations

import pytest

from pricebench.errors import ArtifactError, DataError, ExitCode, ModeError, PricebenchError, unknown_name


def test_exit_codes_are_those_that_are_documented():
    assert {code.name: int(code) for code in ExitCode} == {
        "FINE": 0,
        "REGRESSION": 1,
        "BAD_INPUT": 2,
        "INCONCLUSIVE": 3,
        "BROKEN": 4,
    }


@pytest.mark.parametrize("kind", [DataError, ArtifactError, ModeError])
def test_users_errors_end_as_bad_input(kind):
    error = kind("what is wrong")

    assert isinstance(error, PricebenchError)
    assert error.exit_code == 2
    assert str(error) == "what is wrong"


def test_misspelt_name_is_answered_with_the_nearest_and_all_known():
    message = unknown_name("execution mode", "egaer", ["eager", "torchscript", "fx"])

    assert message == ("No execution mode is called 'egaer'. Did you mean 'eager'? Known: eager, torchscript, fx.")


def test_name_like_no_other_is_answered_without_a_guess():
    message = unknown_name("execution mode", "qqq", ["eager", "fx"])

    assert message == "No execution mode is called 'qqq'. Known: eager, fx."


def test_names_may_come_from_anything_that_can_be_gone_through_once():
    message = unknown_name("shape", "ful", iter(["full", "single"]))

    assert message == "No shape is called 'ful'. Did you mean 'full'? Known: full, single."
