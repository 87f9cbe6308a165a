from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from pricebench.cli.modes import _blocks, _table
from tests.test_cli import pricebench

ROWS = [
    {
        "mode": "torchscript",
        "runs here": True,
        "reason": None,
        "does": "compiled from source to a graph, frozen; runs without Python",
        "needs": "the module's source, in TorchScript's subset of Python",
        "deprecation": "deprecated since torch 2.11; PyTorch names torch.compile and torch.export as successors",
        "workload": "tagger",
        "takes it": False,
        "remark": "torchscript cannot compile Tagger: [red] is no markup",
    },
    {
        "mode": "eager",
        "runs here": False,
        "reason": "no compiler",
        "does": "Python calls each operator",
        "needs": "nothing",
        "deprecation": None,
    },
]


def printed(table, width):
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return text.getvalue()


def test_at_80_columns_a_mode_is_a_block_whose_sentences_stay_whole():
    text = printed(_blocks(ROWS), 80)

    assert max(map(len, text.splitlines())) <= 80
    assert "compiled from source to a graph, frozen; runs without Python" in text
    assert "no: torchscript cannot compile Tagger: [red] is no markup" in text
    assert "no: no compiler" in text


def test_on_a_wide_terminal_modes_are_a_table():
    header = printed(_table(ROWS), 200).splitlines()[1]

    assert all(title in header for title in ("mode", "runs here", "what it does", "needs", "notice", "takes tagger"))


@pytest.fixture(scope="module")
def tried():
    return pricebench("modes", "--workload", "tests/some_models.py:branching", "--json")


def test_a_mode_that_cannot_take_the_model_is_a_row_with_its_reason(tried):
    rows = {row["mode"]: row for row in json.loads(tried.stdout)}

    assert tried.returncode == 0
    assert rows["eager"]["takes it"] is True
    assert rows["fx"]["takes it"] is False
    assert rows["fx"]["remark"].startswith("fx cannot trace Branching: ")
    assert rows["fx"]["remark"].endswith("use another mode.")


def test_graph_breaks_are_shown_with_file_and_line(tried):
    row = next(row for row in json.loads(tried.stdout) if row["mode"] == "compile")

    if row["runs here"]:
        assert row["takes it"] is True
        assert "1 graph break: " in row["remark"]
        assert "(some_models.py, line " in row["remark"]
