"""Facts of a workload without noise, in every mode: outputs, graphs, kernels, operators. Held against a committed file.

Timing is a bad detector of a compiler that silently gave up; counting is a perfect one.

`python -m pricebench.gate.structure --workload module:function` prints the facts of this process's code as JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from pricebench.modes import MODES, ExecutionMode, inductor_code
from pricebench.modes.compile import forget
from pricebench.profiling import kineto
from pricebench.workload import Workload, count_flop

SCHEMA = 1
_WARM_UP_CALLS = 3
_LATER_CALLS = 3
# Relative to the largest output: float32 sums of 256 products in another order are off by a hundredth of this.
_TOLERANCE = 1e-4


def facts(workload: Workload) -> dict[str, Any]:
    """What is true of the workload on this version of torch, case by case.

    A mode that fails, or that cannot run here, says why in its case.
    """
    cases: dict[str, Any] = {}
    for shape in ("full", "single"):
        inputs = workload.inputs(workload.shapes[shape])
        for mode in MODES:
            cases[f"inference[{mode.name}-{shape}]"] = _case(
                mode,
                lambda mode: inference_facts(mode, workload.module, inputs),  # noqa: B023 - called at once
            )
    inputs = workload.inputs(workload.shapes["full"])
    targets = workload.targets(len(inputs))
    for mode in MODES:
        cases[f"training[{mode.name}-full]"] = _case(mode, lambda mode: training_facts(mode, workload, inputs, targets))
    return {
        "schema": SCHEMA,
        "torch": torch.__version__.partition("+")[0],
        "workload": workload.name,
        "parameters": sum(parameter.numel() for parameter in workload.module.parameters()),
        "flop": count_flop(lambda: workload.module(inputs)),
        "cases": cases,
    }


def _case(mode: ExecutionMode, find: Callable[[ExecutionMode], dict[str, Any]]) -> dict[str, Any]:
    reason = mode.missing()
    if reason is not None:
        return {"missing": reason}
    forget()
    try:
        return find(mode)
    # Whatever a module's own code raises in a mode is the finding.
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        return {"fails": f"{type(error).__name__}: {first}"[:200]}
    finally:
        forget()


def inference_facts(mode: ExecutionMode, module: nn.Module, inputs: Tensor) -> dict[str, Any]:
    """What is true of a module's forward pass in a mode, on one batch."""
    with torch.inference_mode():
        expected = copy.deepcopy(module).double().eval()(inputs.double())
    forward = mode.prepare_inference(module, inputs)
    found = _counted(mode, lambda: forward(inputs))
    output = forward(inputs)
    found = {"equals_eager": _is_equal(output, expected), "inference_mode": output.is_inference(), **found}
    if mode.name == "fx":
        found["nodes"] = len(mode.build(copy.deepcopy(module), inputs).graph.nodes)  # type: ignore[attr-defined]
    if mode.name == "torchscript":
        built = mode.build(copy.deepcopy(module).eval(), inputs)
        frozen: Any = mode.freeze(built) if mode.freeze else built
        found["nodes"] = len(list(frozen.inlined_graph.nodes()))
    return found


def training_facts(mode: ExecutionMode, workload: Workload, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
    """What is true of forward, loss and backward in a mode, on one batch."""
    reference = copy.deepcopy(workload.module).double()
    expected = _gradients(reference, workload.loss(reference(inputs.double()), targets.double()))
    module = copy.deepcopy(workload.module)
    forward = mode.prepare_training(module, inputs)

    def step() -> Tensor:
        return _gradients(module, workload.loss(forward(inputs), targets))

    found = _counted(mode, step)
    return {"equals_eager": _is_equal(step(), expected), **found}


def _gradients(module: nn.Module, loss: Tensor) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, list(module.parameters()))])


def _is_equal(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    error = (found.detach().double() - expected.detach()).abs().max()
    return bool(error <= _TOLERANCE * expected.detach().abs().max())


def _counted(mode: ExecutionMode, call: Callable[[], object]) -> dict[str, Any]:
    """Graphs captured at first and later, frames given up, and ATen operators of one call."""
    before, breaks = Counter(counters["frames"]), counters["graph_break"].total()
    generated = inductor_code.kernels(call) if mode.name == "compile" else None
    for _ in range(_WARM_UP_CALLS):
        call()
    warm = Counter(counters["frames"])
    for _ in range(_LATER_CALLS):
        call()
    later = Counter(counters["frames"])
    found: dict[str, Any] = {}
    if mode.name == "compile":
        given_up = (warm["total"] - before["total"]) - (warm["ok"] - before["ok"])
        found = {
            "graphs": warm["ok"] - before["ok"],
            "graph_breaks": counters["graph_break"].total() - breaks,
            "recompiles_after_warm_up": later["ok"] - warm["ok"],
            "falls_back_to_eager": warm["ok"] == before["ok"] or given_up > 0,
            "kernels": generated,
        }
    kineto.silence()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        call()
    operators = Counter(event.name.removeprefix("aten::") for event in profiler.events() if _is_called(event))
    found["aten"] = dict(sorted(operators.items()))
    return found


def _is_called(event: Any) -> bool:
    """An ATen operator that Python, TorchScript, autograd or a compiled graph called, not one inside of another.

    What an operator calls itself depends on the processor and its libraries.
    """
    if not event.name.startswith("aten::"):
        return False
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith("aten::"):
            return False
        parent = parent.cpu_parent
    return True


def main() -> None:
    """Print the facts; what the code itself prints goes to stderr."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True)
    module, _, function = parser.parse_args().workload.partition(":")
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    made = getattr(import_module(module), function)()
    answers.write(json.dumps(facts(made)) + "\n")


if __name__ == "__main__":
    main()
