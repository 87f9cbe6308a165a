"""One cell, inside its process: an arm and its eager twin, ready to be asked for calls and steady blocks."""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from pricebench.cliff.arms import Arm, BatchAxes, arm_named
from pricebench.cliff.recorder import Backend, GraphRecorder, inductor, set_config
from pricebench.cliff.records import Block, Call
from pricebench.cliff.schedule import BEFORE, Check, Kind, Step
from pricebench.inputs import Inputs
from pricebench.modes.base import Forward, reason_of
from pricebench.units import Second
from pricebench.workload import FULL, Workload
from pricebench.workload.checks import changes_inputs, expected_inference, expected_training, quieted

# Tiny: after hundreds of steps on one batch the weights are still those of the first, and gradients have not died out.
LEARNING_RATE = 1e-8
_BLOCK_SECONDS = 5e-3
_TRIAL_CALLS = 3
_ORDERS = ((0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1), (2, 0, 1), (1, 0, 2))


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch.

    Attributes:
        rows: How many.
        inputs: Of the module.
        targets: Of the loss; None in inference.
    """

    rows: int
    inputs: Inputs
    targets: Any


class _Runner:
    """One way to run batches, inference or training, with parameters of its own."""

    def __init__(
        self,
        arm: Arm,
        workload: Workload,
        module: nn.Module,
        kind: Kind,
        device: torch.device,
        recorder: GraphRecorder,
    ) -> None:
        self._arm = arm
        self._kind = kind
        self._full = workload.rows(FULL)
        self._loss = workload.loss
        self._device = device
        self.module = module
        inputs = workload.inputs(FULL)
        self._axes = batch_axes(workload, inputs)
        self._forward = arm.prepare(module, inputs, self._axes, kind, recorder)
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE) if kind is Kind.TRAINING else None

    def rows_run(self, rows: int) -> int:
        return self._arm.fit(rows, self._full)

    def run(self, batch: Batch) -> Any:
        """The whole of what a user's loop does with one batch, remedy and waiting for the device included."""
        result = self._run(self._forward, batch)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return result

    def _run(self, forward: Forward, batch: Batch) -> Any:
        rows, rows_run, inputs = batch.rows, self.rows_run(batch.rows), batch.inputs
        if rows_run > rows:
            inputs = padded(inputs, self._axes, rows_run - rows)
        if self._arm.mark:
            for place, tensor in inputs.tensors():
                for axis in self._axes.get(place, ()):
                    self._arm.mark(tensor, axis, self._full)
        if self._optimizer is None or self._loss is None:
            return _first_rows(inputs.call(forward), rows, rows_run)
        self._optimizer.zero_grad()
        # The slice is the mask: padded rows reach neither the loss nor a gradient.
        loss = self._loss(_first_rows(inputs.call(forward), rows, rows_run), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()


def batch_axes(workload: Workload, inputs: Inputs) -> BatchAxes:
    """The axes that are the batch: as the workload says, else the first axis of each tensor that is as long as it."""
    if workload.dims:
        found = {
            place: tuple(axis for axis, name in axes.items() if name == workload.batch)
            for place, axes in workload.dims.items()
        }
        return {place: axes for place, axes in found.items() if axes}
    rows = workload.rows(FULL)
    return {place: (0,) for place, tensor in inputs.tensors() if tensor.ndim and len(tensor) == rows}


def padded(inputs: Inputs, axes: BatchAxes, more: int) -> Inputs:
    """With so many more rows of zeros."""
    places = iter([place for place, _ in inputs.tensors()])

    def pad(tensor: Tensor) -> Tensor:
        for axis in axes.get(next(places), ()):
            shape = list(tensor.shape)
            shape[axis] = more
            tensor = torch.cat((tensor, tensor.new_zeros(shape)), dim=axis)
        return tensor

    return inputs.map(pad)


def _first_rows(output: Any, rows: int, rows_run: int) -> Any:
    """The rows that were asked for, of every output whose first axis is the batch that was run."""
    if isinstance(output, Tensor):
        return output[:rows] if output.ndim and len(output) == rows_run else output
    if rows == rows_run:
        return output
    return pytree.tree_map_only(Tensor, lambda tensor: _first_rows(tensor, rows, rows_run), output)


class RunningCell:
    """An arm of a workload in this process."""

    def __init__(
        self,
        arm: Arm,
        workload: Workload,
        kind: Kind,
        *,
        device: torch.device,
        backend: Backend | None = None,
        check: Check = Check.YES,
    ) -> None:
        """Prepare the arm; nothing is compiled yet.

        Args:
            arm: What is measured.
            workload: On what.
            kind: Inference or training.
            device: Where.
            backend: What compiles the graphs; by default Inductor with the arm's options.
            check: Whether answers are checked; quiet is with a module whose randomness in training is switched off.
        """
        set_config(arm.config)
        if arm.stance and not arm.stance_later:
            torch.compiler.set_stance(arm.stance)
        self._arm = arm
        self._workload = workload = workload.on(device)
        self._kind = kind
        self._device = device
        self._check = check
        self._is_fresh = changes_inputs(workload, workload.sizes(FULL))
        self._recorder = GraphRecorder(backend or inductor(arm.inductor))
        module = quieted(workload)[0] if check is Check.QUIET else copy.deepcopy(workload.module)
        if kind is Kind.TRAINING and check is not Check.QUIET:
            module.train()
        twin = copy.deepcopy(module)
        started = time.perf_counter()
        self._runner = _Runner(arm, workload, module, kind, device, self._recorder)
        self.prepare_seconds: Second = time.perf_counter() - started
        self._eager = _Runner(arm_named("eager"), workload, twin, kind, device, self._recorder)

    @property
    def num_graphs(self) -> int | None:
        """Graphs handed to the compiler so far; None where nothing is compiled."""
        return self._recorder.num_graphs if self._arm.compiles else None

    def call(self, step: Step) -> Call:
        """Make the step's first call, on a batch that nothing has seen before, and check its result."""
        rows_run = self._runner.rows_run(step.rows)
        if not rows_run:
            return Call(step=step.name, rows=step.rows, rows_run=0, failure="dropped")
        batch = self._batch(step.rows)
        before = copy.deepcopy(self._runner.module)
        self._recorder.begin()
        failure, seconds, error = "", None, None
        started = time.perf_counter()
        try:
            result = self._runner.run(batch)
        # Whatever torch's compiler raises is a finding about this arm, not the end of the measurement.
        except Exception as raised:
            failure = f"{type(raised).__name__}: {reason_of(raised)}"[:300]
        else:
            seconds = time.perf_counter() - started
        served = self._recorder.served() if self._arm.compiles and not failure else None
        captured, compilations = self._recorder.captured(), self._recorder.compilations()
        if not failure and self._check is not Check.NO:
            error, failure = self._checked(result, before, step.rows)
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
        batch = self._batch(step.rows)
        runs = [runner.run for runner in (self._runner, self._eager, self._eager)]
        times: tuple[list[Second], ...] = ([], [], [])
        self._recorder.begin()
        with self._no_compiling(), _no_garbage_collection():
            repeats = [self._repeats(run, batch) for run in runs]
            for number in range(num_blocks):
                for which in _ORDERS[number % len(_ORDERS)]:
                    times[which].append(_per_call(runs[which], self._batches(batch, repeats[which])))
        if self._recorder.captured():
            raise RuntimeError(f"{self._recorder.captured()} graphs were compiled inside a steady block")
        arm, eager, again = map(tuple, times)
        return Block(step=step.name, rows=step.rows, arm=arm, eager=eager, again=again)

    def _batch(self, rows: int) -> Batch:
        targets = self._workload.targets(rows) if self._kind is Kind.TRAINING else None
        # A copy: marks stay on a tensor, and a data loader makes a new one each time.
        return Batch(rows, self._workload.inputs(rows).clone(), targets)

    def _batches(self, batch: Batch, number: int) -> Sequence[Batch]:
        """For so many calls: the same one, or copies of it where a call changes its inputs."""
        if not self._is_fresh:
            return [batch] * number
        return [Batch(batch.rows, batch.inputs.clone(), batch.targets) for _ in range(number)]

    def _repeats(self, run: Callable[[Batch], object], batch: Batch) -> int:
        """Calls that take a block's time."""
        _per_call(run, self._batches(batch, _TRIAL_CALLS))
        return max(1, round(_BLOCK_SECONDS / _per_call(run, self._batches(batch, _TRIAL_CALLS)) + 0.5))

    def _no_compiling(self) -> AbstractContextManager[object]:
        """An accidental compilation is an error, not an outlier."""
        if not self._arm.compiles or self._arm.stance == "eager_on_recompile":
            # That stance compiles nothing either, and running eager is what it is for.
            return nullcontext()
        context: AbstractContextManager[object] = torch.compiler.set_stance("fail_on_recompile")
        return context

    def _checked(self, result: Any, before: nn.Module, rows: int) -> tuple[float, str]:
        """The error, and why the answer is wrong, if it is: by eager in float64, as the module was before the call."""
        if self._kind is Kind.INFERENCE:
            expected, found = expected_inference(self._workload, rows), result
        else:
            expected = expected_training(self._workload, before, rows)
            gradients = [parameter.grad for parameter in self._runner.module.parameters()]
            found = [result, *(gradient for gradient in gradients if gradient is not None)]
        wrong = expected.wrong(found)
        if wrong:
            wrong = f"wrong answer: differs from eager in {expected.by.partition(',')[0]}: {wrong}"
        return expected.difference(found).error, wrong


def _per_call(run: Callable[[Batch], object], batches: Sequence[Batch]) -> Second:
    started = time.perf_counter()
    for batch in batches:
        run(batch)
    return (time.perf_counter() - started) / len(batches)


class _no_garbage_collection:  # noqa: N801 - reads as what it does
    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
