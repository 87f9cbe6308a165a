"""Packages of machine code that AOTInductor makes of a module for inputs of one shape, in a cache of this user.

Compiling one takes ten seconds and more; it is found again by everything that decides what comes out: the exported
program with its weights, torch, the compiler and its options, the CPU, and the threads.
"""

from __future__ import annotations

import hashlib
import math
import shlex
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import filelock  # torch itself needs it
import torch
from torch import Tensor

from pricebench.caches import cache_home
from pricebench.cpu import cpu_flags
from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.base import reason_of
from pricebench.modes.flat import Flat
from pricebench.modes.portable import SAYS_FILE
from pricebench.modes.silence import torch_silenced

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Run: TypeAlias = Callable[[list[Tensor]], list[Tensor]]

ONLY_MODEL = "model"
"""The name that torch gives to the model of a package that has one."""

_ALIGNED = Path(__file__).with_name("aligned.h")
_VERSION = "v1"  # of the cache: whoever changes what the options mean raises it
_MOST_PACKAGES = 200  # of a megabyte each
_PRODUCTS = ("linear", "addmm", "mm", "bmm", "baddbmm", "matmul")
_FEW_ROWS = 128
_BATCH = "batch"
_MOST_ROWS = 2**24

_compiled = 0


def exported(flat: Flat, *, any_batch: bool = False) -> ExportedProgram:
    """Capture a module for the shapes of the inputs that it was made of.

    Args:
        flat: In evaluation mode.
        any_batch: Leave the first axis of every tensor open; the inputs have two rows or more.

    Raises:
        ModeError: torch.export cannot take it.
    """
    batch = torch.export.Dim(_BATCH, min=1, max=_MOST_ROWS)
    axes = tuple({0: batch} if tensor.ndim else {} for tensor in flat.tensors())
    try:
        with torch.no_grad(), torch_silenced():
            return torch.export.export(flat, flat.tensors(), dynamic_shapes=(axes,) if any_batch else None)
    # Export runs the module's own code on symbolic values, which may raise anything.
    except Exception as error:
        raise ModeError(
            f"aot cannot take {type(flat.module).__name__}: {reason_of(error)}. Rewrite that line or use another mode."
        ) from error


def num_compiled() -> int:
    """Packages that this process has compiled, rather than found."""
    return _compiled


def package_of(program: ExportedProgram, *, own_kernels: bool | None = None) -> Path:
    """The package of an exported program, compiled now unless the cache has it.

    Args:
        program: With its weights.
        own_kernels: Whether Inductor's own kernels multiply; by default where they are quicker.

    Raises:
        RuntimeError: Inductor or the compiler failed.
    """
    folder = cache_home() / "aot" / _VERSION
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if own_kernels is None:
        own_kernels = _has_own_kernels(program)
    path = folder / f"{key_of(program, own_kernels=own_kernels)}.pt2"
    # Two processes that start together, such as workers of a server, compile it once.
    with filelock.FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            global _compiled  # noqa: PLW0603 - a count of this process, as torch's own counters are
            _compiled += 1
            _compile(program, path, own_kernels=own_kernels)
            _keep_newest(folder)
    path.touch()
    return path


def load(path: Path, model: str = ONLY_MODEL) -> Run:
    """Load a model of a package: this runs machine code that the file holds.

    Not `torch._inductor.aoti_load_package`, which compiles a program to learn about the CPU, and whose callable
    parses two JSON texts a call (torch 2.15, export/pt2_archive/_package.py).
    """
    # One runner without locks: Python's own lock is held during a call.
    loader = torch._C._aoti.AOTIModelPackageLoader(str(path), model, run_single_threaded=True)  # noqa: SLF001
    run: Run = loader.run
    return run


def bundle(programs: Mapping[str, ExportedProgram], file: IO[bytes], says: str) -> None:
    """Write one file with a model for each program, by name.

    Raises:
        RuntimeError: Inductor or the compiler failed.
    """
    from torch.export.pt2_archive._package import package_pt2  # noqa: PLC0415 - importing Inductor takes seconds

    with tempfile.TemporaryDirectory() as folder:
        parts: Any = {name: _unpacked(package_of(program), Path(folder) / name) for name, program in programs.items()}
        with torch_silenced():
            package_pt2(file, aoti_files=parts, extra_files={SAYS_FILE: says})


def models_in(path: Path) -> set[str]:
    """The names of a file's models, read without loading any."""
    with zipfile.ZipFile(path) as archive:
        return {parts[-2] for name in archive.namelist() if (parts := name.split("/"))[-3:-2] == ["aotinductor"]}


def _unpacked(package: Path, folder: Path) -> list[str]:
    """Where the files of a package's only model lie, unpacked into a folder; not its sources, which nothing reads."""
    folder.mkdir()
    files = []
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            if f"/aotinductor/{ONLY_MODEL}/" in name and not name.endswith(".cpp"):
                files.append(folder / Path(name).name)
                files[-1].write_bytes(archive.read(name))
    return list(map(str, files))


def _compile(program: ExportedProgram, path: Path, *, own_kernels: bool) -> None:
    temporary = path.with_suffix(".new.pt2")
    import torch._inductor.config as inductor  # noqa: PLC0415 - importing Inductor takes seconds

    # Set globally: as an option of one compilation, `freezing` gives wrong numbers (docs/log.md).
    with torch_silenced(), torch.no_grad(), inductor.patch(freezing=True):
        torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - documented by this name
            program, package_path=str(temporary), inductor_configs=_options(own_kernels=own_kernels)
        )
    temporary.replace(path)


def _most_rows(program: ExportedProgram) -> int:
    """Of the matrix products; an open axis counts as one row."""
    rows = [0]
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if str(node.target).removeprefix("aten.").partition(".")[0] in _PRODUCTS and isinstance(value, Tensor):
            sizes: Iterable[Any] = value.shape[:-1]
            # Never `int` of an open axis: that would close it.
            rows.append(math.prod(size for size in sizes if isinstance(size, int)))
    return max(rows)


def _has_own_kernels(program: ExportedProgram) -> bool:
    """Whether products are few enough rows for Inductor's own kernels, and not in int8: those corrupt memory."""
    names = {str(node.target) for node in program.graph.nodes}
    return _most_rows(program) <= _FEW_ROWS and not any(name.startswith("onednn.qlinear") for name in names)


def _options(*, own_kernels: bool) -> dict[str, Any]:
    import torch._inductor.config as inductor  # noqa: PLC0415
    from torch._inductor import cpp_builder  # noqa: PLC0415

    # Without the first flag GCC 12 writes each sum of a matrix kernel to the stack in every round (docs/log.md).
    flags = f"-fstack-reuse=none -include {shlex.quote(str(_ALIGNED))}" if cpp_builder.is_gcc() else ""
    # Products of few rows by kernels of Inductor's own, whose call costs nothing; of more by oneDNN (docs/log.md).
    # Which is quicker is not tried out: on a busy machine that chooses wrongly, and a package is there to stay.
    multiplied = {"max_autotune": True, "max_autotune_gemm_backends": "CPP"} if own_kernels else {}
    wanted = {
        **multiplied,
        "aot_inductor.allow_stack_allocation": True,
        "aot_inductor.enable_frame_pointer": False,
        "aot_inductor.enable_line_tables": False,
        **({"cpp.march": f"native {flags}"} if flags else {}),
    }
    known = inductor.get_config_copy()
    return {name: value for name, value in wanted.items() if name in known}


def key_of(program: ExportedProgram, *, own_kernels: bool) -> str:
    """By what a package is found again."""
    digest = hashlib.sha256()
    for part in _decisive(program, _options(own_kernels=own_kernels)):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _decisive(program: ExportedProgram, options: Mapping[str, Any]) -> Iterator[bytes]:
    """All that decides what the compiler makes."""
    # No paths: where this package is installed, and where a module's source lies, changes nothing.
    told = repr(sorted(options.items())).replace(str(_ALIGNED), _ALIGNED.read_text(encoding="utf-8"))
    yield str((torch.__version__, torch.get_num_threads(), cpu_flags(), _compiler(), told)).encode()
    yield f"{program.graph} {program.graph_signature} {program.range_constraints}".encode()
    args, kwargs = program.example_inputs or ((), {})
    for _, tensor in Inputs(args, kwargs).tensors():
        yield str((tensor.shape, tensor.stride(), tensor.dtype, tensor.device)).encode()
    for name, value in sorted({**program.state_dict, **program.constants}.items()):
        yield f"{name} {value.dtype} {tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


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
