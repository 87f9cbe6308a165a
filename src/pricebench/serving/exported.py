"""A file that `pricebench export` wrote: what it says of itself, and whether it belongs here.

That is read before the file is loaded, because loading a package of machine code or a TorchScript file runs it.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pricebench.artifacts import Artifacts
from pricebench.cpu import cpu_flags
from pricebench.errors import ArtifactError
from pricebench.extras import require
from pricebench.fields import as_object, count_in, each_in, text_in, texts_in
from pricebench.modes import ALL_MODES, ExecutionMode
from pricebench.units import counted

_FORMAT = 1
PORTABLE = {mode.name: mode for mode in ALL_MODES if mode.portable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What an exported file says of itself.

    Attributes:
        mode: Name of the execution mode.
        model: Digest of the trained model.
        features: Names, in the order of the columns.
        sizes: Batch sizes that it is quickest for; empty where all are alike.
        torch: Version that it was written by.
        cpu: Instructions that it may use, as Linux names them; empty where it runs on any CPU.
        threads: That it runs on; 0 where it runs on as many as who loads it says.
        pricebench: Version that it was written by.
        transforms: What was done to the graph, by name.
    """

    mode: str
    model: str
    features: tuple[str, ...]
    sizes: tuple[int, ...]
    torch: str
    cpu: tuple[str, ...]
    threads: int
    pricebench: str
    transforms: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, artifacts: Artifacts, mode: ExecutionMode, *, sizes: Sequence[int], transforms: Sequence[str] = ()
    ) -> Says:
        """What a file that is written here and now has to say."""
        is_machine_code = mode.needs_compiler
        return cls(
            mode=mode.base,
            model=artifacts.stats.model_digest,
            features=artifacts.stats.feature_names,
            sizes=tuple(sizes),
            torch=torch.__version__,
            cpu=cpu_flags() if is_machine_code else (),
            threads=torch.get_num_threads() if is_machine_code else 0,
            pricebench=importlib.metadata.version("pricebench"),
            transforms=tuple(transforms),
        )

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> Says:
        """Read it without running anything of the file.

        Raises:
            ArtifactError: The file is none that `export` wrote, or one of another version.
            MissingPackageError: It is a graph of ONNX, and the packages for these are not installed.
        """
        try:
            with path.open("rb") as file:
                is_archive = file.read(2) == b"PK"
            if not is_archive:
                require("onnx", needed_by=f"reading {path.name}, which is no archive of torch,")
            portable = PORTABLE["torchscript" if is_archive else "onnxruntime"].portable
            assert portable is not None
            told = portable.says(path)
        except OSError as error:
            raise ArtifactError(
                f"{path}: expected a file that pricebench export wrote, found none that can be read "
                f"({error.strerror or error}). Write it: pricebench export."
            ) from error
        try:
            return cls._from_json(json.loads(told or ""))
        except (ValueError, TypeError, RecursionError) as error:
            raise ArtifactError(
                f"{path}: expected a file that this version of pricebench export wrote, found another. Write it again: "
                "pricebench export."
            ) from error

    @classmethod
    def _from_json(cls, told: Any) -> Says:
        said = as_object(told)
        if count_in(said, "format") != _FORMAT:
            raise ValueError("another format")
        sizes = each_in(said, "sizes", int)
        if sizes != sorted({*sizes}) or min(sizes, default=1) < 1:
            raise ValueError("sizes out of order")
        return cls(
            mode=text_in(said, "mode"),
            model=text_in(said, "model"),
            features=texts_in(said, "features"),
            sizes=tuple(sizes),
            torch=text_in(said, "torch"),
            cpu=texts_in(said, "cpu"),
            threads=count_in(said, "threads"),
            pricebench=text_in(said, "pricebench"),
            transforms=texts_in(said, "transforms"),
        )


def load_exported(
    path: Path, artifacts: Artifacts, *, mode: str | None = None
) -> tuple[ExecutionMode, tuple[int, ...], Callable[[Tensor], Tensor]]:
    """Load a file for the model that it is of. This runs code of a package or a TorchScript file: name only your own.

    Args:
        path: Of the file.
        artifacts: The trained model with its statistics.
        mode: That the file must be of; None takes any.

    Returns:
        Its mode, the sizes that it is for, and raw features to dollars, `(N, F)` float64 to `(N, 1)` float32.

    Raises:
        ArtifactError: It is of another mode, another model, another torch, or for another CPU.
        MissingPackageError: What loads it is not installed.
    """
    says = Says.read(path)
    unfit = _unfit(says, artifacts, mode or says.mode)
    if unfit:
        raise ArtifactError(f"{path}: expected a file for this model and this machine, found one {unfit}.")
    found = PORTABLE[says.mode]
    assert found.portable is not None
    if found.portable.is_data:
        require(found.name, needed_by=path.name)
    return found, says.sizes, found.without_gradients(found.portable.load(path))


def _unfit(says: Says, artifacts: Artifacts, mode: str) -> str:
    """Why a file cannot be used, and what to do; empty where it can."""
    if says.mode not in PORTABLE:
        return "of a mode that this version does not know"
    if says.mode != mode:
        return f"of the mode {says.mode}, not of {mode}. Leave --mode out"
    portable = PORTABLE[says.mode].portable
    lacking = sorted({*says.cpu} - {*cpu_flags()})
    reason = ""
    if says.model != artifacts.stats.model_digest:
        reason = f"of the model {says.model[:12]}, not of {artifacts.stats.model_digest[:12]}"
    elif says.features != artifacts.stats.feature_names:
        reason = f"for the features {', '.join(says.features)}"
    elif says.torch != torch.__version__ and not (portable and portable.is_data):
        reason = f"of torch {says.torch}, not of {torch.__version__}"
    elif says.threads > torch.get_num_threads():
        reason = f"for {counted(says.threads, 'thread')}, not for {torch.get_num_threads()}"
    elif lacking:
        reason = f"for a CPU with {', '.join(lacking[:5])}, which this one lacks"
    return reason and f"{reason}. Write it again here: pricebench export --mode {says.mode}"
