from __future__ import annotations

import json

import pytest

from evidence.ranks import (
    ARMS,
    CLIFF_ARMS,
    GRADIENTS,
    ONE,
    RANKS,
    ROWS,
    WHOLE,
    WITHOUT,
    alpha_and_beta,
    of_the_sum,
    table,
)
from evidence.ranks_worker import _share_in
from pricebench.training import Ranks


def made(*, step=0.004, without=0.003):
    steps = {str(rows): {WHOLE: [step], WITHOUT: [without]} for rows in ROWS}
    seconds = [1.0] * 4 + [0.01] * 8 + [2.0] + [0.01] * 12 + [0.02] + [0.01] * 12
    return {
        "launches": [
            {"arm": arm, "round": number, "others": 0.0, "steps": steps} for number in range(3) for arm in ARMS
        ],
        "messages": {"4": 2e-4, str(GRADIENTS): 5e-4, "33554432": 0.0337544},
        "cliffs": [
            {"arm": arm, "round": 0, "seconds": [seconds if arm != "drop_last" else seconds[:12] * 3] * 2}
            for arm in CLIFF_ARMS
        ],
        "machine": {"cpu": "test", "torch": "2.15.0"},
        "cores": 2,
        "started": "2026-11-29T00:00:00+00:00",
    }


def test_latency_and_rate_come_from_the_smallest_and_the_largest_message():
    latency, rate = alpha_and_beta(made())

    # 0.2 ms for nothing is there and back; 32 MiB in 33.5544 ms more is 1 GB/s.
    assert latency == pytest.approx(1e-4)
    assert rate == pytest.approx(1e9, rel=1e-3)


@pytest.mark.parametrize(("num", "expected"), [(2, 2 * 1e-4 + 1e-3), (4, 6 * 1e-4 + 1.5e-3), (1, 0.0)])
def test_a_ring_sends_each_rank_twice_the_bytes_of_the_others_shares(num, expected):
    assert of_the_sum(num, 1e-4, 1e9, 1_000_000) == pytest.approx(expected)


def test_the_sum_is_what_a_step_takes_more_than_without_it():
    told = table(made())

    assert "| 2,048 | 4.00 ms | 3.00 ms | 1.00 ms | 25% |" in told
    assert f"| on one rank | {'2.00 s and 2.00 s'} | 1.00 | 20.0 ms |" in told
    assert f"{ONE} | " in told
    assert RANKS in told


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("on one rank", [slice(0, 1024), slice(1024, 1531)]),
        ("on all ranks", [slice(0, 765), slice(765, 1531)]),
        ("drop_last", [None, None]),
    ],
)
def test_a_residual_batch_lies_where_its_arm_says(arm, expected):
    assert [_share_in(arm, Ranks(rank=rank, num=2), 1531, 2048) for rank in range(2)] == expected


def test_a_report_is_plain_json():
    assert json.loads(json.dumps(made())) == made()
