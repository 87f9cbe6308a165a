"""A new model takes the place of the old one in all workers or in none: each accepts it before any serves it.

It is tried at a signal, or when a watched folder has changed. No torch: workers load and check it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pricebench.server.counters import Counters
from pricebench.server.snapshots import Snapshots, Watch
from pricebench.server.workers import Worker
from pricebench.units import Second

LOOK: Second = 1.0
"""Between two looks at a watched folder."""


@dataclass(slots=True)
class _Reload:
    """A model that is tried."""

    generation: int
    folder: Path
    asked: set[int]
    accepted: set[int]
    why_refused: str = ""


class Reloads:
    """The model that workers serve, and the one that they try.

    Attributes:
        generation: Number of the copy that a worker begins with.
        folder: Where that copy is.
        is_open: Whether another may be tried: not before all workers were ready once, and not in the end.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        watch: Watch | None,
        workers: Mapping[int, Worker],
        *,
        counters: Counters,
        say: Callable[[str], None],
    ) -> None:
        """Begin with the model that is there now.

        Args:
            snapshots: Copies of the artifacts folder.
            watch: Tells that it has changed; None where nobody wants to know.
            workers: All that there are, by number, now and later.
            counters: Of the supervisor.
            say: Tells whoever started it how it goes.

        Raises:
            OSError: A file is there and cannot be read.
        """
        self.generation, self.folder = snapshots.take()
        self.is_open = False
        self._snapshots = snapshots
        self._watch = watch
        self._workers = workers
        self._counters = counters
        self._say = say
        self._tried: _Reload | None = None
        self._again = False  # another was wished while one was tried
        self._look_at: Second = 0.0

    def look(self, now: Second) -> None:
        """Try another model if the watched folder has changed; at most once in `LOOK` seconds."""
        # What changes while the first workers begin is seen when they have begun.
        if self._watch is None or not self.is_open or now < self._look_at:
            return
        self._look_at = now + LOOK
        if self._watch.has_changed():
            self.try_another()

    def try_another(self) -> None:
        """Let all workers load and check what is in the folder now."""
        if self._tried or not self.is_open:
            self._again = self._tried is not None
            return
        try:
            generation, folder = self._snapshots.take()
        except OSError as error:
            self._say(f"the new model is refused, the old one goes on: {error.strerror}")
            return
        ready = [worker for worker in self._workers.values() if worker.is_ready]
        self._tried = _Reload(generation, folder, {worker.number for worker in ready}, set())
        for worker in ready:
            worker.tell(load=generation, folder=str(folder))
        self._finish("")

    def begun(self, worker: Worker, generation: int) -> None:
        """Note what a worker began with; a reload may have ended in the meantime."""
        worker.is_ready, worker.generation = True, generation
        if generation != self.generation:
            worker.tell(load=self.generation, folder=str(self.folder))

    def accepted(self, worker: Worker, generation: int, digest: str) -> None:
        """A worker that serves has loaded and checked a model."""
        if self._tried and self._tried.generation == generation:
            self._tried.accepted.add(worker.number)
            self._finish(digest)
        elif generation == self.generation:
            worker.generation = generation
            worker.tell(switch=generation)

    def refused(self, worker: Worker, generation: int, why: str) -> None:
        """A worker that serves cannot serve a model."""
        if self._tried and self._tried.generation == generation:
            self._tried.accepted.add(worker.number)
            self._tried.why_refused = why
            self._finish("")

    def forget(self, worker: Worker) -> None:
        """Wait no longer for a worker that has died."""
        if self._tried:
            self._tried.asked.discard(worker.number)
            self._tried.accepted.discard(worker.number)
            self._finish("")

    def _finish(self, digest: str) -> None:
        """Once all have answered, let all of them switch, or none."""
        tried = self._tried
        if tried is None or tried.asked != tried.accepted:
            return
        self._tried = None
        if tried.why_refused or not tried.asked:
            self._counters.add("refused_reloads")
            for number in tried.asked:
                self._workers[number].tell(drop=tried.generation)
            why = tried.why_refused or "no worker could check it"
            self._say(f"the new model is refused, the old one goes on: {why}")
        else:
            self.generation, self.folder = tried.generation, tried.folder
            for number in tried.asked:
                self._workers[number].generation = tried.generation
                self._workers[number].tell(switch=tried.generation)
            self._say(f"switched to the model {digest[:12]}")
        if self._again:
            self._again = False
            self.try_another()
