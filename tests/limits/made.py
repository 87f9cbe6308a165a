"""Limits with round numbers: 100 GFLOP/s in float32, 10 GB/s from memory, 100 from cache, a microsecond an operator."""

from __future__ import annotations

from pricebench.limits.records import Bandwidth, Limits, Precision, Product, Rate

FULL = Product(rows=2000, inner=250, columns=200)  # 0.2 GFLOP
MACHINE = {"cpu": "Some CPU", "torch": "2.15.0", "threads": 2}


def rate(library, gflop, *, precision=Precision.FLOAT32, threads=1, product=FULL, arithmetic=None, error=1e-8):
    seconds = product.flop / (gflop * 1e9)
    return Rate(
        library=library,
        precision=precision,
        threads=threads,
        product=product,
        seconds=seconds,
        median=1.1 * seconds,
        error=error,
        arithmetic=arithmetic or str(precision),
    )


def limits(*rates, **changes):
    content = {
        "started": "2026-11-28T10:00:00+00:00",
        "fingerprint": "0123456789",
        "machine": MACHINE,
        "instructions": ("avx2",),
        "versions": {"torch.mm": "2.15.0", "oneDNN, packed": "2.15.0", "OpenVINO": "openvino is not installed"},
        "advice": {"oneDNN, packed": "--mode aot"},
        "rates": rates or (rate("torch.mm", 60), rate("oneDNN, packed", 100)),
        "bandwidths": (
            Bandwidth(size=2**15, threads=1, per_second=100e9, how="torch.dot"),
            Bandwidth(size=2**28, threads=1, per_second=10e9, how="torch.sum"),
        ),
        "calls": {"python": 5e-8, "dispatcher": 3e-7, "operator": 1e-6, "clock": 4e-8},
    }
    return Limits(**content | changes)
