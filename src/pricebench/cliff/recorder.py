"""Which graph served a call, by the graphs themselves; what was compiled for it, by torch's own metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from torch import Tensor
from torch._dynamo.utils import clear_compilation_metrics, counters, get_compilation_metrics
from torch.fx import GraphModule

from pricebench.cliff.records import Compilation

GraphFunction: TypeAlias = Callable[..., Any]
Backend: TypeAlias = Callable[[GraphModule, Sequence[Tensor]], GraphFunction]


def inductor(options: Mapping[str, Any]) -> Backend:
    """TorchInductor as `torch.compile` calls it, with its options."""

    def compile_graph(graph: GraphModule, example_inputs: Sequence[Tensor]) -> GraphFunction:
        from torch._inductor.compile_fx import compile_fx  # noqa: PLC0415 - seconds, and not needed to count graphs

        compiled: Any = compile_fx(graph, example_inputs, config_patches=dict(options))
        run: GraphFunction = compiled
        return run

    return compile_graph


def uncompiled(graph: GraphModule, example_inputs: Sequence[Tensor]) -> GraphFunction:  # noqa: ARG001
    """Run the captured graph operator by operator: the guards and counts of `torch.compile` without its compiler."""
    run: GraphFunction = graph.forward
    return run


class GraphRecorder:
    """A `torch.compile` backend whose graphs write down, at each run, that they ran.

    That costs a tenth of a microsecond a call, and is exact where the alternatives infer: TorchDynamo's cache shows
    which graph was used last, but not whether a call fell back to eager; a profiler would run beside the timing.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._num_graphs = 0
        self._served: list[int] = []
        self._frames = 0
        self.begin()

    def __call__(self, graph: GraphModule, example_inputs: Sequence[Tensor]) -> GraphFunction:
        """Compile, as torch asks a backend to."""
        # `specialize_on` compiles some graphs at the first run, outside of any compilation that has an id.
        number = self._num_graphs
        self._num_graphs += 1
        run = self._backend(graph, example_inputs)

        def recorded(*arguments: Any) -> Any:
            self._served.append(number)
            return run(*arguments)

        return recorded

    @property
    def num_graphs(self) -> int:
        """Graphs handed to the backend so far."""
        return self._num_graphs

    def begin(self) -> None:
        """Forget what was seen: what comes next is one call."""
        self._served.clear()
        self._frames = counters["frames"]["ok"]
        clear_compilation_metrics()

    def served(self) -> str:
        """The graph that ran last since `begin`, as g0, g1, ... in order of compiling, or "eager" where none ran."""
        return f"g{self._served[-1]}" if self._served else "eager"

    def captured(self) -> int:
        """Graphs that TorchDynamo captured since `begin`, by its own counter."""
        return int(counters["frames"]["ok"]) - self._frames

    def compilations(self) -> tuple[Compilation, ...]:
        """What torch's metrics say was compiled since `begin`."""
        return tuple(_compilation(metrics) for metrics in get_compilation_metrics())


def set_config(patches: Mapping[str, object]) -> None:
    """Set entries of torch's configuration by their full names, such as `torch._dynamo.config.recompile_limit`."""
    for name, value in patches.items():
        module, _, entry = name.rpartition(".")
        setattr(import_module(module), entry, value)


def _compilation(metrics: Any) -> Compilation:
    """Parts that do not overlap: each of torch's times contains those of the stages below it."""
    frame, backend = metrics.entire_frame_compile_time_s, metrics.backend_compile_time_s
    inductor_s = (metrics.inductor_cumulative_compile_time_us or 0) / 1e6
    # torch books waiting for the C++ compiler under the name of its GPU compiler.
    cpp = (metrics.triton_compile_time_us or 0) / 1e6
    # A backward graph that is compiled at the first backward pass has only Inductor's part.
    is_lazy = backend is None
    return Compilation(
        graph=str(metrics.compile_id or ""),
        reason=str(metrics.recompile_reason or ""),
        failure=str(metrics.fail_reason or metrics.fail_type or ""),
        is_backward=metrics.is_forward is False,
        dynamo=max(0.0, (frame or 0.0) - (backend or 0.0)),
        aot=0.0 if is_lazy else max(0.0, backend - inductor_s),
        inductor=max(0.0, inductor_s - cpp),
        cpp=cpp,
    )
