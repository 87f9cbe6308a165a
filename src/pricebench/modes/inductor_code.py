"""What torch.compile made of a module, to be read: graph breaks, guards, kernels with their fusions, generated code."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import reason_of
from pricebench.modes.graph_breaks import GraphBreak, graph_breaks

# What people call the operators that layers become. Others keep the name that ATen gives them.
_LAYERS = {
    "addmm": "Linear",
    "linear": "Linear",
    "_linear_pointwise": "Linear",
    "_mkl_linear": "Linear",
    "relu": "ReLU",
    "clamp_min": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
    "convolution": "Conv",
    "_softmax": "Softmax",
    "native_layer_norm": "LayerNorm",
    "_native_batch_norm_legit_no_training": "BatchNorm",
    "threshold_backward": "ReLU backward",
}
_GENERATED = re.compile(r"(?:cpp|triton)_(?:[a-z]+_)?fused_(\w*?)_?\d+")
_CALL = re.compile(
    r"(?<![\w.])(?:(?P<generated>(?:cpp|triton)_\w*fused\w*)(?:\.run)?|(?P<library>extern_kernels\.\w+|torch\.ops\.\w+\.\w+))"
    r"[\w.]*\((?P<arguments>.*)"
)
_UNARY = re.compile(r"'(relu|gelu|tanh|sigmoid|swish|hardswish|leaky_relu)'")


def code(module: nn.Module, inputs: Inputs) -> str:
    """Compile a snapshot of `module` for inference on these inputs, and tell what came out: comments, then the source.

    Seconds: it runs the compiler, unless its cache knows the graph. Drops what this process compiled before.

    Raises:
        ModeError: torch.compile cannot take this module or this input.
    """
    snapshot = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    try:
        breaks = graph_breaks(snapshot, inputs)
        with torch.inference_mode():
            explained = inputs.call(torch._dynamo.explain(snapshot))  # noqa: SLF001 - documented by this name
            compiled = torch.compile(snapshot)
            sources = _sources(lambda: inputs.call(compiled))
    except RuntimeError as error:  # Dynamo's and Inductor's own are subclasses
        shapes = ", ".join(str(tuple(tensor.shape)) for _, tensor in inputs.tensors())
        raise ModeError(
            f"compile cannot show {type(module).__name__} on inputs of shape {shapes}: "
            f"{reason_of(error)}. Use another mode."
        ) from error
    finally:
        torch.compiler.reset()
    comments = [*_breaks(explained, breaks), "", *_guards(explained)]
    if sources is None:
        comments += ["", f"Generated code: torch {torch.__version__} has no way to show it that is known here."]
    for number, source in enumerate(sources or (), 1):
        comments += [
            "",
            f"Kernels of graph {number}, in the order in which they run (fused operators by name):",
            *_kernels(source),
        ]
    return "\n\n".join(["\n".join(f"# {line}".rstrip() for line in comments), *(s.strip() for s in sources or ())])


def kernels(run: Callable[[], object]) -> list[str] | None:
    """What the graphs that `run` compiles call, as `generated: Linear + ReLU` or `library: Linear`, in their order.

    None where this torch does not tell. Empty if nothing was compiled: `torch.compiler.reset` comes before.
    """
    sources = _sources(run)
    if sources is None:
        return None
    calls = [call for source in sources for call in _kernel_calls(source)]
    return [f"{call.origin}: {' + '.join(call.operators)}" for call in calls]


def _sources(run: Callable[[], object]) -> list[str] | None:
    """The generated Python and C++ or Triton of each graph; None where this torch does not tell."""
    try:
        from torch._inductor.utils import run_and_get_code  # noqa: PLC0415 - importing Inductor takes seconds
    except ImportError:
        return None
    _, sources = run_and_get_code(run)
    return list(sources)


# ---- graph breaks and guards ---------------------------------------------------------------------------------------


def _breaks(explained: Any, breaks: list[GraphBreak]) -> list[str]:
    return [f"Graphs: {explained.graph_count}; graph breaks: {len(breaks)}.", *(f"  break: {each}" for each in breaks)]


def _guards(explained: Any) -> list[str]:
    """What must be as it was when the graph was compiled, checked before every call."""
    names: dict[str, list[str]] = defaultdict(list)
    for guard in explained.out_guards or ():
        names[guard.create_fn_name()].append(str(guard.name))
    total = sum(map(len, names.values()))
    lines = [f"Guards: {total}, checked before every call:"]
    for kind, guarded in sorted(names.items()):
        # Global state, such as the gradient mode, has no name.
        shown = ", ".join(filter(None, dict.fromkeys(guarded)))
        lines.append(f"  {kind}: {shown}" if shown else f"  {kind}")
    return lines


# ---- kernels and fusions -------------------------------------------------------------------------------------------


class _KernelCall(NamedTuple):
    name: str
    origin: str
    operators: tuple[str, ...]


def _kernel_calls(source: str) -> list[_KernelCall]:
    """The kernel calls of a generated module, in their order."""
    _, _, body = source.partition("def call(")
    calls = []
    for line in body.partition("\ndef ")[0].splitlines():
        found = None if line.lstrip().startswith("#") else _CALL.search(line)
        if found is None:
            continue
        name = found["generated"] or found["library"]
        operators = fused_operators(name) if found["generated"] else _library_operators(name, found["arguments"])
        calls.append(_KernelCall(name, "generated" if found["generated"] else "library", tuple(operators)))
    return calls


def _kernels(source: str) -> list[str]:
    """One line a kernel call of a generated module."""
    calls = _kernel_calls(source)
    lines = [f"  {call.name} ({call.origin}): {' + '.join(call.operators)}" for call in calls]
    if not lines:
        return ["  none was found in the source below"]
    return lines if any(len(call.operators) > 1 for call in calls) else [*lines, "  No two operators were fused."]


def fused_operators(kernel: str) -> tuple[str, ...]:
    """The operators in the name of a generated kernel, as layers where there is one.

    >>> fused_operators("triton_poi_fused_addmm_relu_0"), fused_operators("cpp_fused_sum_threshold_backward_1")
    (('Linear', 'ReLU'), ('sum', 'ReLU backward'))
    """
    match = _GENERATED.search(kernel)
    words = match[1] if match else kernel
    operators = []
    while words:
        # Names of operators have underscores too: the longest that ATen knows is meant.
        ends = [end for end in range(len(words), 0, -1) if end == len(words) or words[end] == "_"]
        end = next((end for end in ends if words[:end] in _LAYERS or hasattr(torch.ops.aten, words[:end])), ends[-1])
        operators.append(_LAYERS.get(words[:end], words[:end]))
        words = words[end + 1 :]
    return tuple(operators)


def _library_operators(name: str, arguments: str) -> tuple[str, ...]:
    """What a call of a library's kernel does; oneDNN takes the function that follows as an argument."""
    operator = name.rpartition(".")[2]
    follows = _UNARY.search(arguments)
    layers = [_LAYERS.get(operator, operator)]
    if follows:
        layers.append(_LAYERS.get(follows[1], follows[1]))
    return tuple(layers)
