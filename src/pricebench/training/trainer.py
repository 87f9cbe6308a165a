"""A whole training: split, normalise, train, validate, keep the best, stop early, resume.

Bit for bit reproducible on one machine with one thread count and one number of ranks: every random choice comes from
the config's seeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES, Dataset, train_test_split
from pricebench.devices import CUDA, device_named
from pricebench.errors import DataError
from pricebench.matmul import chosen, multiplied_by
from pricebench.model import MLP, MLPConfig, model_digest
from pricebench.modes import mode_named
from pricebench.normalization import TrainingStats, ZScore
from pricebench.training.checkpoint import Checkpoint
from pricebench.training.config import TrainingConfig
from pricebench.training.loop import EpochFeed, TrainStep
from pricebench.training.metrics import linear_regression_score, residual_quantiles, score
from pricebench.training.ranks import ALONE, Ranks
from pricebench.units import Second

_CALIBRATION_ROWS = 2048
_CHECKPOINT_EVERY = 10  # validations; a kill loses at most these
_AGREED_EVERY = 16  # steps, after which ranks ask one another whether to stop: a tenth of a millisecond


class Progress(Protocol):
    """Told after every step."""

    def __call__(self, *, step: int, num_steps: int, best_r2: float | None) -> None:
        """`best_r2` is the best validation R² so far, None before the first validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a training leaves.

    Attributes:
        artifacts: Best weights with their statistics.
        metrics: Content of `metrics.json`.
        is_interrupted: Whether it was stopped from outside.
    """

    artifacts: Artifacts
    metrics: dict[str, Any]
    is_interrupted: bool


@dataclass(slots=True, kw_only=True)
class _State:
    """What a checkpoint holds beside weights and optimiser: where the training stands."""

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    lowest_loss: float = float("inf")
    kept_loss: float = float("inf")
    kept_step: int = 0
    stale: int = 0  # validations since the kept weights
    num_validations: int = 0
    seconds: Second = 0.0
    epoch_seconds: list[Second] = field(default_factory=list)


def train(
    dataset: Dataset,
    config: TrainingConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], Second] = time.perf_counter,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train on a data set and score on its held-out rows.

    Args:
        dataset: Houses with prices; all of them on every rank.
        config: How to train.
        checkpoint: Where to leave what `resume` needs; removed when the training ends by itself. Rank 0's alone.
        resume: Continue from `checkpoint`; the result is that of an uninterrupted training, to the bit. Ranks that were
            started again resume by themselves.
        progress: Told after every step.
        should_stop: Asked after every step, of several ranks after some; True on any ends the training with the best
            weights so far.
        clock: Seconds, for rows/s.
        ranks: Who trains together.

    Raises:
        DataError: Too few rows, or a column without spread.
        DeviceError: The device is not there.
        ModeError: The mode cannot run here.
        PricebenchError: The library that is to multiply cannot do so in float32 here; or ranks have other data or
            another configuration than rank 0, or have lost one another.
        ArtifactError: There is nothing to resume, or it belongs to another training.
    """
    trainer = ranks.together(lambda: _Trainer(dataset, config, checkpoint=checkpoint, clock=clock, ranks=ranks))
    return trainer.run(resume=resume, progress=progress, should_stop=should_stop)


def rows_to_calibrate_on(training_rows: Dataset) -> Tensor:
    """Features of some rows, `(N, F)` float64. The split has shuffled them: the first ones are any."""
    return torch.from_numpy(training_rows.features_NF[:_CALIBRATION_ROWS].copy())


class _Trainer:
    def __init__(
        self,
        dataset: Dataset,
        config: TrainingConfig,
        *,
        checkpoint: Path | None,
        clock: Callable[[], Second],
        ranks: Ranks,
    ) -> None:
        self._config = config
        self._ranks = ranks
        self._clock = clock
        self._device = device_named(config.device)
        self._matmul = chosen(config.matmul, config.device)
        self._dataset = dataset
        self._data_digest = dataset.digest()
        self._checkpoint = Checkpoint(checkpoint, {"config": asdict(config), "data_digest": self._data_digest}, ranks)
        if dataset.num_rows < config.fewest_rows:
            raise DataError(
                f"{dataset.name}: cannot be trained on: expected at least {config.fewest_rows} rows, so that two are "
                f"left to validate on and two to test on, found {dataset.num_rows}. Give more rows."
            )
        try:
            kept, self._test = train_test_split(dataset, test_size=config.test_size, seed=config.split_seed)
            self._train, validation = train_test_split(kept, test_size=config.validation_size, seed=config.seed)
            self._features = ZScore.fit(self._train.features_NF, FEATURES)
            self._price = ZScore.fit(self._train.price_N[:, None], ("price",))
        except ValueError as error:
            raise DataError(f"{dataset.name}: cannot be trained on: {error}") from error

        x_NF, z_N1 = self._normalized(self._train)
        self._validation = self._normalized(validation)
        self._validation_variance = float(self._validation[1].var(correction=0))
        self._lowest_error_N = torch.full((validation.num_rows,), float("inf"), dtype=torch.float64)
        self._model = MLP(MLPConfig(num_features=len(FEATURES)), seed=config.seed).to(self._device)
        self._averaged = AveragedModel(self._model, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay))  # type: ignore[no-untyped-call]
        self._kept = self._weights()
        self._feed = EpochFeed(
            x_NF, z_N1, batch_rows=config.batch_rows, drop_last=config.drop_last, seed=config.seed, ranks=ranks
        )
        share = ranks.share_of(self._feed.batch_rows)
        self._example = x_NF[share], z_N1[share]
        self._forward = mode_named(config.mode).prepare_training(self._model, self._example[0])
        per_epoch = self._feed.steps_per_epoch
        self._num_epochs = config.epochs or -(-config.steps // per_epoch)
        self._num_steps = self._num_epochs * per_epoch
        self._epochs_per_validation = -(-config.evaluate_every // per_epoch)
        self._state = _State()

    def _normalized(self, dataset: Dataset) -> tuple[Tensor, Tensor]:
        """Features and prices on the device, once: no step copies any."""
        return (
            self._features.normalize(torch.from_numpy(dataset.features_NF)).contiguous().to(self._device),
            self._price.normalize(torch.from_numpy(dataset.price_N[:, None])).to(self._device),
        )

    def run(self, *, resume: bool, progress: Progress | None, should_stop: Callable[[], bool]) -> TrainingResult:
        ranks = self._ranks
        ranks.require_same("data", f"{self._dataset.num_rows} rows of {self._dataset.name}, digest {self._data_digest}")
        ranks.require_same("options", f"{self._config}, matmul {self._matmul}, torch {torch.__version__}")
        self._take_step = TrainStep(ranks.synchronized(self._model, self._forward), self._model, matmul=self._matmul)
        if ranks.num > 1:
            # The first pass decides how gradients lie in the sum, and the bits of three ranks' sums depend on it.
            self._take_step.rehearse(*self._example)
        if resume or self._checkpoint.is_of_this_run():
            self._restore()
        state = self._state
        is_interrupted = False
        with multiplied_by(self._matmul):
            while state.epoch < self._num_epochs and state.stale < self._config.patience and not is_interrupted:
                is_interrupted = self._run_epoch(progress, should_stop)
                if not is_interrupted and state.epoch % self._epochs_per_validation == 0:
                    self._validate()
                    if state.num_validations % _CHECKPOINT_EVERY == 0:
                        self._save_checkpoint()
        if is_interrupted:
            self._save_checkpoint()
        # The last epochs, or an interrupt before the first validation.
        if state.kept_step < state.step and state.stale < self._config.patience:
            self._validate()
        if not np.isfinite(state.kept_loss):
            raise DataError(
                f"{self._dataset.name}: training diverged, the loss is not finite. Lower the learning rate "
                f"(now {self._config.learning_rate:g}) or look for absurd values."
            )
        if not is_interrupted:
            self._checkpoint.remove()
        return self._result(is_interrupted=is_interrupted)

    def _run_epoch(self, progress: Progress | None, should_stop: Callable[[], bool]) -> bool:
        """Run the rest of the current epoch; True if it was interrupted."""
        state = self._state
        started = self._clock()
        epoch_state = self._feed.generator.get_state()
        for x_BF, z_B1 in self._feed.epoch(skip=state.step_in_epoch):
            progress_now = (state.step + 1) / self._num_steps
            self._take_step.set_rates(
                learning_rate=self._config.learning_rate_at(progress_now),
                weight_decay=self._config.prior_at(progress_now) / self._train.num_rows,
            )
            weight = self._ranks.weight_of(len(x_BF), self._feed.rows_of(state.step_in_epoch))
            self._take_step(x_BF, z_B1, weight=weight)
            self._averaged.update_parameters(self._model)
            state.step += 1
            state.step_in_epoch += 1
            if progress:
                progress(step=state.step, num_steps=self._num_steps, best_r2=self._best_r2())
            if self._is_to_stop(should_stop):
                # Rewound: a resumed epoch draws the same shuffle and skips what is done.
                self._feed.generator.set_state(epoch_state)
                state.seconds += self._clock() - started
                return True
        state.epoch += 1
        state.step_in_epoch = 0
        if self._device.type == CUDA:
            torch.cuda.synchronize(self._device)
        elapsed = self._clock() - started
        state.seconds += elapsed
        state.epoch_seconds.append(elapsed)
        return False

    def _is_to_stop(self, should_stop: Callable[[], bool]) -> bool:
        """Ranks that stopped at two steps would wait for each other; asking at every step costs each of them one."""
        if self._ranks.num == 1:
            return should_stop()
        return self._state.step % _AGREED_EVERY == 0 and self._ranks.any(should_stop())

    def _validate(self) -> None:
        """Keep these weights, unless validation can tell that they are worse than the best seen.

        Later weights have seen more of the schedule. A few hundred validation rows order two good models by luck, so
        the earlier ones win only if their squared errors are smaller by two standard errors of the paired difference.
        """
        x_NF, z_N1 = self._validation
        state = self._state
        with torch.no_grad():
            error_N = (self._averaged.module(x_NF) - z_N1).double().square()[:, 0].contiguous().cpu()
        # Two kinds of CPU round differently, and ranks must not decide differently.
        error_N = self._ranks.of_leader(error_N)
        loss = float(error_N.mean())
        state.num_validations += 1
        if loss < state.lowest_loss:
            state.lowest_loss = loss
            self._lowest_error_N = error_N
        excess_N = error_N - self._lowest_error_N
        if float(excess_N.mean()) <= 2.0 * float(excess_N.std()) / len(excess_N) ** 0.5:
            state.kept_loss, state.kept_step, state.stale = loss, state.step, 0
            self._kept = self._weights()
        else:
            state.stale += 1

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._averaged.module.state_dict().items()}

    def _best_r2(self) -> float | None:
        if not np.isfinite(self._state.kept_loss):
            return None
        return 1.0 - self._state.kept_loss / self._validation_variance

    # ---- checkpoint ------------------------------------------------------------------------------------------------

    def _save_checkpoint(self) -> None:
        self._checkpoint.save(
            {
                "state": asdict(self._state),
                "model": self._model.state_dict(),
                "averaged": self._averaged.state_dict(),
                "kept": self._kept,
                "lowest_error": self._lowest_error_N,
                "optimizer": self._take_step.optimizer.state_dict(),
                "generator": self._feed.generator.get_state(),
            }
        )

    def _restore(self) -> None:
        record = self._checkpoint.load()
        self._ranks.together(lambda: self._restore_from(record))

    def _restore_from(self, record: dict[str, Any]) -> None:
        try:
            self._model.load_state_dict(record["model"])
            self._averaged.load_state_dict(record["averaged"])
            self._take_step.optimizer.load_state_dict(record["optimizer"])
            self._feed.generator.set_state(record["generator"])
            self._kept = record["kept"]
            self._lowest_error_N = record["lowest_error"]
            self._state = _State(**record["state"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise self._checkpoint.lacks_parts() from error

    # ---- result ----------------------------------------------------------------------------------------------------

    def _result(self, *, is_interrupted: bool) -> TrainingResult:
        state, config = self._state, self._config
        model = MLP(self._model.config)
        model.load_state_dict(self._kept)
        model.eval()
        stats = TrainingStats(
            feature_names=FEATURES,
            features=self._features,
            price=self._price,
            num_rows=self._train.num_rows,
            data_digest=self._data_digest,
            model_digest=model_digest(model),
        )
        with torch.inference_mode():
            x_NF = self._normalized(self._test)[0].cpu()
            predicted = self._price.denormalize(model(x_NF)).double().numpy()[:, 0]
        own = score(self._test.price_N, predicted)
        linear = linear_regression_score(self._train_and_validation(), self._test)
        is_early = state.epoch < self._num_epochs
        metrics = {
            **asdict(own),
            **{f"linear_{name}": value for name, value in asdict(linear).items()},
            "residual_quantiles": residual_quantiles(self._test.price_N, predicted),
            "model_digest": stats.model_digest,
            "data": self._dataset.name,
            "data_digest": self._data_digest,
            "num_dropped": self._dataset.num_dropped,
            "num_train": self._train.num_rows,
            "num_validation": len(self._validation[0]),
            "num_test": self._test.num_rows,
            "stopped": "interrupted" if is_interrupted else "early" if is_early else "finished",
            "epochs": state.epoch,
            "steps": state.step,
            "best_step": state.kept_step,
            "seconds": state.seconds,
            "first_epoch_seconds": state.epoch_seconds[0] if state.epoch_seconds else None,
            "later_epoch_seconds": median(state.epoch_seconds[1:]) if len(state.epoch_seconds) > 1 else None,
            "rows_per_second": self._rows_trained() / state.seconds if state.seconds > 0 else None,
            "ranks": self._ranks.num,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "device": self._device.type,
            "matmul": self._matmul,
            "config": asdict(config),
        }
        return TrainingResult(
            artifacts=Artifacts(model=model, stats=stats, calibration=rows_to_calibrate_on(self._train)),
            metrics=metrics,
            is_interrupted=is_interrupted,
        )

    def _train_and_validation(self) -> Dataset:
        """The linear baseline has nothing to choose, so it may fit on the validation rows too."""
        kept, _ = train_test_split(self._dataset, test_size=self._config.test_size, seed=self._config.split_seed)
        return kept

    def _rows_trained(self) -> int:
        return self._state.epoch * self._feed.rows_per_epoch + self._state.step_in_epoch * self._feed.batch_rows
