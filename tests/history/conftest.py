from __future__ import annotations

import pytest

from pricebench.history import open_history


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "history"


@pytest.fixture
def opened(tmp_path, folder):
    """Opens with a cache that the next call finds again."""
    return lambda: open_history(folder, cache_home=tmp_path / "cache")
