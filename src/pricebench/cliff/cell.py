"""One cell, inside its process: an arm and its eager twin, ready to be asked for calls and steady blocks."""

from __future__ import annotations

import copy
import gc
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from pricebench.cliff.arms import Arm, arm_named
from pricebench.cliff.recorder import Backend, GraphRecorder, inductor, set_config
from pricebench.cliff.records import Block, Call
from pricebench.cliff.schedule import BEFORE, Kind, Step
from pricebench.modes.base import Forward, reason_of
from pricebench.units import Second
from pricebench.workload import Workload

# Tiny: after hundreds of steps on one batch the weights are still those of the first, and gradients have not died out.
LEARNING_RATE = 1e-8
# Relative to the largest value. A float32 sum of 2048 products is off by about 2048 ** 0.5 * 2 ** -24 = 3e-6.
TOLERANCE = 5e-5
_BLOCK_SECONDS = 5e-3
_TRIAL_CALLS = 3
_ORDERS = ((0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1), (2, 0, 1), (1, 0, 2))


class _Runner:
    """One way to run batches, inference or training, with parameters of its own."""

    def __init__(self, arm: Arm, workload: Workload, kind: Kind, device: torch.device, recorder: GraphRecorder) -> None:
        self._arm = arm
        self._kind = kind
        self._full = workload.shapes["full"]
        self._loss = workload.loss
        self._device = device
        self.module = copy.deepcopy(workload.module).to(device)
        self._forward = arm.prepare(self.module, workload.inputs(self._full).to(device), kind, recorder)
        self._optimizer = torch.optim.Adam(self.module.parameters(), lr=LEARNING_RATE)

    def rows_run(self, rows: int) -> int:
        return self._arm.fit(rows, self._full)

    def run(self, x: Tensor, target: Tensor) -> Tensor:
        """The whole of what a user's loop does with one batch, remedy and waiting for the device included."""
        result = self._run(self._forward, x, target)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return result

    def _run(self, forward: Forward, x: Tensor, target: Tensor) -> Tensor:
        rows, rows_run = len(x), self.rows_run(len(x))
        if rows_run > rows:
            x = torch.cat((x, x.new_zeros(rows_run - rows, *x.shape[1:])))
        if self._arm.mark:
            self._arm.mark(x, self._full)
        if self._kind is Kind.INFERENCE:
            return forward(x)[:rows]
        self._optimizer.zero_grad()
        # The slice is the mask: padded rows reach neither the loss nor a gradient.
        loss = self._loss(forward(x)[:rows], target)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()


class RunningCell:
    """An arm of a workload in this process."""

    def __init__(
        self, arm: Arm, workload: Workload, kind: Kind, *, device: torch.device, backend: Backend | None = None
    ) -> None:
        """Prepare the arm; nothing is compiled yet.

        Args:
            arm: What is measured.
            workload: On what.
            kind: Inference or training.
            device: Where.
            backend: What compiles the graphs; by default Inductor with the arm's options.
        """
        set_config(arm.config)
        if arm.stance and not arm.stance_later:
            torch.compiler.set_stance(arm.stance)
        self._arm = arm
        self._workload = workload
        self._kind = kind
        self._device = device
        self._recorder = GraphRecorder(backend or inductor(arm.inductor))
        started = time.perf_counter()
        self._runner = _Runner(arm, workload, kind, device, self._recorder)
        self.prepare_seconds: Second = time.perf_counter() - started
        self._eager = _Runner(arm_named("eager"), workload, kind, device, self._recorder)

    @property
    def num_graphs(self) -> int | None:
        """Graphs handed to the compiler so far; None where nothing is compiled."""
        return self._recorder.num_graphs if self._arm.compiles else None

    def call(self, step: Step) -> Call:
        """Make the step's first call, on a batch that nothing has seen before, and check its result."""
        rows_run = self._runner.rows_run(step.rows)
        if not rows_run:
            return Call(step=step.name, rows=step.rows, rows_run=0, failure="dropped")
        x, target = self._batch(step.rows)
        before = copy.deepcopy(self._runner.module)
        self._recorder.begin()
        failure, seconds, error = "", None, None
        started = time.perf_counter()
        try:
            result = self._runner.run(x, target)
        # Whatever torch's compiler raises is a finding about this arm, not the end of the measurement.
        except Exception as raised:
            failure = f"{type(raised).__name__}: {reason_of(raised)}"[:300]
        else:
            seconds = time.perf_counter() - started
        served = self._recorder.served() if self._arm.compiles and not failure else None
        captured, compilations = self._recorder.captured(), self._recorder.compilations()
        if not failure:
            error = self._error(result, before, x, target)
            if error > TOLERANCE:
                failure = f"wrong answer: differs from eager in float64 by {error:.3g} of the largest value"
        if step.name == BEFORE and self._arm.stance_later and self._arm.stance:
            torch.compiler.set_stance(self._arm.stance)
        return Call(
            step=step.name,
            rows=step.rows,
            rows_run=rows_run,
            seconds=seconds,
            served=served,
            captured=captured,
            compilations=compilations,
            max_abs_error=error,
            failure=failure,
        )

    def block(self, step: Step, num_blocks: int) -> Block | None:
        """Time steady calls of a step, interleaved with eager twice; None where the arm drops the batch.

        Raises:
            RuntimeError: Something was compiled in between: these were no steady calls.
        """
        if not self._runner.rows_run(step.rows):
            return None
        x, target = self._batch(step.rows)
        runs = [runner.run for runner in (self._runner, self._eager, self._eager)]
        times: tuple[list[Second], ...] = ([], [], [])
        self._recorder.begin()
        with self._no_compiling(), _no_garbage_collection():
            repeats = [_repeats(lambda run=run: run(x, target)) for run in runs]  # type: ignore[misc]
            for number in range(num_blocks):
                for which in _ORDERS[number % len(_ORDERS)]:
                    times[which].append(_per_call(lambda which=which: runs[which](x, target), repeats[which]))  # type: ignore[misc]
        if self._recorder.captured():
            raise RuntimeError(f"{self._recorder.captured()} graphs were compiled inside a steady block")
        arm, eager, again = map(tuple, times)
        return Block(step=step.name, rows=step.rows, arm=arm, eager=eager, again=again)

    def _batch(self, rows: int) -> tuple[Tensor, Tensor]:
        # A copy: marks stay on a tensor, and a data loader makes a new one each time.
        inputs, targets = self._workload.inputs(rows), self._workload.targets(rows)
        return inputs.clone().to(self._device), targets.clone().to(self._device)

    def _no_compiling(self) -> AbstractContextManager[object]:
        """An accidental compilation is an error, not an outlier."""
        if not self._arm.compiles or self._arm.stance == "eager_on_recompile":
            # That stance compiles nothing either, and running eager is what it is for.
            return nullcontext()
        context: AbstractContextManager[object] = torch.compiler.set_stance("fail_on_recompile")
        return context

    def _error(self, result: Tensor, before: nn.Module, x: Tensor, target: Tensor) -> float:
        """Against eager in float64 with the parameters that the call began with."""
        reference = before.double()
        if self._kind is Kind.INFERENCE:
            with torch.inference_mode():
                return _relative_error([result], [reference.eval()(x.double())])
        reference.zero_grad()
        loss = self._workload.loss(reference.train()(x.double()), target.double())
        loss.backward()  # type: ignore[no-untyped-call]
        found = [parameter.grad for parameter in self._runner.module.parameters()]
        expected = [parameter.grad for parameter in reference.parameters()]
        return max(_relative_error([result], [loss]), _relative_error(found, expected))


def _relative_error(found: list[Tensor | None], expected: list[Tensor | None]) -> float:
    """The largest difference, relative to the largest value of all; infinite for a wrong shape or a NaN.

    Of all, because a single gradient may be zero but for rounding: a bias of residuals that cancel.
    """
    worst = scale = 0.0
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None or one.shape != other.shape:
            return math.inf
        difference = (one.detach().double() - other.detach()).abs().max().item()
        if math.isnan(difference):
            return math.inf
        worst, scale = max(worst, difference), max(scale, other.detach().abs().max().item())
    return worst / scale if scale else worst


def _per_call(run: Callable[[], object], repeats: int) -> Second:
    started = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - started) / repeats


def _repeats(run: Callable[[], object]) -> int:
    """Calls that take a block's time."""
    _per_call(run, _TRIAL_CALLS)
    return max(1, round(_BLOCK_SECONDS / _per_call(run, _TRIAL_CALLS) + 0.5))


class _no_garbage_collection:  # noqa: N801 - reads as what it does
    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
