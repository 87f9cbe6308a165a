"""FastAPI, with the model called in the event loop: its documentation advises `async def` for what waits for nobody.

https://fastapi.tiangolo.com/async/: "If your application (somehow) doesn't have to communicate with anything else and
wait for it to respond, use async def". A plain `def` would hand each request to a thread, which costs more than the
model.
"""

from __future__ import annotations

from fastapi import FastAPI

from benchmarks.serving.rivals.houses import House, Houses, Predict, Price, Prices, eager, onnx_runtime, rows_of


def _app(predict: Predict) -> FastAPI:
    app = FastAPI()

    @app.post("/price")
    async def price(house: House) -> Price:
        return Price(price=float(predict(rows_of([house]))[0]))

    @app.post("/prices")
    async def prices(asked: Houses) -> Prices:
        return Prices(prices=predict(rows_of(asked.houses)).tolist())

    return app


def with_eager() -> FastAPI:
    """For `uvicorn --factory`."""
    return _app(eager())


def with_onnx_runtime() -> FastAPI:
    """For `uvicorn --factory`."""
    return _app(onnx_runtime())
