"""For a benchmark suite of your own: fixtures over every execution mode, and calls that are checked and ready to time.

A conftest imports the fixtures `mode`, `workload` and `device`; a test asks for an `inference` or a `training_step`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pricebench.errors import ModeError, PricebenchError
from pricebench.inputs import Inputs
from pricebench.modes import MODES, ExecutionMode
from pricebench.modes.compile import forget
from pricebench.workload import Workload, compulsory_bytes, count_flop, load_workload
from pricebench.workload.checks import (
    Expected,
    changes_inputs,
    expected_inference,
    expected_training,
    loss_and_gradients,
    quieted,
)

WARM_UP_CALLS = 5  # TorchScript profiles its first call and optimises at the second
# So small that a thousand timed steps leave the weights where they were.
_LEARNING_RATE = 1e-6


# ---- fixtures ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    """Where to run, by `--device`; one that is not there skips with its reason."""
    if pytestconfig.option.device == "cuda" and not torch.cuda.is_available():
        pytest.skip("--device cuda: torch finds no CUDA device here")
    return torch.device(pytestconfig.option.device)


@pytest.fixture(scope="session")
def workload(pytestconfig: pytest.Config, device: torch.device) -> Workload:
    """What `--workload` names, on the device; a path in it starts at the folder of pytest's settings."""
    name: str = pytestconfig.option.workload
    source, _, function = name.rpartition(":")
    if source.endswith(".py"):
        name = f"{pytestconfig.rootpath / Path(source)}:{function}"
    try:
        return load_workload(name).on(device)
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))


@pytest.fixture(params=[mode.name for mode in MODES])
def mode(request: pytest.FixtureRequest) -> Iterator[ExecutionMode]:
    """One execution mode after the other; one that cannot run here skips with its reason.

    Compiled graphs are shared per code object: they are dropped before and after each test.
    """
    found = next(mode for mode in MODES if mode.name == request.param)
    reason = found.missing()
    if reason:
        pytest.skip(f"{found.name} cannot run here: {reason}")
    forget()
    yield found
    forget()


# ---- calls to time -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call that is ready to be timed: compiled, warm, and found equal to eager in float64.

    Attributes:
        call: To be timed; on CUDA it waits for the device.
        facts: For `benchmark.extra_info`: workload, mode, shape, rows, device, dtype, threads, FLOP, bytes, and the
            largest error, relative to the largest value.
    """

    call: Callable[[], Any]
    facts: dict[str, Any]


def inference(workload: Workload, mode: ExecutionMode, shape: str) -> Case:
    """A forward pass in a mode. A mode that cannot take the module skips the test, a wrong answer fails it."""
    inputs = workload.inputs(shape)
    expected = expected_inference(workload, shape)
    forward = _prepared(lambda: mode.prepare_inference(workload.module, inputs))
    # A module that writes to its inputs needs fresh ones for each call.
    is_writing = changes_inputs(workload, shape)

    def call() -> Any:
        return (inputs.clone() if is_writing else inputs).call(forward)

    error = _largest_error(call, expected)
    facts = describe(workload, mode, shape, lambda: inputs.clone().call(workload.module))
    return Case(call=_synchronized(call, facts["device"]), facts={**facts, "max_abs_error": error})


def training_step(workload: Workload, mode: ExecutionMode, shape: str) -> Case:
    """Forward, loss, backward and Adam in a mode. Loss and gradients are checked; skips and fails as `inference`."""
    inputs, targets = workload.inputs(shape), workload.targets(shape)
    quiet, note = quieted(workload)
    expected = expected_training(workload, quiet, shape)
    checked = copy.deepcopy(quiet)
    forward = _prepared(lambda: mode.build(checked, inputs))
    error = _largest_error(lambda: loss_and_gradients(workload, checked, forward, inputs.clone(), targets), expected)
    module = copy.deepcopy(workload.module)
    forward_timed = forward if not note else _prepared(lambda: mode.prepare_training(module, inputs))
    trained = module if note else checked
    optimizer = torch.optim.Adam(
        [parameter for parameter in trained.parameters() if parameter.requires_grad], lr=_LEARNING_RATE
    )
    is_writing = changes_inputs(workload, shape)
    torch.manual_seed(workload.seed)

    def step() -> Tensor:
        output = (inputs.clone() if is_writing else inputs).call(forward_timed)
        loss = workload.loss_of(output, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    for _ in range(WARM_UP_CALLS):
        step()
    eager = copy.deepcopy(workload.module).train()

    def eager_step() -> None:
        workload.loss_of(inputs.clone().call(eager), targets).backward()  # type: ignore[no-untyped-call]

    facts = describe(workload, mode, shape, eager_step)
    facts |= {"max_abs_error": error, **({"note": note} if note else {})}
    return Case(call=_synchronized(step, facts["device"]), facts=facts)


def describe(workload: Workload, mode: ExecutionMode, shape: str, run: Callable[[], Any]) -> dict[str, Any]:
    """What a stored benchmark says of itself; `run` is one eager call, for its FLOP."""
    inputs: Inputs = workload.inputs(shape)
    tensors = [tensor for _, tensor in inputs.tensors()]
    weights = next(workload.module.parameters(), tensors[0] if tensors else torch.empty(0))
    return {
        "workload": workload.name,
        "mode": mode.name,
        "shape": shape,
        "rows": workload.rows(shape),
        "sizes": dict(workload.sizes(shape)),
        "device": weights.device.type,
        "dtype": str(weights.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "flop": count_flop(run),
        "bytes": compulsory_bytes(workload.module, *tensors),
    }


def _prepared(prepare: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    try:
        return prepare()
    except ModeError as error:
        pytest.skip(str(error))


def _largest_error(call: Callable[[], Any], expected: Expected) -> float:
    """Of the first calls, which compile and warm up."""
    errors = []
    for _ in range(WARM_UP_CALLS):
        found = call()
        reason = expected.wrong(found)
        if reason:
            pytest.fail(f"wrong answer: {reason}", pytrace=False)
        errors.append(expected.difference(found).error)
    return max(errors)


def _synchronized(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """On CUDA wait for the device inside the timed call; on the CPU nothing is added."""
    if device != "cuda":
        return call

    def call_and_wait() -> Any:
        result = call()
        torch.cuda.synchronize()
        return result

    return call_and_wait
