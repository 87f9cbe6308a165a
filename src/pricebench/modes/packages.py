"""Packages of machine code that AOTInductor makes of a module for inputs of one shape, in a cache of this user.

Compiling one takes ten seconds and more; it is found again by everything that decides what comes out: the exported
program with its weights, torch, the compiler and its options, the CPU, and the threads.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import filelock  # torch itself needs it
import torch
from torch import Tensor, nn

from pricebench.caches import cache_home
from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import reason_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Run: TypeAlias = Callable[[list[Tensor]], list[Tensor]]

ONLY_MODEL = "model"
"""The name that torch gives to the model of a package that has one."""

_VERSION = "v1"  # of the cache: whoever changes what the options mean raises it
_MOST_PACKAGES = 200  # of a megabyte each
_BATCH = "batch"
_MOST_ROWS = 2**24


def exported(module: nn.Module, inputs: Inputs, *, any_batch: bool = False) -> ExportedProgram:
    """Capture a module.

    Args:
        module: In evaluation mode.
        inputs: Of the shapes that the program is for.
        any_batch: Leave the first axis of every tensor open; `inputs` have two rows or more.

    Raises:
        ModeError: torch.export cannot take it.
    """
    shapes: Any = None
    if any_batch:
        shapes = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
        batch = torch.export.Dim(_BATCH, min=1, max=_MOST_ROWS)
        for _, tensor in inputs.tensors():
            shapes[tensor] = {0: batch}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the deprecations of its own parts
            return torch.export.export(module, inputs.args, dict(inputs.kwargs), dynamic_shapes=shapes)
    # Export runs the module's own code on symbolic values, which may raise anything.
    except Exception as error:
        raise ModeError(
            f"aot cannot export {type(module).__name__}: {reason_of(error)}. Rewrite that line or use another mode."
        ) from error


def package_of(program: ExportedProgram) -> Path:
    """The package of an exported program, compiled now unless the cache has it.

    Raises:
        RuntimeError: Inductor or the compiler failed.
    """
    folder = cache_home() / "aot" / _VERSION
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{_key(program)}.pt2"
    # Two processes that start together, such as workers of a server, compile it once.
    with filelock.FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            _compile(program, path)
            _keep_newest(folder)
    path.touch()
    return path


def load(path: Path, model: str = ONLY_MODEL) -> tuple[Run, Any]:
    """Load a model of a package: this runs machine code that the file holds.

    Not `torch._inductor.aoti_load_package`, which compiles a program to learn about the CPU, and whose callable
    parses two JSON texts a call (torch 2.15, export/pt2_archive/_package.py).

    Returns:
        What runs it on the tensors of a call, and the pytree of its outputs.
    """
    # One runner without locks: Python's own lock is held during a call.
    loader = torch._C._aoti.AOTIModelPackageLoader(str(path), model, run_single_threaded=True)  # noqa: SLF001
    _, out_spec = loader.get_call_spec()
    return loader.run, torch.utils._pytree.treespec_loads(out_spec)  # noqa: SLF001


def _compile(program: ExportedProgram, path: Path) -> None:
    temporary = path.with_suffix(".new.pt2")
    import torch._inductor.config as inductor  # noqa: PLC0415 - importing Inductor takes seconds

    # Set globally: as an option of one compilation, `freezing` gives wrong numbers (docs/log.md).
    with _quiet(), torch.no_grad(), inductor.patch(freezing=True):
        torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - documented by this name
            program, package_path=str(temporary), inductor_configs=_options()
        )
    temporary.replace(path)


def _options() -> dict[str, Any]:
    import torch._inductor.config as inductor  # noqa: PLC0415
    from torch._inductor import cpp_builder  # noqa: PLC0415

    # Without the flag GCC 12 writes each sum of a matrix kernel to the stack in every round (docs/log.md).
    is_gcc = cpp_builder.is_gcc()
    wanted = {
        "max_autotune": True,
        "aot_inductor.allow_stack_allocation": True,
        "aot_inductor.enable_frame_pointer": False,
        "aot_inductor.enable_line_tables": False,
        **({"cpp.march": "native -fstack-reuse=none"} if is_gcc else {}),
    }
    known = inductor.get_config_copy()
    return {name: value for name, value in wanted.items() if name in known}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables of its choices, which it logs, and without the deprecations of its own parts."""
    import torch._inductor.select_algorithm as choices  # noqa: PLC0415

    before, choices.PRINT_AUTOTUNE = choices.PRINT_AUTOTUNE, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        choices.PRINT_AUTOTUNE = before


def _key(program: ExportedProgram) -> str:
    digest = hashlib.sha256()
    for part in _decisive(program):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _decisive(program: ExportedProgram) -> Iterator[bytes]:
    """All that decides what the compiler makes."""
    yield str(
        (torch.__version__, torch.get_num_threads(), cpu_flags(), _compiler(), sorted(_options().items()))
    ).encode()
    yield str(program).encode()
    args, kwargs = program.example_inputs or ((), {})
    for _, tensor in Inputs(args, kwargs).tensors():
        yield str((tensor.shape, tensor.stride(), tensor.dtype, tensor.device)).encode()
    for name, value in sorted({**program.state_dict, **program.constants}.items()):
        yield f"{name} {value.dtype} {tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


@cache
def cpu_flags() -> tuple[str, ...]:
    """What this CPU can do, as Linux names it; elsewhere what torch tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return tuple(sorted({*flags, platform.machine(), torch.backends.cpu.get_cpu_capability()}))


@cache
def _compiler() -> str:
    from torch._inductor import cpp_builder  # noqa: PLC0415

    command = [*cpp_builder.get_cpp_compiler().split(), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]


def _keep_newest(folder: Path) -> None:
    packages = sorted(_with_times(folder.glob("*.pt2")), reverse=True)
    for _, old in packages[_MOST_PACKAGES:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".lock").unlink(missing_ok=True)


def _with_times(paths: Iterable[Path]) -> Iterator[tuple[float, Path]]:
    for path in paths:
        try:
            yield path.stat().st_mtime, path
        except OSError:  # another process has just removed it
            continue
