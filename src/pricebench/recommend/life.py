"""One fresh process: what a workload is, or the life of one mode from its start through a day of sizes.

`python -m pricebench.recommend.life REQUEST ANSWER` reads a JSON file and writes one. The time of a first answer runs
from the moment at which the parent started the process: interpreter, imports, model, compiler, call.
"""

from __future__ import annotations

import copy
import io
import json
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from pricebench.inputs import Inputs
    from pricebench.modes import ExecutionMode
    from pricebench.workload import Workload

_REPEATS = 3  # calls after the first at a size, whose median is what the size costs from then on
_LEARNING_RATE = 1e-8  # after hundreds of steps on one batch the weights are still those of the first


def main() -> None:
    """Answer the request; what is wrong with somebody's workload is an answer too."""
    from pricebench.errors import PricebenchError  # noqa: PLC0415

    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        answer = _facts(request) if request["do"] == "facts" else _life(request)
    except PricebenchError as error:
        answer = {"failure": str(error)}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


def _facts(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the driver, which imports no torch, has to know."""
    from dataclasses import asdict  # noqa: PLC0415

    import torch  # noqa: PLC0415

    from pricebench.devices import device_named  # noqa: PLC0415
    from pricebench.machine import this_machine  # noqa: PLC0415
    from pricebench.modes import MODES  # noqa: PLC0415
    from pricebench.workload import load_workload  # noqa: PLC0415

    device = request["device"]
    device_named(device)
    torch.set_num_threads(request["threads"])
    workload = load_workload(request["workload"])
    modules = _modules()
    machine = this_machine(device)
    return {
        "name": workload.name,
        "shapes": {name: dict(sizes) for name, sizes in workload.shapes.items()},
        "batch": workload.batch,
        "dims": {place: {str(axis): name for axis, name in axes.items()} for place, axes in workload.dims.items()},
        "has_loss": workload.has_loss,
        "notes": list(workload.notes),
        "parameters": sum(parameter.numel() for parameter in workload.module.parameters()),
        "machine": asdict(machine),
        "fingerprint": machine.digest,
        "modules": modules,
        "modes": [
            {
                "mode": mode.name,
                "missing": mode.missing(),
                "refusal": _refusal(mode, workload),
                "needs": mode.needs,
                "needs_python": mode.needs_python,
                "needs_compiler": mode.needs_compiler,
                "deprecation": mode.deprecation,
            }
            for mode in MODES
        ],
    }


def _refusal(mode: ExecutionMode, workload: Workload) -> str:
    """Why a mode cannot take the module, where that is known without a compiler; empty otherwise."""
    from pricebench.errors import ModeError  # noqa: PLC0415
    from pricebench.workload import FULL  # noqa: PLC0415

    if mode.needs_compiler:
        return ""
    try:
        mode.prepare_inference(workload.module, workload.inputs(FULL))
    except ModeError as error:
        return str(error)
    return ""


def _modules() -> list[str]:
    """Imported by now from the environment, not from the workload's own code: what arms can share."""
    folders = [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    ours = str(Path(__file__).parents[1])
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and isinstance(file, str) and file.startswith((*folders, ours)):
            found.append(name)
    return found


def load(request: Mapping[str, Any]) -> Workload:
    """The workload on its device, with the dimensions that the facts' process found."""
    from pricebench.workload import load_workload  # noqa: PLC0415

    dims = {place: {int(axis): name for axis, name in axes.items()} for place, axes in request["dims"].items()}
    workload = load_workload(request["workload"], dims=dims)
    return workload if request["device"] == "cpu" else workload.on(request["device"])


def _life(request: Mapping[str, Any]) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    from pricebench.errors import PricebenchError  # noqa: PLC0415
    from pricebench.modes import mode_named  # noqa: PLC0415

    torch.set_num_threads(request["threads"])
    imported = _resident()
    workload = load(request)
    mode = mode_named(request["mode"])
    answer: dict[str, Any] = {"imports_resident": imported, "loaded": time.time() - request["started"]}
    for kind in request["kinds"]:
        run = _inference if kind == "inference" else _training
        try:
            answer[kind] = run(workload, mode, request)
        except PricebenchError as error:
            answer[kind] = {"failure": str(error)}
        # A module's own code, torch's compiler, its runtime: whatever raises is this mode's answer.
        except Exception as error:
            answer[kind] = {"failure": f"{type(error).__name__}: {_first_line(error)}"[:300]}
    return answer


def _inference(workload: Workload, mode: ExecutionMode, request: Mapping[str, Any]) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    from pricebench.workload.checks import expected_inference  # noqa: PLC0415

    day = request["day"]
    first = workload.inputs(day[0])
    began = time.perf_counter()
    forward = mode.prepare_inference(workload.module, first)
    day_of = _Day(workload, lambda inputs: inputs.call(forward), request, began, day)
    answer = day_of.live(workload.inputs)
    answer["resident"] = _resident()
    answer["artifact_bytes"] = _artifact(workload.module, mode)
    if not request["is_checked"]:
        return answer
    errors = {}
    for shape, sizes in request["checked"].items():
        expected = expected_inference(workload, sizes)
        found = workload.inputs(sizes).call(forward)
        errors[shape] = {
            "error": expected.difference(found).error,
            "eager": expected.eager.error,
            "by": expected.by,
            "wrong": expected.wrong(found),
        }
    answer["errors"] = errors
    if mode.name == "compile":
        from pricebench.modes.graph_breaks import graph_breaks  # noqa: PLC0415

        with suppress(RuntimeError, torch.jit.Error):  # it can be measured and not be explained
            found_breaks = graph_breaks(workload.module, workload.inputs(day[0]))
            answer["graph_breaks"] = [each._asdict() for each in found_breaks]
    return answer


def _training(workload: Workload, mode: ExecutionMode, request: Mapping[str, Any]) -> dict[str, Any]:
    """A day of steps where these are priced; else only whether a step is right, which needs no optimizer."""
    import torch  # noqa: PLC0415

    from pricebench.workload.checks import expected_training, loss_and_gradients, quieted  # noqa: PLC0415

    answer: dict[str, Any] = {}
    day = request["training_day"]
    torch.manual_seed(workload.seed)
    if request["kinds"][0] == "training":
        began = time.perf_counter()
        step = training_step(workload, mode, day[0])
        answer = _Day(workload, lambda arguments: step(*arguments), request, began, day).live(
            lambda sizes: (workload.inputs(sizes), workload.targets(sizes))
        )
        answer["resident"] = _resident()
        answer["artifact_bytes"] = _artifact(workload.module, mode)
    if not request["is_checked"]:
        return answer
    module, _ = quieted(workload)
    expected = expected_training(workload, module, day[0])
    # Not `prepare_training`: what had to be put into evaluation mode stays in it.
    forward = mode.build(module, workload.inputs(day[0]))
    found = loss_and_gradients(workload, module, forward, workload.inputs(day[0]), workload.targets(day[0]))
    answer["errors"] = {
        "full": {
            "error": expected.difference(found).error,
            "eager": expected.eager.error,
            "by": expected.by,
            "wrong": expected.wrong(found),
        }
    }
    return answer


def training_step(workload: Workload, mode: ExecutionMode, sizes: Any) -> Callable[[Inputs, Any], torch.Tensor]:
    """Forward, loss, backward, Adam on a copy of the module."""
    import torch  # noqa: PLC0415

    module = copy.deepcopy(workload.module)
    forward = mode.prepare_training(module, workload.inputs(sizes))
    optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE, fused=True)

    def step(inputs: Inputs, targets: Any) -> torch.Tensor:
        loss = workload.loss_of(inputs.call(forward), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return step


class _Day:
    """The sizes of a day, one after another: the first call of each, and what it costs from then on."""

    def __init__(
        self,
        workload: Workload,
        run: Callable[[Any], Any],
        request: Mapping[str, Any],
        began: float,
        sizes: Sequence[Mapping[str, int]],
    ) -> None:
        self._workload = workload
        self._run = run
        self._request = request
        self._began = began
        self._sizes = sizes

    def live(self, make: Callable[[Any], Any]) -> dict[str, Any]:
        calls = []
        answered = None
        graphs = _graphs()
        for sizes in self._sizes[:1] if self._request["is_brief"] else self._sizes:
            before = _graphs()
            first = self._timed(make(sizes))
            answered = answered or time.perf_counter() - self._began
            captured = _graphs() - before
            repeats = sorted(self._timed(make(sizes)) for _ in range(_REPEATS))
            calls.append(
                {
                    "sizes": dict(sizes),
                    "first": first,
                    "later": repeats[len(repeats) // 2],
                    "compilations": captured,
                }
            )
        return {"own": answered, "calls": calls, "compilations": _graphs() - graphs}

    def _timed(self, made: Any) -> float:
        started = time.perf_counter()
        self._run(made)
        if self._request["device"] == "cuda":
            import torch  # noqa: PLC0415

            torch.cuda.synchronize()
        return time.perf_counter() - started


def _graphs() -> int:
    """Graphs that TorchDynamo captured in this process; nothing is imported to find out."""
    utils = sys.modules.get("torch._dynamo.utils")
    return int(utils.counters["frames"]["ok"]) if utils else 0


def _resident() -> int | None:
    """Bytes of this process in memory; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def _artifact(module: torch.nn.Module, mode: ExecutionMode) -> int:
    """Bytes of what is shipped: the weights, or the file that a mode writes; the compiler's cache is told apart."""
    import torch  # noqa: PLC0415

    from pricebench.inputs import Inputs  # noqa: PLC0415

    file = io.BytesIO()
    if mode.portable:
        mode.portable.save(module, Inputs(), (), file, "")
    else:
        torch.save(module.state_dict(), file)
    return file.tell()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


if __name__ == "__main__":
    main()
