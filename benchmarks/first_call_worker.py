"""A fresh process that makes a workload's module ready, waits for the word, and makes its first calls.

Talks in JSON lines: seconds to import and to prepare when everything but the first call is done; then for each line
that it reads one call, and a line with what the call took by its own clock. `{"failure": ...}` where the mode cannot
take the module.
"""

from __future__ import annotations

import argparse
import json
import sys
import time


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True)
    parser.add_argument("--sizes", type=json.loads, required=True)
    parser.add_argument("--dims", type=json.loads, required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", required=True)
    options = parser.parse_args()

    started = time.perf_counter()
    import torch  # noqa: PLC0415 - its import is part of what is told apart

    from pricebench.errors import ModeError  # noqa: PLC0415
    from pricebench.modes.base import reason_of  # noqa: PLC0415
    from pricebench.transforms import mode_with  # noqa: PLC0415
    from pricebench.workload import load_workload  # noqa: PLC0415
    from pricebench.workload.checks import expected_inference  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    imported = time.perf_counter()
    workload = load_workload(options.workload, dims=options.dims or None).on(options.device)
    expected = expected_inference(workload, options.sizes)
    inputs = workload.inputs(options.sizes)
    prepare_started = time.perf_counter()
    try:
        forward = mode_with(options.mode).prepare_inference(workload.module, inputs)
    except ModeError as error:
        _say(failure=str(error))
        return
    prepared = time.perf_counter()
    _say(import_s=imported - started, prepare_s=prepared - prepare_started)

    for _ in sys.stdin:
        fresh = inputs.clone()
        called = time.perf_counter()
        try:
            output = fresh.call(forward)
        # A compiler may raise anything: that is the finding.
        except Exception as error:
            _say(failure=f"{options.mode} cannot take {workload.name}: {type(error).__name__}: {reason_of(error)}")
            return
        if options.device == "cuda":
            torch.cuda.synchronize()
        answered = time.perf_counter()
        difference = expected.difference(output)
        _say(
            call_s=answered - called,
            wrong=expected.wrong(output),
            max_abs_error=abs(difference.found - difference.expected),
        )


def _say(**facts: float | str) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
