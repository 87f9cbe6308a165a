"""What the supervisor does about models, without workers; test_workers.py has those."""

from __future__ import annotations

import pytest

from pricebench.server.board import Board
from pricebench.server.counters import NUMBERS, Counters
from pricebench.server.reloads import LOOK, Reloads
from pricebench.server.snapshots import Snapshots, Watch


@pytest.fixture
def watched(tmp_path):
    """A folder whose state a test says, what is done about it, and what is said."""
    state, said = ["old"], []
    counters = Counters(Board.make(places=1, processes=1, numbers=NUMBERS).numbers(0))
    with Snapshots(tmp_path) as snapshots:
        watch = Watch(tmp_path, look=lambda _: state[0])
        yield state, Reloads(snapshots, watch, {}, counters=counters, say=said.append), said


NOBODY = "the new model is refused, the old one goes on: no worker could check it"


def test_a_change_while_the_first_workers_begin_is_tried_when_they_have_begun(watched):
    state, reloads, said = watched
    for turn in range(4):
        state[0] = "new" if turn else "old"
        reloads.look(turn * LOOK)
    assert said == []

    reloads.is_open = True
    for turn in range(4, 8):
        reloads.look(turn * LOOK)

    assert said == [NOBODY]
    assert reloads.generation == 1


def test_a_folder_is_looked_at_once_a_second(watched):
    state, reloads, said = watched
    reloads.is_open = True
    reloads.look(0.0)
    state[0] = "new"

    for part in range(1, 10):
        reloads.look(part / 10 * LOOK)
    assert said == []
    for turn in (1, 2):
        reloads.look(turn * LOOK)

    assert said == [NOBODY]
