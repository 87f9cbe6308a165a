"""What is asked, the same of every server: houses like those of the training, drawn with a seed, and their prices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pricebench.agreement import default_tolerance, in_float64
from pricebench.artifacts import Artifacts
from pricebench.data import FEATURES
from pricebench.serving import Predictor
from pricebench.serving.readiness import example_houses
from pricebench.traffic.records import Traffic

_NUM = 512
_MOST_HOUSES = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bodies:
    """Bodies of requests, and the prices that are the answers.

    Attributes:
        texts: JSON of each.
        prices: Dollars in float64, `(N,)` of each.
        tolerance: How far an answer may be from them, in dollars.
    """

    texts: tuple[str, ...]
    prices: tuple[NDArray[np.float64], ...]
    tolerance: float

    def requests(self, path: str) -> list[str]:
        """HTTP, as a client sends it over a connection that is kept."""
        return [
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(text)}\r\n\r\n{text}"
            for text in self.texts
        ]

    def num_wrong(self, samples: list[tuple[int, str]]) -> int:
        """How many of some answers are not the prices of float64.

        Args:
            samples: Which body was asked, and the answer's own.
        """
        return sum(not self._is_right(self.prices[index], answer) for index, answer in samples)

    def _is_right(self, price_N: NDArray[np.float64], answer: str) -> bool:
        try:
            found_N = np.array(prices_in(json.loads(answer)), np.float64)
        except (ValueError, KeyError, TypeError):
            return False
        return found_N.shape == price_N.shape and bool(np.all(np.abs(found_N - price_N) <= self.tolerance))


def prices_in(answer: Any) -> list[float]:
    """The prices in an answer of any of the servers."""
    if isinstance(answer, list):
        return answer
    if "houses" in answer:
        return [house["price"] for house in answer["houses"]]
    return answer["prices"] if "prices" in answer else [answer["price"]]


def bodies_for(folder: Path, traffic: Traffic, *, seed: int, lists_only: bool = False) -> Bodies:
    """Draw houses and price them in float64.

    Args:
        folder: A trained model.
        traffic: What is asked.
        seed: Of the draw.
        lists_only: Whether one house is a list of one.
    """
    artifacts = Artifacts.load(folder)
    rng = np.random.default_rng(seed)
    sizes = np.ones(_NUM, int) if traffic is Traffic.ONE else rng.integers(1, _MOST_HOUSES, _NUM, endpoint=True)
    pool_NF = example_houses(Predictor(artifacts), 8192).round(2)
    texts, prices = [], []
    for size in sizes:
        x_NF = pool_NF[rng.integers(0, len(pool_NF), size)]
        houses = [dict(zip(FEATURES, row, strict=True)) for row in x_NF.tolist()]
        is_bare = traffic is Traffic.ONE and not lists_only
        texts.append(json.dumps(houses[0] if is_bare else {"houses": houses}, separators=(",", ":")))
        prices.append(_in_dollars(artifacts, x_NF))
    # Rounding to cents; what the model's float32 explains, in standard deviations; and that of dollars.
    all_N, mean, std = np.concatenate(prices), artifacts.stats.price.mean.item(), artifacts.stats.price.std.item()
    widest = max(float(np.abs(all_N - mean).max()), std)
    tolerance = 0.005 + default_tolerance(artifacts.model) * widest + float(np.finfo(np.float32).eps * all_N.max())
    return Bodies(texts=tuple(texts), prices=tuple(prices), tolerance=tolerance)


def _in_dollars(artifacts: Artifacts, x_NF: NDArray[np.float64]) -> NDArray[np.float64]:
    stats = artifacts.stats
    mean_F, std_F = stats.features.mean.numpy(), stats.features.std.numpy()
    with torch.inference_mode():
        z_N = in_float64(artifacts.model)(torch.from_numpy((x_NF - mean_F) / std_F)).numpy()[:, 0]
    return z_N * stats.price.std.item() + stats.price.mean.item()
