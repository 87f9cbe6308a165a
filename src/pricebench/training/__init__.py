"""Training: Adam, MSE, batches of 2048, weights averaged, the best kept."""

from pricebench.training.config import TrainingConfig
from pricebench.training.loop import EpochFeed, TrainStep
from pricebench.training.metrics import RESIDUAL_LEVELS, Score, linear_regression_score, residual_quantiles, score
from pricebench.training.trainer import Progress, TrainingResult, rows_to_calibrate_on, train

__all__ = [
    "RESIDUAL_LEVELS",
    "EpochFeed",
    "Progress",
    "Score",
    "TrainStep",
    "TrainingConfig",
    "TrainingResult",
    "linear_regression_score",
    "residual_quantiles",
    "rows_to_calibrate_on",
    "score",
    "train",
]
