from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pricebench

MODULES = [
    module.name
    for module in pkgutil.walk_packages(pricebench.__path__, "pricebench.")
    if module.name != "pricebench.__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
