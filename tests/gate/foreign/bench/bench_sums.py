"""A suite as somebody else writes it: fixtures, parametrisation, classes, marks, pedantic, extra_info, assertions."""

import pytest
from sums import Stack, total


@pytest.mark.parametrize("size", [100, 500])
def test_total(benchmark, numbers, size):
    benchmark.extra_info["size"] = size
    assert benchmark(total, numbers[:size]) == size * (size - 1) // 2
    assert benchmark.stats["mean"] > 0


@pytest.mark.benchmark(group="stack", min_rounds=3)
class TestStack:
    rounds = 0

    @pytest.fixture(autouse=True)
    def _items(self, numbers):
        self.items = numbers

    def test_drain(self, benchmark):
        def setup():
            type(self).rounds += 1
            assert type(self).rounds <= 40, "more rounds than the test asked for"
            return (Stack(self.items),), {}

        result = benchmark.pedantic(Stack.drain, setup=setup, rounds=40)
        assert result == total(self.items)
        assert benchmark.stats["rounds"] > 0

    def test_single_event(self, benchmark, numbers):
        supply = [Stack(numbers * 600)]
        # It returns nothing, and there is no second one.
        assert benchmark.pedantic(Stack.fold, setup=lambda: ((supply.pop(),), {}), rounds=1) is None


def test_without_a_benchmark():
    raise AssertionError("the gate runs benchmarks only")
