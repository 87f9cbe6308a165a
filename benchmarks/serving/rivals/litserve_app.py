"""LitServe with batching: what came together is priced together, for either kind of request.

https://lightning.ai/docs/litserve/features/batching: `max_batch_size` and `batch_timeout` on the API, `batch` and
`unbatch` where inputs differ in size. A timeout of a millisecond leaves four of the five that an answer may take.
"""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.rivals.houses import House, Houses, eager, rows_of


class PriceAPI(litserve.LitAPI):
    """One house or many in a request."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's
        """Load the model, in the worker."""
        self._predict = eager()

    def decode_request(self, request) -> tuple[bool, NDArray[np.float64]]:
        """Whether it is one house, and raw features; `request` is the JSON where it is not annotated."""
        if "houses" in request:
            return False, rows_of(Houses(**request).houses)
        return True, rows_of([House(**request)])

    def batch(self, inputs: list[tuple[bool, NDArray[np.float64]]]) -> Any:
        """All rows, and whose they are."""
        return [(is_one, len(rows)) for is_one, rows in inputs], np.concatenate([rows for _, rows in inputs])

    def predict(self, x: Any) -> Any:  # type: ignore[override]
        """Price all rows in one call."""
        whose, rows_NF = x
        return whose, self._predict(rows_NF)

    def unbatch(self, output: Any) -> list[tuple[bool, NDArray[np.float64]]]:
        """Give each request its prices."""
        whose, price_N = output
        ends = np.cumsum([num for _, num in whose])
        return [(is_one, price_N[end - num : end]) for (is_one, num), end in zip(whose, ends.tolist(), strict=True)]

    def encode_response(self, output: tuple[bool, NDArray[np.float64]]) -> dict[str, Any]:  # type: ignore[override]
        """As the other rivals answer."""
        is_one, price_N = output
        return {"price": float(price_N[0])} if is_one else {"prices": price_N.tolist()}


if __name__ == "__main__":
    api = PriceAPI(max_batch_size=64, batch_timeout=0.001, api_path="/price")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
