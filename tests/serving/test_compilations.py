from __future__ import annotations

import threading
from types import FunctionType

import pytest
import torch

from pricebench.modes.compile import MODE as COMPILE
from pricebench.modes.compile import forget
from pricebench.serving.compilations import Unexpected, num_compilations


@pytest.fixture(autouse=True)
def _own_graphs():
    if reason := COMPILE.missing():
        pytest.skip(reason)
    forget()
    yield
    forget()


def double(x):
    return x * 2.0


def compile_something():
    # Graphs belong to code: a copy of it has none yet.
    torch.compile(FunctionType(double.__code__.replace(), globals()), backend="eager")(torch.ones(2))


def compile_elsewhere():
    thread = threading.Thread(target=compile_something)
    thread.start()
    thread.join()


def test_compilations_are_those_that_torch_counts():
    compiled = torch.compile(lambda x: x * 2.0, backend="eager")
    before = num_compilations()

    compiled(torch.ones(2))
    after_first = num_compilations()
    compiled(torch.ones(2))

    assert after_first - before == 1
    assert num_compilations() == after_first


def test_what_is_compiled_while_nothing_is_prepared_is_unexpected():
    compile_something()
    unexpected = Unexpected()
    assert unexpected.num == 0

    compile_something()

    assert unexpected.num == 1


def test_while_a_model_is_prepared_only_what_the_serving_thread_compiles_is_unexpected():
    unexpected = Unexpected()

    with unexpected.prepared_beside():
        compile_elsewhere()
        assert unexpected.num == 0
        compile_something()
        assert unexpected.num == 1
        with unexpected.expected():
            compile_something()

    assert unexpected.num == 1
    compile_something()
    assert unexpected.num == 2


def test_of_two_models_that_are_prepared_at_a_time_each_compilation_is_counted_once():
    unexpected = Unexpected()

    with unexpected.prepared_beside():
        with unexpected.prepared_beside():
            compile_something()
        compile_elsewhere()
        compile_something()

    assert unexpected.num == 2
