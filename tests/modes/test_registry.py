from __future__ import annotations

import pytest

from pricebench.errors import ModeError
from pricebench.modes import ALL_MODES, MODES, mode_named


def test_the_four_modes_stand_in_the_order_in_which_they_are_shown():
    # Database keys: renaming one starts a new history.
    assert [mode.name for mode in MODES] == ["eager", "torchscript", "fx", "compile"]


def test_modes_made_ahead_of_time_follow_the_four_and_cannot_train():
    assert ALL_MODES[:4] == MODES
    assert [mode.name for mode in ALL_MODES[4:]] == ["aot", "onnxruntime"]
    assert [mode.name for mode in ALL_MODES if mode.trains] == [mode.name for mode in MODES]


@pytest.mark.parametrize("mode", ALL_MODES, ids=lambda mode: mode.name)
def test_a_mode_is_found_by_its_name(mode):
    if reason := mode.missing():
        pytest.skip(reason)

    assert mode_named(mode.name) is mode


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("egaer", "eager"), ("torch-script", "torchscript"), ("fxx", "fx"), ("compiled", "compile")]
)
def test_an_unknown_name_suggests_the_nearest(wrong, nearest):
    with pytest.raises(ModeError) as error:
        mode_named(wrong)

    assert str(error.value) == (
        f"No execution mode is called '{wrong}'. Did you mean '{nearest}'? Known: "
        "eager, torchscript, fx, compile, aot, onnxruntime."
    )


def test_a_name_that_is_near_to_none_suggests_none():
    with pytest.raises(ModeError) as error:
        mode_named("tensor-rt")

    assert (
        str(error.value)
        == "No execution mode is called 'tensor-rt'. Known: eager, torchscript, fx, compile, aot, onnxruntime."
    )


def test_only_torchscript_is_deprecated():
    deprecated = {mode.name: mode.deprecation for mode in ALL_MODES if mode.deprecation}

    assert list(deprecated) == ["torchscript"]
    assert "since torch 2.11" in deprecated["torchscript"]


def test_every_mode_says_what_it_does_and_needs():
    assert all(mode.summary and mode.needs for mode in ALL_MODES)
