from __future__ import annotations

import json

from pricebench.paired.records import Block, Company, machine_digest


def test_a_block_is_read_as_it_was_written():
    made = Block(
        number=3,
        # By hand: seven digits are kept.
        seconds={"sums": {"eager": (1 / 3, 2 / 3), "compile": (1e-7 / 3, 1.0)}},
        calls={"sums": 20},
        company={"sums": {"eager": Company(waited=0.5, others=0.25)}},
        failures={"lists": {"compile": "failed: assert"}},
        wall=1.5,
        others=0.125,
    )

    again = Block.from_json(json.loads(json.dumps(made.to_json())))

    assert again.seconds["sums"] == {"eager": (0.3333333, 0.6666667), "compile": (3.333333e-8, 1.0)}
    assert (again.number, again.calls, again.wall, again.others) == (3, {"sums": 20}, 1.5, 0.125)
    assert again.company == made.company
    assert again.failures == made.failures


def test_a_machines_digest_does_not_depend_on_the_order_of_facts():
    assert machine_digest({"a": 1, "b": 2}) == machine_digest({"b": 2, "a": 1})
    assert machine_digest({"a": 1}) != machine_digest({"a": 2})
