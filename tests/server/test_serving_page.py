"""What docs/serving.md says is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pricebench.cli.export import export
from pricebench.cli.serve import serve
from pricebench.server.counters import STATUSES
from pricebench.server.limits import Limits
from tests.server import HOUSE

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
COMMANDS = [
    command
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for command in re.split(r"\n(?=curl|printf)", block.strip())
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_curl_line_is_answered(server, command):
    host, port = server.address
    line = command.replace("127.0.0.1:8600", f"{host}:{port}").replace("curl ", "curl --silent --fail-with-body ")

    result = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout
    assert result.stdout


def test_there_are_examples_of_every_kind():
    assert len(COMMANDS) == 10
    assert any(str(HOUSE["income"]) in command for command in COMMANDS)


def test_the_answer_that_is_shown_has_the_fields_of_a_real_one(server):
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

    assert list(json.loads(shown)) == list(server.price(HOUSE).body)


def test_limits_and_options_are_those_of_the_code():
    limits = Limits()

    assert f"`--rows` {limits.rows:,}" in PAGE
    assert f"`--body` {limits.body_bytes // 2**20} MiB" in PAGE
    assert f"`--queue` {limits.waiting_rows:,} rows" in PAGE
    assert f"`--connections` {limits.connections:,}" in PAGE
    assert f"`--deadline` {limits.deadline:g}s" in PAGE
    assert f"`--receive-timeout` {limits.receive_timeout:g}s" in PAGE
    assert f"`--idle-timeout` ({limits.idle_timeout:g}s)" in PAGE
    assert f"headers of more than {limits.head_bytes // 1024} KiB" in PAGE
    options = set(re.findall(r"`--([a-z-]+)", PAGE))
    proof = {"quick", "modes"}  # of `python -m benchmarks.serving`, and of the suite
    known = proof | set(serve.__kwdefaults__) | set(export.__kwdefaults__)
    assert {option.replace("-", "_") for option in options} <= known


def test_every_status_is_told():
    told = {int(number) for row in re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE) for number in row.split(",")}

    assert set(STATUSES) - told == {200}
