from __future__ import annotations

import itertools

import pytest

from pricebench.dashboard.desk import TIMED_CALLS, ModeState, PriceDesk, quartiles
from pricebench.data import make_houses
from pricebench.errors import ArtifactError
from pricebench.modes import mode_named

HOUSE = make_houses(1, seed=5).features_NF[0]


@pytest.fixture
def desk(artifacts, metrics):
    return PriceDesk(artifacts, metrics)


@pytest.mark.parametrize("mode", ["eager", "torchscript", "fx"])
def test_a_mode_prices_at_once_and_times_single_calls(artifacts, metrics, mode):
    # A clock that moves by one second whenever it is read: each sample is the time between two readings.
    ticks = itertools.count()
    desk = PriceDesk(artifacts, metrics, clock=lambda: float(next(ticks)))

    answer = desk.in_mode(mode, HOUSE)

    assert answer.state is ModeState.READY
    assert answer.dollars == pytest.approx(desk.price(HOUSE).dollars, abs=0.5)
    assert answer.samples == (1.0,) * TIMED_CALLS
    assert answer.ready_after == 1.0


def test_a_mode_that_compiles_waits_until_it_is_told_to(desk):
    answer = desk.in_mode("compile", HOUSE)

    assert answer.dollars is None
    assert answer.state in {ModeState.COLD, ModeState.FAILED}
    assert not desk.is_warming


def test_compiling_happens_beside_the_page_and_then_prices(desk):
    if mode_named("compile").missing():
        pytest.skip("nothing to compile with")

    thread = desk.warm_up("compile")
    again = desk.warm_up("compile")
    meanwhile = desk.in_mode("eager", HOUSE)
    thread.join()
    answer = desk.in_mode("compile", HOUSE)

    assert again is None
    assert meanwhile.state is ModeState.READY
    assert answer.state is ModeState.READY
    assert answer.dollars == pytest.approx(meanwhile.dollars, abs=0.5)
    assert not desk.is_warming


def test_reading_what_was_compiled_makes_the_mode_compile_again(desk):
    if mode_named("compile").missing():
        pytest.skip("nothing to compile with")
    desk.warm_up("compile").join()

    code = desk.code("compile")

    assert "fused" in code
    assert desk.has_code("compile")
    assert desk.in_mode("compile", HOUSE).state is ModeState.COLD
    assert "def forward" in desk.code("fx")


def test_a_mode_that_is_ready_has_nothing_to_warm(desk):
    assert desk.warm_up("eager") is None


def test_quartiles_are_those_of_five_numbers():
    assert quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 3.0, 4.0)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="pricebench train"):
        PriceDesk.load(tmp_path)
