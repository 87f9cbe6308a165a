from __future__ import annotations

import signal
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


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    # A shell's background jobs ignore Ctrl-C, and so would the processes that tests send it to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
