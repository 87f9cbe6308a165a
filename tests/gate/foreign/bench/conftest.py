import pytest


@pytest.fixture(scope="session")
def numbers():
    return list(range(500))
