from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

pytest_plugins = ["pytester"]

# A shared machine may be slow for a moment; a deadline would make that a failure.
settings.register_profile("pricebench", deadline=None)
settings.load_profile("pricebench")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-data", metavar="DIR", type=Path, help="folder with USA_Housing.csv and california_housing.csv"
    )
    parser.addoption(
        "--screenshots", metavar="DIR", type=Path, help="where the browser tests leave pictures of every page"
    )


@pytest.fixture(scope="session")
def real_data(pytestconfig: pytest.Config) -> Path:
    folder: Path | None = pytestconfig.getoption("--real-data")
    if folder is None:
        pytest.skip("needs the real data files, which are not in the repository: give --real-data DIR")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Sums are then the same on every machine that runs the tests.
    torch.set_num_threads(1)
