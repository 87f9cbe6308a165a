"""The server on Ray with Ray's own batches (`serve.batch`) in place of ours: a contender of `evidence.serving_ray`.

python -m evidence.serving_ray_batch --artifacts DIR --port 0
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from pricebench.scaling import deployment
from pricebench.server.settings import Settings
from pricebench.serving.batching import Priced
from pricebench.serving.readiness import ReadyModel
from pricebench.units import Second


class BatchedByRay(deployment.Prices):
    """A replica whose requests are gathered by `serve.batch`; a batch takes what is there, and waits for nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._service.price = self._price  # type: ignore[method-assign] # in place of the queue

    async def _price(self, rows_NF: NDArray[np.float64], arrived: Second) -> Priced[ReadyModel]:  # noqa: ARG002
        return await self._priced(rows_NF)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def _priced(self, requests: Sequence[NDArray[np.float64]]) -> list[Priced[ReadyModel]]:
        model = self._service.model
        price_N = model.predict(np.concatenate(requests))
        ends = np.cumsum([len(rows_NF) for rows_NF in requests])
        return [Priced(part_N, model) for part_N in np.split(price_N, ends[:-1])]


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    deployment.Prices = BatchedByRay  # type: ignore[misc] # what is deployed
    deployment.serve_until_told(
        Settings(artifacts=options.artifacts, port=options.port),
        deployment.Replicas(),
        None,
        say=lambda words: print(words, file=sys.stderr, flush=True),  # noqa: T201
    )


if __name__ == "__main__":
    # By its name, and not as the main module: replicas find the class there.
    from evidence.serving_ray_batch import main as started

    started()
