from __future__ import annotations

import json
import subprocess
import sys

from evidence.bulk import CASES, ROOT, table


def test_a_node_that_is_killed_changes_no_bit_and_no_house_is_lost_or_priced_twice(tmp_path):
    # What `python -m evidence.bulk measure` does with twenty million, in small.
    command = [sys.executable, "-m", "evidence.bulk", "measure", "--rows", "60000", "--shards", "12", "--many", "12"]
    command += ["--work", str(tmp_path / "work"), "--reports", str(tmp_path / "reports")]
    command += ["--case", "local", "--case", "three nodes, one killed"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    (path,) = (tmp_path / "reports").glob("*.json")
    local, killed = json.loads(path.read_text())["cases"].values()
    assert local["rows"] == [5000] * 12
    assert killed["digests"] == local["digests"]
    assert local["in_order"]
    assert killed["in_order"]
    assert set(killed["peak_bytes"]) == {"head", "worker 1", "worker 2"}
    assert "three nodes, one killed: the same bytes as local." in ended.stdout
    assert not (tmp_path / "work" / "60000-12").exists()


def found(*, seconds, rows, digests=("a",), first=1.0):
    step = seconds / max(1, len(rows) - 1)
    return {
        "seconds": first + seconds,
        "first_shard": first,
        "finished": [first + step * number for number in range(len(rows))],
        "rows": rows,
        "digests": list(digests),
        "in_order": True,
        "peak_bytes": {"head": 700 * 2**20},
        "warnings": [],
    }


def report(**cases):
    machine = {"cpu": "a CPU", "torch": "2.15.0"}
    return {
        "cases": {name.replace("_", " "): case for name, case in cases.items()},
        "houses": {"rows": 1000, "shards": 5, "many": 105},
        "machine": machine,
        "cores": 2,
        "started": "2026-11-29T00:00:00",
        "commit": "abcdef0123",
    }


def test_what_a_shard_costs_is_the_slope_and_what_a_row_costs_the_difference():
    few, many = [200] * 5, [10] * 100 + [0] * 5
    text = table(
        report(
            local=found(seconds=4.0, rows=few),
            one_node=found(seconds=8.0, rows=few),
            **{
                "local, many shards": found(seconds=104.0, rows=many),
                "one node, many shards": found(seconds=208.0, rows=many),
            },
        )
    )

    # Five shards in five seconds, a hundred more in a hundred: each costs a second; twice that on a node.
    assert "A shard more costs local: 1.00 s." in text
    assert "A shard more costs one node: 2.00 s." in text
    # Ten seconds instead of five, for a thousand rows.
    assert "A row costs one node 5000000 ns more than local, on the same core." in text
    assert "| local | 5 | 1.00 s | 200 /s | 5.00 s | 700 MiB |" in text


def test_other_bytes_and_a_house_that_is_missing_cannot_be_overlooked():
    wrong = found(seconds=4.0, rows=[200] * 5, digests=("b",)) | {"in_order": False}

    text = table(report(local=found(seconds=4.0, rows=[200] * 5), three_nodes=wrong))

    assert "three nodes: OTHER BYTES THAN local." in text
    assert "Every house once and in order: NO." in text


def test_a_node_is_killed_in_one_of_the_cases_and_where_cores_are_compared_both_have_one():
    assert [name for name, case in CASES.items() if case.kills] == ["three nodes, one killed"]
    assert all(case.has_one_core for name, case in CASES.items() if case.nodes < 2)
