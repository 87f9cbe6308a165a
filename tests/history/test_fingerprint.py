from __future__ import annotations

import dataclasses

import pytest

from pricebench.history import Fingerprint

FACTS = Fingerprint(
    cpu="EPYC",
    architecture="x86_64",
    logical_cores=2,
    system="Linux",
    python="3.11",
    torch="2.15.0",
    blas="mkl",
    threads=2,
    device="cpu",
)


def test_the_digest_is_a_key_and_does_not_change():
    # `printf "%s" "{...}" | sha256sum` over the facts as sorted JSON; folders are named by it.
    assert FACTS.digest == "7ff32450dc"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Fingerprint)])
def test_every_fact_changes_the_digest(name):
    other = dataclasses.replace(FACTS, **{name: 7 if name in ("threads", "logical_cores") else "other"})

    assert other.digest != FACTS.digest
