"""What `evidence.ranks` has each rank do, or one process alone: steps at several batch sizes, messages, the cliff.

python -m evidence.ranks_worker steps|messages|cliff QUESTION ANSWER     under torchrun; JSON in and out
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from pricebench.matmul import chosen, multiplied_by
from pricebench.model import MLP
from pricebench.modes import mode_named
from pricebench.training import EpochFeed, Ranks, TrainStep, joined

_FEATURES = 5
_REPEATS = 3
_MESSAGES = 30


def steps(ranks: Ranks, question: Mapping[str, Any]) -> Any:
    """Seconds per step of the training loop, by rows of the whole batch and by what is in the step."""
    return {str(rows): _steps(ranks, rows, question) for rows in question["rows"]}


def _steps(ranks: Ranks, rows: int, question: Mapping[str, Any]) -> dict[str, list[float]]:
    matmul = chosen(question["matmul"])
    model = MLP()
    x_NF, z_N1 = _houses(2 * rows)
    feed = EpochFeed(x_NF, z_N1, batch_rows=rows, drop_last=True, seed=0, ranks=ranks)
    share = ranks.share_of(rows)
    forward = ranks.synchronized(model, mode_named("eager").prepare_training(model, x_NF[share]))
    step = TrainStep(forward, model, matmul=matmul)

    def run(num_epochs: int) -> None:
        for _ in range(num_epochs):
            for x_BF, z_B1 in feed.epoch():
                step(x_BF, z_B1)

    ways: dict[str, Callable[[], AbstractContextManager[Any]]] = {"whole": nullcontext}
    if isinstance(forward, DistributedDataParallel):
        ways["without the sum"] = forward.no_sync
    told: dict[str, list[float]] = {way: [] for way in ways}
    with multiplied_by(matmul):
        run(2)
        started = time.perf_counter()
        run(1)
        own = torch.tensor(time.perf_counter() - started)
        # All ranks run as many steps.
        num_epochs = max(1, round(question["seconds"] / float(ranks.of_leader(own))))
        for _ in range(_REPEATS):
            for way, context in ways.items():
                with context():
                    _meet(ranks)
                    started = time.perf_counter()
                    run(num_epochs)
                    told[way].append((time.perf_counter() - started) / num_epochs / feed.steps_per_epoch)
    return told


def messages(ranks: Ranks, question: Mapping[str, Any]) -> Any:
    """Seconds of a sum over all ranks, by bytes."""
    told = {}
    for num_bytes in question["bytes"]:
        values = torch.zeros(max(1, num_bytes // 4))
        seconds = []
        for _ in range(_MESSAGES):
            _meet(ranks)
            started = time.perf_counter()
            dist.all_reduce(values)
            seconds.append(time.perf_counter() - started)
        told[str(num_bytes)] = median(seconds)
    return told


def cliff(ranks: Ranks, question: Mapping[str, Any]) -> Any:
    """Seconds of every step in the mode `compile`, on every rank, full and residual batches in the order given."""
    arm, full = question["arm"], question["rows"]
    model = MLP()
    x_NF, z_N1 = _houses(full)
    share = ranks.share_of(full)
    forward = ranks.synchronized(model, mode_named("compile").prepare_training(model, x_NF[share]))
    step = TrainStep(_padded_to(forward, share) if arm == "padded" else forward, model)
    seconds = []
    for num_rows in question["batches"]:
        own = _share_in(arm, ranks, num_rows, full)
        if own is None:
            continue
        started = time.perf_counter()
        step(x_NF[own], z_N1[own], weight=ranks.weight_of(own.stop - own.start, num_rows))
        seconds.append(time.perf_counter() - started)
    return {"seconds": ranks.told(json.dumps([float(f"{each:.4g}") for each in seconds]))}


def _share_in(arm: str, ranks: Ranks, num_rows: int, full: int) -> slice | None:
    """What of a batch is this rank's; None where nobody has any of it."""
    share = ranks.share_of(full)
    if num_rows == full:
        return share
    if arm == "drop_last":
        return None
    if arm == "on one rank":
        # As a sampler that hands out whole batches does: all have a full one, the last what is left.
        return slice(share.start, min(share.stop, num_rows))
    return ranks.share_of(num_rows)


def _padded_to(forward: Callable[[Tensor], Tensor], share: slice) -> Callable[[Tensor], Tensor]:
    size = share.stop - share.start
    return lambda x: forward(nn.functional.pad(x, (0, 0, 0, size - len(x))))[: len(x)]


def _houses(num_rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_rows, _FEATURES, generator=generator), torch.randn(num_rows, 1, generator=generator)


def _meet(ranks: Ranks) -> None:
    if ranks.num > 1:
        dist.barrier()


def main() -> None:
    """Answer one question."""
    what, question, answer = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(question["threads"])
    with joined() as ranks:
        told = {"steps": steps, "messages": messages, "cliff": cliff}[what](ranks, question)
        if ranks.is_leader:
            answer.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
