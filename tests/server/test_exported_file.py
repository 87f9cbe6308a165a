"""A server that runs a file of `export`."""

from __future__ import annotations

import signal

import numpy as np

from pricebench.serving import export
from tests.devices import without_cuda
from tests.server import HOUSE, save_artifacts, served
from tests.serving import exact_dollars, untrained_artifacts


def price_of_float64(seed):
    dollars_N, _ = exact_dollars(untrained_artifacts(seed=seed), np.array([list(HOUSE.values())], dtype=float))
    return dollars_N[0]


def test_a_server_runs_the_file_and_takes_a_new_one_with_the_model_that_it_is_of(tmp_path):
    folder, file = tmp_path / "artifacts", tmp_path / "model.ts"
    save_artifacts(folder)
    export(untrained_artifacts(), file, mode="torchscript")

    with served(folder, "--exported", file) as server:
        assert abs(server.price(HOUSE).body["price"] - price_of_float64(3)) < 1
        assert any('mode="torchscript"' in name for name in server.metrics())

        new = save_artifacts(folder, seed=4)
        server.process.send_signal(signal.SIGHUP)
        refused = server.heard(r"the new model is refused, the old one goes on: (.*)")[1]
        assert refused.startswith(f"{file}: expected a file for this model and this machine, found one of the model ")
        assert abs(server.price(HOUSE).body["price"] - price_of_float64(3)) < 1

        export(untrained_artifacts(seed=4), file, mode="torchscript")
        server.process.send_signal(signal.SIGHUP)
        server.heard(rf"switched to the model {new[:12]}")
        assert abs(server.price(HOUSE).body["price"] - price_of_float64(4)) < 1


@without_cuda
def test_a_device_that_is_not_there_is_one_sentence_and_exit_code_2(tmp_path):
    save_artifacts(tmp_path)

    with served(tmp_path, "--device", "cuda", wait=False) as server:
        server.heard(r"^pricebench: --device cuda: torch finds no CUDA device here\.")
        server.heard(r"\(the end\)")
        assert server.process.wait(timeout=10) == 2
