from __future__ import annotations

import json

import pytest

from pricebench.limits.records import FOLDER, Limits, LimitsError, newest_for
from tests.limits.made import MACHINE, limits, rate


def test_what_was_saved_is_read_back(tmp_path):
    path = tmp_path / "limits.json"

    kept = limits(rate("torch.mm", 50))  # 4 ms: exact in nine digits

    kept.save(path)

    assert Limits.load(path) == kept


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rates": [{}]}, "rates[0].product: expected an object, found nothing"),
        ({"calls": {"python": -1}}, "python: expected a number, at least 0, found -1"),
        ({"schema": 9}, "of schema 1, found 9"),
        (
            {"bandwidths": [{"size": 1, "threads": 1, "per_second": 0, "how": "x"}]},
            "expected a number above 0, found 0",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, change, told):
    path = tmp_path / "limits.json"
    limits().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(LimitsError) as error:
        Limits.load(path)

    assert told in str(error.value)
    assert "pricebench limits" in str(error.value)


def test_the_newest_of_the_same_machine_counts_whatever_its_threads(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir()
    limits(started="old").save(folder / "a_20261101T000000Z.json")
    limits(started="new", machine=MACHINE | {"threads": 1}).save(folder / "b_20261102T000000Z.json")
    limits(started="other", machine=MACHINE | {"cpu": "another"}).save(folder / "c_20261103T000000Z.json")

    assert newest_for(tmp_path, MACHINE | {"threads": 64}).started == "new"
    assert newest_for(tmp_path, {"cpu": "unknown"}) is None
    assert newest_for(tmp_path / "nowhere", MACHINE) is None
