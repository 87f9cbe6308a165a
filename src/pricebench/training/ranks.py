"""The processes that train one model together, as torchrun starts them: each takes its share of every batch.

torchrun tells each process by environment variables which rank it is, and starts all of them again when one has died.
Gradients are summed by DistributedDataParallel: gloo carries tensors of the CPU, nccl those of a GPU.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch

# The defaults of its functions keep the process group that is there when it is first imported, which torch._dynamo does
# (2.15): the group would outlive its end, and with it gloo's threads, which abort a process that exits meanwhile.
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from pricebench.errors import PricebenchError
from pricebench.modes import Forward
from pricebench.units import Byte, Second

T = TypeVar("T")

# For a rank that is late: it loads its data, or compiles. One that has died is noticed at once.
_PATIENCE = timedelta(minutes=10)
_LOOK: Second = 0.01
_MOST_TOLD: Byte = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This process among those that train together; alone by default.

    Attributes:
        rank: Of this process; 0 leads: it alone writes and talks.
        num: Of all of them.
        run: What torchrun calls this run, also after it has started the ranks again; None without torchrun.
    """

    rank: int = 0
    num: int = 1
    run: str | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def share_of(self, num_rows: int) -> slice:
        """The rows of a batch that are this rank's: all ranks have as many, or one more."""
        return slice(num_rows * self.rank // self.num, num_rows * (self.rank + 1) // self.num)

    def weight_of(self, own_rows: int, num_rows: int) -> float:
        """What the mean loss of a share is multiplied with, so that the mean over ranks is that of the whole batch."""
        return own_rows * self.num / num_rows

    def synchronized(self, module: nn.Module, forward: Forward) -> Forward:
        """The same callable, after whose backward pass every rank has the mean of all gradients.

        Args:
            module: Holds the parameters that `forward` uses; rank 0's values become everybody's.
            forward: What a mode made of it.
        """
        if self.num == 1:
            return forward
        return DistributedDataParallel(_Called(module, forward), gradient_as_bucket_view=True)

    def any(self, flag: bool) -> bool:  # noqa: FBT001 - one question, one answer
        """Whether it is so on any rank."""
        if self.num == 1:
            return flag
        found = torch.tensor(float(flag))
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)

    def of_leader(self, values: Tensor) -> Tensor:
        """Rank 0's values, on every rank; the others' are overwritten."""
        if self.num > 1:
            dist.broadcast(values, 0)
        return values

    def bytes_of_leader(self, content: bytes) -> bytes:
        """What rank 0 gave, on every rank; not empty."""
        if self.num == 1:
            return content
        size = int(self.of_leader(torch.tensor(len(content))))
        own = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.is_leader else None
        return self.of_leader(torch.empty(size, dtype=torch.uint8) if own is None else own).numpy().tobytes()

    def told(self, text: str) -> list[str]:
        """What every rank says, by rank, cut to a kilobyte."""
        if self.num == 1:
            return [text]
        own = torch.zeros(_MOST_TOLD, dtype=torch.uint8)
        encoded = text.encode()[:_MOST_TOLD]
        own[: len(encoded)] = torch.frombuffer(bytearray(encoded or b"\0"), dtype=torch.uint8)[: len(encoded)]
        everybody = [torch.empty_like(own) for _ in range(self.num)]
        dist.all_gather(everybody, own)
        return [words.numpy().tobytes().rstrip(b"\0").decode(errors="ignore") for words in everybody]

    def together(self, work: Callable[[], T]) -> T:
        """Do what may fail on one rank only, and then would leave the others waiting.

        Raises:
            PricebenchError: It failed on some rank; the message is the first one's.
        """
        if self.num == 1:
            return work()
        done: list[T] = []
        failure = ""
        try:
            done.append(work())
        except (PricebenchError, OSError) as error:
            failure = str(error) or type(error).__name__
        told = self.told(failure)
        for rank, words in enumerate(told):
            if words:
                raise PricebenchError(f"rank {rank} of {self.num}: {words}")
        return done[0]

    def require_same(self, what: str, text: str) -> None:
        """Compare something that has to be equal on all ranks.

        Raises:
            PricebenchError: It is not.
        """
        told = self.told(text)
        for rank, words in enumerate(told):
            if words != told[0]:
                raise PricebenchError(
                    f"rank {rank} of {self.num} has other {what} than rank 0: {words}, expected {told[0]}. "
                    "Give every rank the same."
                )


ALONE = Ranks()


class _Called(nn.Module):
    """A callable as a module with the parameters it uses: DistributedDataParallel takes nothing else."""

    def __init__(self, module: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.module = module
        self._call = (forward,)  # in a tuple: a module would be registered, and its parameters with it, twice

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._call[0](*args, **kwargs)


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started; without it, be alone.

    Raises:
        PricebenchError: The others are not there, or one of them has ended.
    """
    run = os.environ.get("TORCHELASTIC_RUN_ID")
    if run is None:
        yield ALONE
        return
    ranks = Ranks(rank=int(os.environ["RANK"]), num=int(os.environ["WORLD_SIZE"]), run=run)
    if ranks.num == 1:
        yield ranks
        return
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # All on this machine: nobody else has to reach them.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    try:
        _join(ranks)
        yield ranks
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise PricebenchError(
                f"rank {ranks.rank} of {ranks.num} has lost the others: one has ended, or cannot be reached. "
                "What it said, and torchrun's summary, tell which and why."
            ) from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _join(ranks: Ranks) -> None:
    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    start = _agree_on_a_start(store, ranks)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore(start, store),
        rank=ranks.rank,
        world_size=ranks.num,
        timeout=_PATIENCE,
    )


def _agree_on_a_start(store: Store, ranks: Ranks) -> str:
    """A name that only the processes of this start know.

    torchrun keeps its store when it starts the ranks again (2.15, rendezvous c10d), and gloo's addresses in it are then
    those of dead processes: whoever reads one waits for ever. Its count of restarts is no name: nodes count their own.
    """
    own = uuid.uuid4().hex
    if not ranks.is_leader:
        store.set(f"arrived/{ranks.rank}", own)
        start = str(store.get(f"start/{own}"), "ascii")
        store.set(f"heard/{start}/{own}", "")
        return start
    until = time.monotonic() + _PATIENCE.total_seconds()
    missing = set(range(1, ranks.num))
    while missing:
        if time.monotonic() > until:
            raise PricebenchError(
                f"{len(missing)} of {ranks.num} ranks did not come within {_PATIENCE}, such as rank {min(missing)}. "
                "Start them, or fewer."
            )
        for rank in sorted(missing):
            if store.check([f"arrived/{rank}"]):
                # It may be what a dead process left: then nobody hears, and it is read again.
                other = str(store.get(f"arrived/{rank}"), "ascii")
                store.set(f"start/{other}", own)
                if store.check([f"heard/{own}/{other}"]):
                    missing.remove(rank)
        time.sleep(_LOOK)
    return own
