from __future__ import annotations

import os
from pathlib import Path

import pytest

from pricebench.zygote.client import ChildError, RefusalError, Zygote, exit_text
from pricebench.zygote.process import CAN_FORK

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="there is no safe fork here")


@pytest.fixture
def zygote(tmp_path):
    with Zygote(
        ["-m", "tests.zygote.echoing"],
        environment=dict(os.environ),
        log=tmp_path / "log",
        limit=2.0,
        folder=Path(__file__).parents[2],
    ) as zygote:
        yield zygote


def is_running(pid):
    return Path(f"/proc/{pid}").exists()


def test_children_of_one_parent_are_fresh_and_find_the_imports_made(zygote):
    found = []
    for _ in range(2):
        with zygote.child() as ready:
            assert zygote.ask(do="sing") == {"said": "sing"}
            found.append(ready)

    (first, second) = found
    assert first["imported"] == second["imported"] == ["once"]
    assert first["parent"] == second["parent"]
    assert len({os.getpid(), first["own"], second["own"], first["parent"]}) == 4


def test_nothing_is_left_of_a_child_or_of_its_zygote(zygote):
    with zygote.child() as ready:
        pass
    gone = not is_running(ready["own"])
    zygote.stop()

    assert gone
    assert not is_running(ready["parent"])


def test_what_a_child_refuses_is_said_and_the_next_one_serves(zygote):
    with pytest.raises(RefusalError, match=r"^not today$"), zygote.child(refuse=True):
        pass
    with zygote.child():
        assert zygote.ask(do="go on") == {"said": "go on"}


def test_a_child_that_dies_is_an_error_with_its_signal_and_last_words(zygote):
    with (
        zygote.child(),
        pytest.raises(ChildError, match=r"^the process ended \(signal SIGKILL\): last words$") as caught,
    ):
        zygote.ask(do="die")

    assert not isinstance(caught.value, RefusalError)


def test_a_child_that_hangs_is_ended_at_the_time_limit(zygote):
    with zygote.child() as ready, pytest.raises(ChildError, match=r"^no answer within 2 s; ended$"):
        zygote.ask(do="hang")

    assert not is_running(ready["own"])


def test_a_program_that_is_not_there_says_why(tmp_path):
    with (
        Zygote(["-m", "no_such_program"], environment=dict(os.environ), log=tmp_path / "log", limit=2.0) as zygote,
        pytest.raises(ChildError, match=r"ended \(exit code 1\): .*No module named no_such_program"),
        zygote.child(),
    ):
        pass


def test_a_child_that_is_left_by_an_error_of_the_caller_is_ended(zygote):
    with pytest.raises(LookupError), zygote.child() as ready:
        raise LookupError

    assert not is_running(ready["own"])


@pytest.mark.parametrize(("code", "says"), [(-9, "signal SIGKILL"), (0, "exit code 0"), (3, "exit code 3")])
def test_an_end_in_words(code, says):
    assert exit_text(code) == says
