"""What a benchmark suite of any model is made of: fixtures for a conftest, and cases that check before they time.

A conftest imports the fixtures, and a test file the cases:

    from pricebench.suite import device, mode, workload

    @pytest.mark.parametrize("shape", ["full", "single"])
    def test_forward(benchmark, mode, shape, workload, device):
        forward_case(workload, mode, shape, device).run(benchmark)

The workload is that of `pytest --workload module:function`; `addopts` in pyproject.toml can hold that option.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn, TypeVar

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from pricebench.agreement import default_tolerance
from pricebench.devices import DeviceError, device_named
from pricebench.errors import ModeError, PricebenchError
from pricebench.inputs import Inputs, leaves
from pricebench.modes import ExecutionMode
from pricebench.modes.base import reason_of
from pricebench.modes.compile import forget
from pricebench.pytest_plugin import note
from pricebench.training import TrainStep
from pricebench.transforms import mode_with
from pricebench.units import Second
from pricebench.workload import Workload, compulsory_bytes, count_flop, count_operators, load_workload
from pricebench.workload.checks import (
    Expected,
    changes_inputs,
    expected_inference,
    expected_training,
    loss_and_gradients,
    quieted,
)

T = TypeVar("T")

WARM_UP_CALLS = 5  # TorchScript profiles its first call and optimises at the second
# Tiny: after thousands of steps on one batch the weights are still those of the first, and gradients have not died out.
LEARNING_RATE = 1e-5
# Where every call needs fresh inputs: as many rounds as the suite's own settings give.
_FRESH_SECONDS: Second = 0.6
_FEWEST_ROUNDS, _MOST_ROUNDS = 30, 5000


# ---- fixtures ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    """Where to run; a device that is not there skips with its reason."""
    try:
        return device_named(pytestconfig.option.device)
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def workload(pytestconfig: pytest.Config, device: torch.device) -> Workload:
    """The workload of `--workload`; one that cannot be made ends the run with its reason and exit code 2."""
    return asked_workload(pytestconfig, device)


@pytest.fixture
def mode(execution_mode_name: str, request: pytest.FixtureRequest) -> Iterator[ExecutionMode]:
    """One execution mode of `--modes` and `--transforms`; those that are made ahead of time only if asked for.

    Compiled graphs are shared per code object: they are dropped before and after each test.
    """
    try:
        calibration = None
        if "+" in execution_mode_name:
            calibration = request.getfixturevalue("workload").inputs("full")
        found = mode_with(execution_mode_name, calibration=calibration)
    except ModeError as error:
        pytest.skip(str(error))
    if found.base == "compile":
        forget()
    yield found
    if found.base == "compile":
        forget()


def asked_workload(config: pytest.Config, device: torch.device) -> Workload:
    """Load the workload of `--workload` onto a device; say its notes once, and store them with the run."""
    name: str = config.option.workload
    source, _, function = name.rpartition(":")
    if source.endswith(".py"):
        # pytest may be started in a folder below: a path begins where its settings are.
        name = f"{config.rootpath / source}:{function}"
    try:
        found = load_workload(name)
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
    manager = config.pluginmanager.getplugin("capturemanager")
    if found.notes and manager:
        with manager.global_and_fixture_disabled():
            sys.stderr.write("".join(f"\n{found.name}: {words}" for words in found.notes) + "\n")
    note(config, workload=found.name, workload_notes=list(found.notes))
    return found.on(device)


# ---- cases ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something to be timed, warm and checked.

    Attributes:
        call: Takes the arguments of `inputs`.
        inputs: Of one call.
        is_fresh: Every call gets inputs of its own, because it changes them.
        check: Fails the test if a result is wrong; gives what is known of its error, for `extra_info`.
        info: What is stored beside the times.
    """

    call: Callable[..., Any]
    inputs: Inputs
    is_fresh: bool
    check: Callable[[Any], dict[str, Any]]
    info: dict[str, Any] = field(default_factory=dict)

    def run(self, benchmark: BenchmarkFixture) -> Any:
        """Time it, check the last result, and store what is known of it."""
        benchmark.extra_info.update(self.info)
        result = self.measure(benchmark)
        benchmark.extra_info.update(self.check(result))
        return result

    def measure(self, benchmark: BenchmarkFixture) -> Any:
        """Time it; making fresh inputs is not timed."""
        if not self.is_fresh:
            return benchmark(partial(self.call, *self.inputs.args, **self.inputs.kwargs))
        started = time.perf_counter()
        self.inputs.clone().call(self.call)
        rounds = int(_FRESH_SECONDS / (time.perf_counter() - started))

        def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
            made = self.inputs.clone()
            return made.args, dict(made.kwargs)

        rounds = max(_FEWEST_ROUNDS, min(_MOST_ROUNDS, rounds))
        return benchmark.pedantic(self.call, setup=fresh, rounds=rounds)  # type: ignore[no-untyped-call]


def forward_case(workload: Workload, mode: ExecutionMode, shape: str, device: torch.device) -> Case:
    """One forward pass; skips where the mode cannot take the model, or the model has no such shape."""
    require_shape(workload, shape)
    inputs, expected = workload.inputs(shape), expected_inference(workload, shape)
    if mode.precision:
        expected = replace(expected, tolerance=default_tolerance(workload.module, dtype=mode.precision))
    is_fresh = changes_inputs(workload, shape)
    with skipping(mode, workload):
        forward = mode.prepare_inference(workload.module, inputs)
        for _ in range(WARM_UP_CALLS):
            check((inputs.clone() if is_fresh else inputs).call(forward), expected)
    eager = copy.deepcopy(workload.module)
    return Case(
        call=synchronized(forward, device),
        inputs=inputs,
        is_fresh=is_fresh,
        check=lambda output: check(output, expected),
        info=describe(workload, mode, shape, lambda: inputs.clone().call(eager)),
    )


def train_step_case(workload: Workload, mode: ExecutionMode, shape: str, device: torch.device) -> Case:
    """Forward, loss, backward, Adam; loss and gradients are checked before.

    Skips as `forward_case` does, and where the workload has no loss or the mode cannot train. A module that is random
    in training is checked with that switched off, and timed with it on: `info["checked"]`.
    """
    require_shape(workload, shape)
    if not workload.has_loss:
        pytest.skip(f"{workload.name} has no loss, so it cannot be trained. Give loss and targets.")
    with skipping(mode, workload):
        mode.require_training()
    inputs, targets = workload.inputs(shape), workload.targets(shape)
    is_fresh = changes_inputs(workload, shape)
    quiet, remark = quieted(workload)
    expected = expected_training(workload, quiet, shape)
    errors: dict[str, Any] = {}
    with skipping(mode, workload):
        # Not `prepare_training`: where nothing else helps, the quiet copy is in evaluation mode, and stays there.
        forward = mode.build(quiet, inputs)
        for _ in range(WARM_UP_CALLS):
            errors = check(loss_and_gradients(workload, quiet, forward, inputs.clone(), targets), expected)
        if remark and mode.base == "compile":
            forget()
        module = copy.deepcopy(workload.module) if remark else quiet
        torch.manual_seed(workload.seed)
        step = TrainStep(
            mode.prepare_training(module, inputs) if remark else forward,
            module,
            learning_rate=LEARNING_RATE,
            loss=workload.loss_of,
        )
        for _ in range(WARM_UP_CALLS if remark else 0):
            step.on(inputs.clone(), targets)
    eager = copy.deepcopy(workload.module).train()

    def eager_step() -> None:
        workload.loss_of(inputs.clone().call(eager), targets).backward()  # type: ignore[no-untyped-call]

    info = {**describe(workload, mode, shape, eager_step), **errors, **({"checked": remark} if remark else {})}
    return Case(
        call=synchronized(lambda *args, **kwargs: step.on(Inputs(args, kwargs), targets), device),
        inputs=inputs,
        is_fresh=is_fresh,
        check=_finite,
        info=info,
    )


def _finite(loss: Tensor) -> dict[str, Any]:
    if not torch.isfinite(loss):
        pytest.fail(f"the loss after the timed steps is {loss.item()}, expected a finite one")
    return {}


def require_shape(workload: Workload, shape: str) -> None:
    """Skip the test if the workload has no such shape."""
    if shape not in workload.shapes:
        pytest.skip(f"{workload.name} has no shape '{shape}'; it has {', '.join(workload.shapes)}")


@contextmanager
def skipping(mode: ExecutionMode, workload: Workload) -> Iterator[None]:
    """What a mode raises while it prepares or first calls a model is the reason of a skip; what eager raises is not."""
    try:
        yield
    except ModeError as error:
        pytest.skip(str(error))
    # A compiler may raise anything. Checks fail with pytest's own exception, which is none of these.
    except Exception as error:
        if mode.name == "eager":
            raise
        _skip(mode, workload, error)


def _skip(mode: ExecutionMode, workload: Workload, error: Exception) -> NoReturn:
    pytest.skip(
        f"{mode.name} cannot take {workload.name}: {type(error).__name__}: {reason_of(error)}. Use another mode."
    )


# ---- checks, and what is stored beside a time ----------------------------------------------------------------------


def check(found: Any, expected: Expected) -> dict[str, Any]:
    """Fail the test if a result is wrong: the message says which output, where, how large, beside eager's own error.

    Returns:
        For `extra_info`: the error as it is, and relative to the largest value, and eager's own.
    """
    difference = expected.difference(found)
    if difference.error > expected.tolerated:
        pytest.fail(f"wrong answer: {expected.wrong(found)}")
    absolute = abs(difference.found - difference.expected)
    return {
        # Equal infinities, and results without numbers, differ by nothing.
        "max_abs_error": absolute if absolute >= 0 else 0.0,
        "relative_error": difference.error,
        "eager_relative_error": expected.eager.error,
        "reference": expected.by,
    }


def describe(workload: Workload, mode: ExecutionMode, shape: str | int, run: Callable[[], Any]) -> dict[str, Any]:
    """The `extra_info` that every case has; `run` is one eager call, for its FLOP."""
    tensors = [tensor for _, tensor in workload.inputs(shape).tensors()]
    with torch.inference_mode():
        output = workload.inputs(shape).call(copy.deepcopy(workload.module))
    answers = [leaf for _, leaf in leaves(output) if isinstance(leaf, Tensor)]
    computing = [tensor for tensor in (*workload.module.parameters(), *tensors) if tensor.is_floating_point()]
    first = next(iter((*computing, *tensors, *answers)), torch.empty(0))
    return {
        "workload": workload.name,
        "mode": mode.name,
        "shape": str(shape),
        "rows": workload.rows(shape),
        "sizes": dict(workload.sizes(shape)),
        "device": first.device.type,
        "dtype": str(first.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "flop": count_flop(run),
        "operators": count_operators(run),
        "bytes": compulsory_bytes(workload.module, *tensors, *answers),
    }


def synchronized(call: Callable[..., T], device: torch.device) -> Callable[..., T]:
    """On CUDA wait for the device inside the timed call; on the CPU nothing is added."""
    if device.type != "cuda":
        return call

    def call_and_wait(*args: Any, **kwargs: Any) -> T:
        result = call(*args, **kwargs)
        torch.cuda.synchronize(device)
        return result

    return call_and_wait
