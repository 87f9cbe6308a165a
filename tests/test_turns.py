from __future__ import annotations

import pytest

from pricebench.turns import in_turns


@pytest.mark.parametrize(("rest", "untimed"), [(0.0, 0), (1e-6, 1)])
def test_slices_alternate_and_after_a_rest_a_call_is_not_timed(rest, untimed):
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}

    # So short a slice is one call.
    times = in_turns(calls, slice_seconds=1e-12, slices=2, rest=rest)

    assert "".join(called) == "aaabbb" + 2 * ("a" * (1 + untimed) + "b" * (1 + untimed))
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 2, "b": 2}
