from __future__ import annotations

import gzip

import pytest

from pricebench.gate.bank import Bank
from pricebench.gate.records import GateError
from tests.gate.made import block

MACHINE = {"cpu": "test", "torch": "2.15.0"}


def test_a_bank_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "bank.jsonl"
    Bank.open(path, machine=MACHINE, commit="a").add(block(0))
    Bank.open(path, machine=MACHINE, commit="b").add(block(1))

    found = Bank.load(path)

    assert [each.number for each in found.blocks] == [0, 1]
    assert found.commits == ["a", "b"]


def test_a_bank_is_read_compressed(tmp_path):
    path = tmp_path / "bank.jsonl"
    Bank.open(path, machine=MACHINE, commit="a").add(block(0))
    packed = tmp_path / "bank.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert Bank.load(packed).blocks == Bank.load(path).blocks


def test_blocks_of_two_fingerprints_are_not_mixed(tmp_path):
    path = tmp_path / "bank.jsonl"
    Bank.open(path, machine=MACHINE, commit="a")

    with pytest.raises(GateError, match="another fingerprint"):
        Bank.open(path, machine={**MACHINE, "torch": "2.16.0"}, commit="a")


@pytest.mark.parametrize("text", ["{", '{"number": 1}', '{"schema": 99, "machine": {}, "commit": ""}', "[1]"])
def test_what_is_no_bank_is_refused(tmp_path, text):
    path = tmp_path / "bank.jsonl"
    path.write_text(text)

    with pytest.raises(GateError, match="bank"):
        Bank.load(path)


def test_a_missing_bank_says_how_to_make_one(tmp_path):
    with pytest.raises(GateError, match=r"python -m evidence\.gate_bank"):
        Bank.load(tmp_path / "none.jsonl")
