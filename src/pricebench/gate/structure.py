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
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from pricebench.agreement import default_tolerance, expected_output, largest_difference
from pricebench.errors import PricebenchError
from pricebench.inputs import Example, Inputs, leaves
from pricebench.modes import MODES, ExecutionMode, inductor_code
from pricebench.modes.compile import forget
from pricebench.profiling import kineto
from pricebench.workload import FULL, Workload, count_flop, load_workload
from pricebench.workload.checks import changes_inputs, expected_training, quieted

SCHEMA = 1
_WARM_UP_CALLS = 3
_LATER_CALLS = 3
_ALL_CALLS = 1 + _WARM_UP_CALLS + _LATER_CALLS + 1 + 1  # where kernels are looked at, and profiled, and the result


def facts(workload: Workload) -> dict[str, Any]:
    """What is true of the workload on this version of torch, case by case.

    A mode that fails, or that cannot run here, says why in its case.
    """
    cases: dict[str, Any] = {}
    is_fresh = changes_inputs(workload, FULL)
    for shape in (shape for shape in (FULL, "single") if shape in workload.shapes):
        inputs = workload.inputs(shape)
        for mode in MODES:
            cases[f"inference[{mode.name}-{shape}]"] = _case(
                mode,
                lambda mode: inference_facts(
                    mode,
                    workload.module,
                    inputs,  # noqa: B023
                    tolerance=workload.tolerated,
                    is_fresh=is_fresh,
                ),
            )
    inputs = workload.inputs(FULL)
    for mode in MODES if workload.has_loss else ():
        cases[f"training[{mode.name}-full]"] = _case(
            mode, lambda mode: training_facts(mode, workload, is_fresh=is_fresh)
        )
    return {
        "schema": SCHEMA,
        "torch": torch.__version__.partition("+")[0],
        "workload": workload.name,
        "parameters": sum(parameter.numel() for parameter in workload.module.parameters()),
        "flop": count_flop(lambda: inputs.clone().call(workload.module)),
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


def inference_facts(
    mode: ExecutionMode, module: nn.Module, example: Example, *, tolerance: float | None = None, is_fresh: bool = False
) -> dict[str, Any]:
    """What is true of a module's forward pass in a mode, on one batch.

    Args:
        mode: How it is executed.
        module: Left as it is.
        example: Arguments of a call.
        tolerance: Of the output; derived from the module where it is left out.
        is_fresh: A call changes its inputs, so each gets its own.
    """
    inputs = Inputs.of(example)
    expected, _ = expected_output(module, inputs)
    forward = mode.prepare_inference(module, inputs)
    supply = _supply(inputs, is_fresh=is_fresh)
    found = _counted(mode, lambda: next(supply).call(forward))
    output = next(supply).call(forward)
    error = largest_difference(output, expected).error
    tolerance = default_tolerance(module) if tolerance is None else tolerance
    inferred = all(leaf.is_inference() for _, leaf in leaves(output) if isinstance(leaf, Tensor))
    found = {"equals_eager": error <= tolerance, "inference_mode": inferred, **found}
    if mode.name == "fx":
        found["nodes"] = len(mode.build(copy.deepcopy(module), inputs).graph.nodes)  # type: ignore[attr-defined]
    if mode.name == "torchscript":
        built = mode.build(copy.deepcopy(module).eval(), inputs)
        frozen: Any = mode.freeze(built) if mode.freeze else built
        found["nodes"] = len(list(frozen.inlined_graph.nodes()))
    return found


def training_facts(mode: ExecutionMode, workload: Workload, *, is_fresh: bool = False) -> dict[str, Any]:
    """What is true of forward, loss and backward in a mode, on the full batch.

    A module that is random in training is checked with that switched off, and counted with it on.
    """
    inputs, targets = workload.inputs(FULL), workload.targets(FULL)
    quiet, remark = quieted(workload)
    expected = expected_training(workload, quiet, FULL)
    module = copy.deepcopy(workload.module)
    forward = mode.prepare_training(module, inputs)
    supply = _supply(inputs, is_fresh=is_fresh)

    def step() -> Tensor:
        loss = workload.loss_of(next(supply).call(forward), targets)
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])

    found = _counted(mode, step)
    if remark:
        forget()
        module, forward = quiet, mode.build(quiet, inputs)
        found["checked"] = remark
    vector = torch.cat([gradient.flatten() for gradient in expected.value[1:]])
    return {"equals_eager": largest_difference(step(), vector).error <= expected.tolerance, **found}


def _supply(inputs: Inputs, *, is_fresh: bool) -> Iterator[Inputs]:
    """The inputs of one call after another, made beforehand: a copy made in between would be counted."""
    return iter([inputs.clone() for _ in range(_ALL_CALLS)]) if is_fresh else repeat(inputs)


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
    name = parser.parse_args().workload
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    try:
        made = load_workload(name)
    except PricebenchError as error:
        # The gate quotes the last line.
        sys.stderr.write(f"{error}\n")
        raise SystemExit(int(error.exit_code)) from None
    answers.write(json.dumps(facts(made)) + "\n")


if __name__ == "__main__":
    main()
