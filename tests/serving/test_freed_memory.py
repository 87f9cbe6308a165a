from __future__ import annotations

import platform

import pytest

from pricebench.data import make_houses
from pricebench.serving import Predictor
from tests.serving import untrained_artifacts

HOUSES = make_houses(2_048, seed=5).features_NF


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc's malloc")
def test_a_call_finds_the_memory_of_the_one_before():
    import resource  # noqa: PLC0415 - no such module on Windows

    predictor = Predictor(untrained_artifacts())
    for _ in range(3):
        predictor.predict(HOUSES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    for _ in range(20):
        predictor.predict(HOUSES)

    # Two activations of two MiB in pages of four KiB: a thousand a call, where they are asked for anew.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1_000
