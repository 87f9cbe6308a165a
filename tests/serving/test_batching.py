from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebench.serving.batching import Batcher, DeadlineError, QueueFullError
from tests.server import Clock


class Sum:
    """A model whose price is the sum of a row, which writes down what it was given."""

    def __init__(self, *, on_call=lambda: None, plus=0.0):
        self.batches = []
        self._on_call = on_call
        self._plus = plus

    def predict(self, features):
        self.batches.append(len(features))
        self._on_call()
        return features.sum(axis=1) + self._plus


def rows(num, start=0.0):
    return start + np.arange(num, dtype=float)[:, None] * np.ones((1, 5))


def batcher(model, **settings):
    settings = {"most_waiting_rows": 10_000, "patience": 1.0, "clock": Clock(), "most_rows": 100} | settings
    return Batcher(model, **settings)


def test_what_arrives_in_the_same_turn_is_one_batch():
    model = Sum()

    async def ask():
        queue = batcher(model)
        return await asyncio.gather(*(queue.submit(rows(num)) for num in (1, 3, 2)))

    answers = asyncio.run(ask())

    assert model.batches == [6]
    assert [answer.price_N.tolist() for answer in answers] == [[0], [0, 5, 10], [0, 5]]


def test_what_arrives_while_a_batch_runs_is_the_next_batch():
    async def ask():
        loop, later = asyncio.get_running_loop(), []

        def arrive():
            # As the loop does with what it reads from a socket after the batch.
            if not later:
                for _ in range(3):
                    later.append(None)
                    loop.call_soon(lambda: later.append(queue.submit(rows(1))))

        model = Sum(on_call=arrive)
        queue = batcher(model)
        await queue.submit(rows(1))
        while len(later) < 6:
            await asyncio.sleep(0)
        await asyncio.gather(*filter(None, later))
        return model.batches

    assert asyncio.run(ask()) == [1, 3]


def test_a_large_request_is_cut_and_the_loop_runs_between_its_pieces():
    async def ask():
        model, turns = Sum(), []
        queue = batcher(model)
        answer = queue.submit(rows(250))

        async def others():
            while not answer.done():
                turns.append(len(model.batches))
                await asyncio.sleep(0)

        await others()
        return model.batches, turns, (await answer).price_N

    batches, turns, price_N = asyncio.run(ask())

    assert batches == [100, 100, 50]
    assert {0, 1, 2} <= set(turns)
    assert price_N.tolist() == [5.0 * row for row in range(250)]


def test_one_house_does_not_wait_for_thousands_of_somebody_elses():
    async def ask():
        model, answered_after = Sum(), []
        queue = batcher(model)
        large = queue.submit(rows(1_000))
        for _ in range(5):
            queue.submit(rows(1)).add_done_callback(lambda _: answered_after.append(len(model.batches)))
        await large
        return answered_after, model.batches

    answered_after, batches = asyncio.run(ask())

    assert answered_after == [1] * 5
    assert batches == [100] * 10 + [5]


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=20), most_rows=st.integers(1, 120))
def test_whatever_the_sizes_everybody_gets_the_prices_of_his_own_rows(sizes, most_rows):
    model = Sum()

    async def ask():
        queue = batcher(model, most_rows=most_rows)
        waiting = [queue.submit(rows(size, start=1_000.0 * number)) for number, size in enumerate(sizes)]
        answers = await asyncio.gather(*waiting)
        return answers, queue.num_waiting_rows

    answers, left = asyncio.run(ask())

    assert left == 0
    assert max(model.batches) <= most_rows
    assert sum(model.batches) == sum(sizes)
    # No batch is smaller than it need be.
    assert len(model.batches) == -(-sum(sizes) // most_rows)
    for number, (size, answer) in enumerate(zip(sizes, answers, strict=True)):
        assert answer.price_N.tolist() == [5 * (1_000.0 * number + row) for row in range(size)]


def test_more_rows_than_may_wait_are_refused_and_those_that_wait_are_priced():
    async def ask():
        queue = batcher(Sum(), most_waiting_rows=10)
        first = queue.submit(rows(8))
        with pytest.raises(QueueFullError):
            queue.submit(rows(3))
        second = queue.submit(rows(2))
        await asyncio.gather(first, second)
        return await queue.submit(rows(10))

    assert len(asyncio.run(ask()).price_N) == 10


def test_rows_that_waited_longer_than_they_may_are_given_up_and_not_priced():
    clock, model = Clock(), Sum()

    async def ask():
        queue = batcher(model, clock=clock, patience=1.0)
        late = queue.submit(rows(7))
        in_time = queue.submit(rows(2), arrived=clock() + 0.5)
        clock.now += 1.25
        answers = await asyncio.gather(late, in_time, return_exceptions=True)
        return answers, queue.num_waiting_rows

    (late, in_time), left = asyncio.run(ask())

    assert isinstance(late, DeadlineError)
    assert len(in_time.price_N) == 2
    assert model.batches == [2]
    assert left == 0


def test_a_large_request_that_gets_late_halfway_is_given_up():
    clock = Clock()

    def later():
        clock.now += 0.4

    model = Sum(on_call=later)

    async def ask():
        queue = batcher(model, clock=clock, patience=1.0)
        with pytest.raises(DeadlineError):
            await queue.submit(rows(1_000))
        return queue.num_waiting_rows

    assert asyncio.run(ask()) == 0
    assert len(model.batches) == 3


def test_rows_that_nobody_waits_for_are_not_priced():
    model = Sum()

    async def ask():
        queue = batcher(model)
        gone, there = queue.submit(rows(5)), queue.submit(rows(2))
        gone.cancel()
        await there

    asyncio.run(ask())

    assert model.batches == [2]


def test_a_switch_between_two_batches_leaves_each_request_with_one_model():
    old, new = Sum(), Sum(plus=1.0)

    async def ask():
        queue = batcher(old)
        begun = queue.submit(rows(250))
        while not old.batches:
            await asyncio.sleep(0)
        queue.model = new
        after = queue.submit(rows(3))
        return await asyncio.gather(begun, after)

    begun, after = asyncio.run(ask())

    assert (begun.model, after.model) == (old, new)
    assert begun.price_N.tolist() == [5.0 * row for row in range(250)]
    assert after.price_N.tolist() == [1.0, 6.0, 11.0]
    assert sum(old.batches) == 250


def test_a_model_that_fails_fails_its_batch_and_not_the_next():
    failing = [True]

    def fail_once():
        if failing:
            failing.pop()
            raise ArithmeticError("no")

    async def ask():
        queue = batcher(Sum(on_call=fail_once))
        both = await asyncio.gather(queue.submit(rows(1)), queue.submit(rows(1)), return_exceptions=True)
        return both, await queue.submit(rows(1))

    both, after = asyncio.run(ask())

    assert [str(error) for error in both] == ["no", "no"]
    assert after.price_N.tolist() == [0.0]


def test_batches_are_told_with_their_requests_rows_and_seconds():
    clock, told = Clock(), []

    def slowly():
        clock.now += 0.25

    async def ask():
        queue = batcher(Sum(on_call=slowly), clock=clock, on_batch=told.append)
        await asyncio.gather(queue.submit(rows(2)), queue.submit(rows(3)))

    asyncio.run(ask())

    assert told == [(2, 5, 0.25)]
