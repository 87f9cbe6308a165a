from __future__ import annotations

import pytest

from pricebench.traffic.records import Purpose
from pricebench.traffic.search import PRECISION, next_step
from tests.traffic.made import probe


def searched(holds, *, spoilt=()):
    """Search a server that holds every rate up to one; probes with these numbers are late for no reason of its own."""
    probes = []
    while step := next_step(probes, first=500.0):
        held = step.rate <= holds
        p99 = 6e-3 if held and len(probes) in spoilt else 1e-3 if held else 1.0
        probes.append(probe(step.rate, p99=p99, purpose=step.purpose))
        assert len(probes) < 60
    return probes


@pytest.mark.parametrize("holds", [20.0, 499.0, 500.0, 1234.0, 9_999.0])
def test_the_highest_rate_is_found_to_its_precision_and_confirmed(holds):
    probes = searched(holds)

    assert probes[-1].purpose is Purpose.CONFIRM
    assert probes[-1].is_held
    assert holds / PRECISION <= probes[-1].rate <= holds
    assert len(probes) <= 14


def test_a_neighbour_that_spoils_a_probe_spoils_no_rate():
    probes = searched(8_000.0, spoilt={0, 1, 4})

    assert 8_000 / PRECISION <= probes[-1].rate <= 8_000


def test_what_is_far_from_being_held_is_not_tried_again():
    probes = searched(1_000.0)

    failed = [each.rate for each in probes if not each.is_held]
    assert len(failed) == len(set(failed))


def test_a_server_that_holds_nothing_has_no_highest_rate():
    probes = searched(0.0)

    assert not any(each.is_held for each in probes)
    assert {each.purpose for each in probes} == {Purpose.SEARCH}


def test_a_rate_that_is_not_confirmed_gives_way_to_a_lower_one():
    searching = [probe(500), probe(520, held=False)]
    step = next_step([*searching, probe(500, held=False, purpose=Purpose.CONFIRM)], first=500.0)

    assert step.purpose is Purpose.CONFIRM
    assert step.rate == pytest.approx(475)


def test_steps_back_become_longer():
    searching = [probe(500), probe(520, held=False)]
    refuted = [probe(rate, held=False, purpose=Purpose.CONFIRM) for rate in (500, 475)]

    step = next_step([*searching, *refuted], first=500.0)

    assert step.rate == pytest.approx(475 * 0.95**2)


def test_a_search_goes_on_from_the_probes_that_were_made():
    probes = searched(3_000.0)

    for number in range(len(probes)):
        step = next_step(probes[:number], first=500.0)
        assert (step.purpose, step.rate) == (probes[number].purpose, probes[number].rate)
