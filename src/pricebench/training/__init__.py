"""Training: Adam, MSE, batches of 2048, weights averaged, the best kept."""

from pricebench.training.config import TrainingConfig
from pricebench.training.loop import EpochFeed, TrainStep
from pricebench.training.metrics import Score, linear_regression_score, score
from pricebench.training.trainer import Progress, TrainingResult, train

__all__ = [
    "EpochFeed",
    "Progress",
    "Score",
    "TrainStep",
    "TrainingConfig",
    "TrainingResult",
    "linear_regression_score",
    "score",
    "train",
]
