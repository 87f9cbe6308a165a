"""A new model is loaded beside the one that serves, checked, and takes its place between two batches, or is refused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch

from pricebench.serving.compilations import Unexpected
from pricebench.serving.readiness import ReadyModel, load_ready

# While another thread loads, the loop gets its turn after this time, not after Python's five milliseconds.
_TURN = 0.0005  # seconds


class Models:
    """The model that serves, and the one beside it that may follow.

    Attributes:
        current: Serves; None before the first was ready.
    """

    def __init__(
        self,
        *,
        mode: str | None,
        exported: str | None = None,
        device: str = "cpu",
        on_switch: Callable[[ReadyModel], None],
    ) -> None:
        """Begin without a model.

        Args:
            mode: Of every model; None for eager, or for that of the exported files.
            exported: What the exported file in each folder is called, if that is what runs.
            device: Where every model runs.
            on_switch: Is told about each model that begins to serve.
        """
        self.current: ReadyModel | None = None
        self._load = partial(load_ready, mode=mode, exported=exported, device=device)
        self._on_switch = on_switch
        self._beside: ReadyModel | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading")
        self._unexpected = Unexpected()

    @property
    def num_unexpected_compilations(self) -> int:
        """Compilations that happened while serving: none of them belongs to a model that was being prepared."""
        return self._unexpected.num

    async def load_beside(self, folder: Path) -> ReadyModel:
        """Load and check the model of a folder, which takes the place of one that waited; `switch` lets it serve.

        Raises:
            ArtifactError: The folder holds no model, or not a whole one.
            ModeError: The mode cannot run here, or prices wrongly.
        """
        before = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        threads = torch.get_num_threads()
        loop = asyncio.get_running_loop()
        try:
            with self._unexpected.prepared_beside():
                ready = await loop.run_in_executor(self._thread, _with_threads, threads, self._load, folder)
                with self._unexpected.expected():
                    ready.run_all_sizes()
        finally:
            sys.setswitchinterval(before)
        self._beside = ready
        return ready

    def switch(self) -> None:
        """Let the model beside serve whatever begins from now on."""
        assert self._beside is not None, "nothing was loaded"
        self.current, self._beside = self._beside, None
        self._on_switch(self.current)

    def drop(self) -> None:
        """Forget the model beside."""
        self._beside = None

    def close(self) -> None:
        """Let no thread be left; one that loads ends with the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _with_threads(threads: int, load: Callable[[Path], ReadyModel], folder: Path) -> ReadyModel:
    # OpenMP keeps the number per thread, and torch.compile guards on it.
    torch.set_num_threads(threads)
    return load(folder)
