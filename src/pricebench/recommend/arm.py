"""An arm of a block: a forked process that runs every case of a workload in one mode, when the driver asks.

The sizes of the traffic are met before anything is measured, as a process that has run for a while has met them. Other
shapes are met when they are reached, behind the traffic: a compiled graph for them changes nothing before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from pricebench.paired import answering

WARM_UP_CALLS = 5  # TorchScript profiles its first call and optimises at the second


def main(arguments: Mapping[str, Any]) -> None:
    """Prepare, then serve the driver.

    Args:
        arguments: `mode`; `cases`: name, kind, sizes and whether it is of the traffic; and what a life is given.
    """
    line = answering.Line.of_environment()
    import torch  # noqa: PLC0415 - imported by the parent, before the fork

    from pricebench.modes import mode_named  # noqa: PLC0415
    from pricebench.recommend.life import load  # noqa: PLC0415

    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    workload = load(arguments)
    mode = mode_named(arguments["mode"])
    cases = {case["name"]: _Case(workload, mode, case, arguments["device"]) for case in arguments["cases"]}
    for case in cases.values():
        if case.is_traffic:
            case.meet()
    answering.serve(line, {name: case.run for name, case in cases.items()})


class _Case:
    """One kind of call at one size."""

    def __init__(self, workload: Any, mode: Any, case: Mapping[str, Any], device: str) -> None:
        self._workload = workload
        self._mode = mode
        self._kind = case["kind"]
        self._sizes = case["sizes"]
        self._device = device
        self.is_traffic: bool = case["is_traffic"]
        self._call: Callable[[], object] | None = None

    def meet(self) -> None:
        """Make the first calls, with whatever they compile."""
        self._call = self._made()
        for _ in range(WARM_UP_CALLS):
            self._call()

    def run(self, calls: int, spin: float) -> float:
        """Seconds of so many calls; see `answering.Run`."""
        if self._call is None:
            self.meet()
        assert self._call is not None
        call, started = self._call, time.perf_counter()
        for _ in itertools.repeat(None, calls):
            call()
        answering.spin_for(spin * calls)
        return time.perf_counter() - started

    def _made(self) -> Callable[[], object]:
        from pricebench.recommend.life import training_step  # noqa: PLC0415
        from pricebench.workload.checks import changes_inputs  # noqa: PLC0415

        inputs = self._workload.inputs(self._sizes)
        args, kwargs = inputs.args, dict(inputs.kwargs)
        if self._kind == "training":
            step, targets = training_step(self._workload, self._mode, self._sizes), self._workload.targets(self._sizes)
            call: Callable[[], object] = lambda: step(inputs, targets)  # noqa: E731
        else:
            forward = _forward(self._workload, self._mode, self._sizes)
            call = lambda: forward(*args, **kwargs)  # noqa: E731
            if changes_inputs(self._workload, self._sizes):
                # It writes to what it is given; fresh inputs are part of the call then, in every mode.
                call = lambda: inputs.clone().call(forward)  # noqa: E731
        if self._device != "cuda":
            return call
        import torch  # noqa: PLC0415

        def call_and_wait() -> None:
            call()
            torch.cuda.synchronize()

        return call_and_wait


_FORWARDS: dict[str, Callable[..., Any]] = {}


def _forward(workload: Any, mode: Any, sizes: Mapping[str, int]) -> Callable[..., Any]:
    """Prepared once, by the first size of the traffic: all sizes share it, as they do in a server."""
    if mode.name not in _FORWARDS:
        _FORWARDS[mode.name] = mode.prepare_inference(workload.module, workload.inputs(sizes))
    return _FORWARDS[mode.name]
