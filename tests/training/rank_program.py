"""What each rank does in the tests of ranks: `torchrun rank_program.py WHAT FOLDER`; answers in `<rank>.json`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from pricebench.data import make_houses
from pricebench.errors import PricebenchError
from pricebench.model import MLP, model_digest
from pricebench.modes import MODES
from pricebench.tensorfile import save_record
from pricebench.training import Ranks, TrainingConfig, TrainStep, joined, train

SHORT = TrainingConfig(steps=60, batch_rows=256, evaluate_every=5)
# 720 training rows: two full batches and one of 208; the last epoch's shares differ where there are three ranks.
WITH_RESIDUAL = TrainingConfig(epochs=3, batch_rows=256, drop_last=False, matmul="torch")


def houses():
    return make_houses(1_000)


def batch(num_rows):
    """Rows for which no unit is so near to zero that float32 could see another sign than float64."""
    generator = torch.Generator().manual_seed(num_rows)
    x, z = torch.randn(2 * num_rows, 5, generator=generator), torch.randn(num_rows, 1, generator=generator)
    model = MLP(seed=3).double()
    with torch.no_grad():
        first = model.hidden1(x.double())
        second = model.hidden2(first.relu())
    is_clear = (torch.cat([first, second], dim=1).abs() > 1e-5).all(dim=1)
    return x[is_clear][:num_rows].clone(), z


def gradients_of_one_step(num_rows, ranks, mode="eager"):
    """Of the whole batch's mean loss, after a step of all ranks on their shares."""
    model = MLP(seed=3)
    x, z = batch(num_rows)
    own = ranks.share_of(num_rows)
    chosen = next(known for known in MODES if known.name == mode)
    step = TrainStep(ranks.synchronized(model, chosen.prepare_training(model, x[own])), model, learning_rate=1e-12)
    step(x[own], z[own], weight=ranks.weight_of(len(x[own]), num_rows))
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def failure_on_the_last_rank(ranks):
    def fail_there():
        if ranks.rank == ranks.num - 1:
            raise PricebenchError("the disk of this rank is gone.")

    return said(lambda: ranks.together(fail_there))


def other_data(ranks):
    return said(lambda: train(make_houses(1_000 + ranks.rank), SHORT, ranks=ranks))


def other_options(ranks):
    return said(lambda: train(houses(), TrainingConfig(steps=60, seed=ranks.rank), ranks=ranks))


def said(work):
    try:
        work()
    except PricebenchError as error:
        return str(error)
    return ""


def everything(ranks: Ranks, folder: Path):
    gradients = {f"{name} rows": gradients_of_one_step(rows, ranks) for name, rows in ROWS.items()}
    gradients |= {mode.name: gradients_of_one_step(256, ranks, mode.name) for mode in MODES if not mode.missing()}
    if ranks.is_leader:
        save_record(folder / "gradients.pt", "gradients", 1, gradients)
    trained = [train(houses(), SHORT, ranks=ranks) for _ in range(2)]
    interrupted = train(
        houses(),
        SHORT,
        checkpoint=folder / "checkpoint.pt",
        # On the last rank alone: the others hear of it.
        should_stop=lambda: ranks.rank == ranks.num - 1,
        ranks=ranks,
    )
    resumed = train(houses(), SHORT, checkpoint=folder / "checkpoint.pt", resume=True, ranks=ranks)
    residual = train(houses(), WITH_RESIDUAL, ranks=ranks)
    return {
        "digests": [model_digest(each.artifacts.model) for each in trained],
        "interrupted_after": interrupted.metrics["steps"],
        "resumed": model_digest(resumed.artifacts.model),
        "prices": first_prices(trained[0]),
        "prices_with_residual": first_prices(residual),
        "metrics": trained[0].metrics,
        "failure": failure_on_the_last_rank(ranks),
        "other_data": other_data(ranks),
        "other_options": other_options(ranks),
    }


# A share each; a row more on some; one row, so that the others have none.
ROWS = {"even": 256, "uneven": 257, "single": 1}


def first_prices(trained):
    stats, model = trained.artifacts.stats, trained.artifacts.model
    with torch.no_grad():
        z_N1 = model(stats.features.normalize(torch.from_numpy(houses().features_NF[:100])))
    return stats.price.denormalize(z_N1)[:, 0].tolist()


def crash(ranks: Ranks, folder: Path):
    """The last rank is killed in the middle of an epoch, after a checkpoint."""
    has_crashed = os.environ["TORCHELASTIC_RESTART_COUNT"] == "1"

    def kill(*, step, num_steps, best_r2):  # noqa: ARG001
        if step == 107 and ranks.rank == ranks.num - 1 and not has_crashed:
            os.kill(os.getpid(), signal.SIGKILL)

    config = TrainingConfig(steps=120, batch_rows=256, evaluate_every=5)
    trained = train(houses(), config, checkpoint=folder / "checkpoint.pt", progress=kill, ranks=ranks)
    undisturbed = train(houses(), config, ranks=ranks)
    return {
        "digest": model_digest(trained.artifacts.model),
        "undisturbed": model_digest(undisturbed.artifacts.model),
        "restarted": has_crashed,
        "steps": trained.metrics["steps"],
        "has_checkpoint": (folder / "checkpoint.pt").exists(),
    }


def threads():
    """Names of all of this process's, C++'s included."""
    return [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]


if __name__ == "__main__":
    what, where = {"everything": everything, "crash": crash}[sys.argv[1]], Path(sys.argv[2])
    torch.set_num_threads(1)
    with joined() as here:
        answers = what(here, where)
    (where / f"{here.rank}.json").write_text(json.dumps(answers | {"threads": threads()}))
