"""A fresh process that makes a module ready, waits for the word, and makes its first calls.

Talks in JSON lines: `{"ready": ...}` when everything but the first call is done; then for each line that it reads one
call and a line with what the call took by its own clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import time


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", required=True)
    options = parser.parse_args()

    started = time.perf_counter()
    import torch  # noqa: PLC0415 - its import is part of what is told apart

    from benchmarks.cases import checked_error, in_float64  # noqa: PLC0415
    from pricebench.model import MLP  # noqa: PLC0415
    from pricebench.modes import mode_named  # noqa: PLC0415
    from pricebench.workload import house_prices  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    imported = time.perf_counter()
    workload = house_prices(MLP().to(options.device))
    x_NF = workload.inputs(options.rows).to(options.device)
    expected = in_float64(workload.module)(x_NF.double())
    prepare_started = time.perf_counter()
    forward = mode_named(options.mode).prepare_inference(workload.module, x_NF)
    prepared = time.perf_counter()
    _say(import_s=imported - started, prepare_s=prepared - prepare_started)

    for _ in sys.stdin:
        called = time.perf_counter()
        output = forward(x_NF)
        if options.device == "cuda":
            torch.cuda.synchronize()
        answered = time.perf_counter()
        _say(call_s=answered - called, max_abs_error=checked_error(output, expected))


def _say(**facts: float) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
