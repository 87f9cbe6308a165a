from __future__ import annotations

import subprocess
import sys

import pytest

import pricebench


@pytest.mark.parametrize("name", pricebench.__all__)
def test_every_public_name_is_there(name):
    assert getattr(pricebench, name) is not None


def test_an_unknown_name_lists_the_public_ones():
    with pytest.raises(AttributeError, match="Predictor"):
        pricebench.Predicter  # noqa: B018 - the access is what raises


def test_importing_it_imports_nothing_else():
    code = "import sys, pricebench; print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'numpy', 'rich'}))"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
