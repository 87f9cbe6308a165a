from __future__ import annotations

import io
import socket
import tomllib
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from pricebench.cli import main
from pricebench.dashboard.server import ADDRESS, OPTIONS, ServerError, serve
from pricebench.dashboard.settings import Settings

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"


def flat(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", tuple(value) if isinstance(value, list) else value


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind((ADDRESS, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_both_ways_to_start_it_have_the_same_settings():
    assert dict(flat(tomllib.loads(CONFIG.read_text()))) == OPTIONS


def test_it_listens_on_this_machine_alone_and_tells_nobody():
    assert OPTIONS["server.address"] == "127.0.0.1"
    assert OPTIONS["browser.gatherUsageStats"] is False


def test_a_taken_port_is_one_sentence(taken):
    with pytest.raises(ServerError, match=f"expected port {taken} to be free, found: it is in use"):
        serve(Settings(), port=taken)


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_wrong_port_is_a_usage_error(port):
    with redirect_stderr(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main(["dashboard", "--port", port])

    assert ended.value.code == 2
    assert "--port" in said.getvalue()


def test_a_taken_port_ends_the_command_with_exit_code_2(taken, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--port", str(taken)])

    assert ended.value.code == 2
    assert "Give another with --port" in capsys.readouterr().err
