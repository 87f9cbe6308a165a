"""Fresh processes that make a workload's module ready and make its first calls, forked from one that imported torch.

Not its compiler: that is imported by the first call, as in a user's process.
"""

from __future__ import annotations

import os
import time
from typing import Any

from pricebench.zygote.process import Answer, fork_for_each_request, next_request


def main() -> None:
    """Serve until stdin ends."""
    import_seconds = 0.0

    def make_ready() -> None:
        nonlocal import_seconds
        started = time.perf_counter()
        import torch  # noqa: F401, PLC0415 - its import is told apart

        import_seconds = time.perf_counter() - started

    fork_for_each_request(make_ready, lambda request, answer: _serve(request, answer, import_seconds))


def _serve(request: dict[str, Any], answer: Answer, import_seconds: float) -> None:
    os.environ.update(request["environment"])
    import torch  # noqa: PLC0415

    from pricebench.errors import ModeError  # noqa: PLC0415
    from pricebench.modes.base import reason_of  # noqa: PLC0415
    from pricebench.transforms import mode_with  # noqa: PLC0415
    from pricebench.workload import load_workload  # noqa: PLC0415
    from pricebench.workload.checks import expected_inference  # noqa: PLC0415

    torch.set_num_threads(request["threads"])
    workload = load_workload(request["workload"], dims=request["dims"] or None).on(request["device"])
    expected = expected_inference(workload, request["sizes"])
    inputs = workload.inputs(request["sizes"])
    started = time.perf_counter()
    try:
        forward = mode_with(request["mode"]).prepare_inference(workload.module, inputs)
    except ModeError as error:
        answer(failure=str(error))
        return
    answer(import_s=import_seconds, prepare_s=time.perf_counter() - started)

    while next_request():
        fresh = inputs.clone()
        called = time.perf_counter()
        try:
            output = fresh.call(forward)
        # A compiler may raise anything: that is the finding.
        except Exception as error:
            reason = f"{type(error).__name__}: {reason_of(error)}"
            answer(failure=f"{request['mode']} cannot take {workload.name}: {reason}")
            return
        if request["device"] == "cuda":
            torch.cuda.synchronize()
        answered = time.perf_counter()
        difference = expected.difference(output)
        answer(
            call_s=answered - called,
            wrong=expected.wrong(output),
            max_abs_error=abs(difference.found - difference.expected),
        )


if __name__ == "__main__":
    main()
