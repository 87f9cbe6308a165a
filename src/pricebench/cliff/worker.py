"""The processes that run cells, fresh as far as compiling goes.

`python -m pricebench.cliff.worker preload.json` imports torch and the listed modules, then forks a child per cell.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from pricebench.cliff.schedule import Check, CliffError, Kind, Step
from pricebench.errors import PricebenchError
from pricebench.zygote.process import CAN_FORK, Answer, fork_for_each_request, next_request


def main() -> None:
    """Serve until stdin ends."""
    fork_for_each_request(_import, _serve)


def _import() -> None:
    import torch  # noqa: F401, PLC0415 - its import is what the children are spared

    for name in json.loads(Path(sys.argv[1]).read_text()) or _used_by_capture():
        # A list made by another process may name modules that were generated there.
        with suppress(ImportError):
            import_module(name)


def _used_by_capture() -> list[str]:
    """Modules that TorchDynamo imports while it captures its first graph, found out in a child that then ends."""
    import torch._dynamo  # noqa: PLC0415

    if not CAN_FORK:
        return []
    reader, writer = os.pipe()
    if not os.fork():
        before = set(sys.modules)
        torch.compile(torch.relu, backend="eager")(torch.ones(2))
        with os.fdopen(writer, "w") as file:
            json.dump(sorted(set(sys.modules) - before), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        names: list[str] = json.load(file)
    os.wait()
    return names


def _serve(request: dict[str, Any], answer: Answer) -> None:
    try:
        running = _prepare(request)
    # Anything may be wrong with somebody's workload; the parent says it, the other cells go on.
    except Exception as error:
        answer(failure=_reason(error))
        return
    answer(prepare=running.prepare_seconds)
    while asked := next_request():
        try:
            if asked["do"] == "end":
                answer(num_graphs=running.num_graphs)
                return
            step = Step(**asked["step"])
            if asked["do"] == "call":
                answer(call=asdict(running.call(step)))
            else:
                block = running.block(step, asked["num_blocks"])
                answer(block=block and asdict(block))
        except Exception as error:
            answer(failure=_reason(error))


def _prepare(request: dict[str, Any]) -> Any:
    os.environ.update(request["environment"])
    import torch  # noqa: PLC0415

    from pricebench.cliff.arms import arm_named  # noqa: PLC0415
    from pricebench.cliff.cell import RunningCell  # noqa: PLC0415
    from pricebench.cliff.recorder import uncompiled  # noqa: PLC0415
    from pricebench.workload import load_workload  # noqa: PLC0415

    arm = arm_named(request["arm"])
    missing = arm.missing(request["device"])
    if missing:
        raise CliffError(f"not available: {missing}")
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    return RunningCell(
        arm,
        load_workload(request["workload"], residual_rows=request["residual_rows"], dims=request["dims"]),
        Kind(request["kind"]),
        device=torch.device(request["device"]),
        backend=uncompiled if request["counts_only"] else None,
        check=Check(request["check"]),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, PricebenchError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def compile_something(constant: int) -> None:
    """Say what imports and a compilation take, and what they import; another constant is another function."""
    started = time.perf_counter()
    import torch  # noqa: PLC0415

    imported = time.perf_counter()
    import torch._dynamo  # noqa: PLC0415
    import torch._inductor.compile_fx  # noqa: PLC0415

    ready = time.perf_counter()
    before = set(sys.modules)
    torch.compile(lambda x: torch.relu(x @ x + constant).sum(0))(torch.ones(8, 8))
    compiled = time.perf_counter()
    facts = {
        "imports": imported - started,
        "compiler_imports": ready - imported,
        "compile": compiled - ready,
        "modules": ["torch._dynamo", "torch._inductor.compile_fx", *sorted(set(sys.modules) - before)],
    }
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
