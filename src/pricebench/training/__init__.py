"""Training: Adam, MSE, batches of 2048, weights averaged, the best kept."""

from pricebench.training.config import TrainingConfig
from pricebench.training.loop import EpochFeed, TrainStep
from pricebench.training.metrics import RESIDUAL_LEVELS, Score, linear_regression_score, residual_quantiles, score
from pricebench.training.ranks import ALONE, Ranks, joined
from pricebench.training.trainer import Progress, TrainingResult, rows_to_calibrate_on, train

__all__ = [
    "ALONE",
    "RESIDUAL_LEVELS",
    "EpochFeed",
    "Progress",
    "Ranks",
    "Score",
    "TrainStep",
    "TrainingConfig",
    "TrainingResult",
    "joined",
    "linear_regression_score",
    "residual_quantiles",
    "rows_to_calibrate_on",
    "score",
    "train",
]
