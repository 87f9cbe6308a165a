from __future__ import annotations

from pricebench.server.heartbeat import Heartbeats


def hung_by_look(patience, looks):
    """What is found at each look `(now, beats)`."""
    heartbeats = Heartbeats(patience)
    return [heartbeats.hung(beats, now) for now, beats in looks]


def test_a_worker_whose_loop_turns_is_never_hung():
    found = hung_by_look(3.0, [(float(now), {0: now, 1: now + 7}) for now in range(100)])

    assert not any(found)


def test_a_worker_is_hung_after_its_patience_and_told_once():
    found = hung_by_look(3.0, [(float(now), {0: now, 1: 5}) for now in range(7)])

    assert found == [[], [], [], [], [1], [], []]


def test_a_machine_that_was_suspended_has_no_hung_workers():
    # All clocks have gone on, and nobody's loop has turned.
    found = hung_by_look(3.0, [(0.0, {0: 1}), (1.0, {0: 2}), (9_000.0, {0: 2}), (9_001.0, {0: 2}), (9_001.5, {0: 3})])

    assert not any(found)


def test_time_in_which_the_supervisor_itself_was_not_awake_counts_little():
    # Looks five seconds apart, on a machine that is busy: two of them without a beat are no hang.
    found = hung_by_look(4.0, [(0.0, {0: 1}), (5.0, {0: 1}), (10.0, {0: 1}), (15.0, {0: 1})])

    assert found == [[], [], [], [0]]


def test_a_worker_that_takes_anothers_place_begins_anew():
    found = hung_by_look(3.0, [(0.0, {0: 8}), (1.5, {0: 8}), (3.0, {}), (4.0, {0: 8}), (5.0, {0: 8}), (6.0, {0: 8})])

    assert not any(found)
