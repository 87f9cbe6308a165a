from __future__ import annotations

import pytest

from tests.gate.project import Project


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)
