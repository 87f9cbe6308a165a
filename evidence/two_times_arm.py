"""An arm of `evidence.two_times`: a forked process that runs one way on every case that the way is for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pricebench.paired import answering

Case: TypeAlias = Callable[[str, Path, str], Callable[[], object]]
"""The call of a mode, with the artifacts of a folder and what multiplies in training."""

WARM_UP_CALLS = 5
FULL_ROWS = 2048


def main(arguments: Mapping[str, Any]) -> None:
    """Prepare everything, then serve the driver.

    Args:
        arguments: `mode` (with transformations behind a plus, or a library's name), `matmul` as training takes it,
            `cases`, `threads`, and the folder of the `artifacts`.
    """
    line = answering.Line.of_environment()
    import torch  # noqa: PLC0415 - imported by the parent, before the fork

    from pricebench.matmul import multiplied_by  # noqa: PLC0415

    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    mode, folder, matmul = arguments["mode"], Path(arguments["artifacts"]), arguments["matmul"]
    with multiplied_by(matmul):
        cases = {name: _CASES[name](mode, folder, matmul) for name in arguments["cases"]}
        for call in cases.values():
            for _ in range(WARM_UP_CALLS):
                call()
        answering.serve(line, {name: answering.timed(call) for name, call in cases.items()})


def _forward(mode: str, folder: Path, matmul: str) -> Callable[[], object]:  # noqa: ARG001 - the signature of a case
    """z-scores to z-score, 2048 rows."""
    import torch  # noqa: PLC0415

    from pricebench.artifacts import Artifacts  # noqa: PLC0415

    module = Artifacts.load(folder).model
    x_NF = torch.randn(FULL_ROWS, 5)
    return _prepared(mode, module, x_NF)


def _narrow(mode: str, folder: Path, matmul: str) -> Callable[[], object]:  # noqa: ARG001 - the signature of a case
    """Twenty-four layers of 16 with GELU, 2048 rows: little arithmetic, many operators."""
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    module = nn.Sequential(*(layer for _ in range(24) for layer in (nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU())))
    return _prepared(mode, module, torch.randn(FULL_ROWS, 16))


def _prepared(mode: str, module: Any, x_NF: Any) -> Callable[[], object]:
    from pricebench.modes.base import for_shape_of  # noqa: PLC0415
    from pricebench.transforms import mode_with  # noqa: PLC0415

    forward = for_shape_of(x_NF, mode_with(mode, calibration=x_NF).prepare_inference(module, x_NF))
    return lambda: forward(x_NF)


def _price(num_rows: int) -> Case:
    """Raw float64 features to dollars."""

    def case(mode: str, folder: Path, matmul: str) -> Callable[[], object]:  # noqa: ARG001 - the signature of a case
        import numpy as np  # noqa: PLC0415

        from benchmarks.rivals import RIVALS, write_onnx  # noqa: PLC0415
        from pricebench.artifacts import Artifacts  # noqa: PLC0415
        from pricebench.serving import Predictor  # noqa: PLC0415

        artifacts = Artifacts.load(folder)
        x_NF = np.random.default_rng(0).uniform(1, 9, (num_rows, 5))
        if mode in RIVALS:
            path = Path("model.onnx").absolute()
            write_onnx(artifacts, path)
            price = RIVALS[mode](path)
            return lambda: price(x_NF)
        predict = Predictor(artifacts, mode=mode).predict
        return lambda: predict(x_NF)

    return case


def _step(mode: str, folder: Path, matmul: str) -> Callable[[], object]:
    """Forward, loss, backward and fused Adam, 2048 rows."""
    import torch  # noqa: PLC0415

    from pricebench.artifacts import Artifacts  # noqa: PLC0415
    from pricebench.training import TrainStep  # noqa: PLC0415
    from pricebench.transforms import mode_with  # noqa: PLC0415

    module = copy.deepcopy(Artifacts.load(folder).model).requires_grad_()
    x_NF, z_N1 = torch.randn(FULL_ROWS, 5), torch.randn(FULL_ROWS, 1)
    step = TrainStep(mode_with(mode).prepare_training(module, x_NF), module, learning_rate=1e-5, matmul=matmul)
    return lambda: step(x_NF, z_N1)


def _epoch(mode: str, folder: Path, matmul: str) -> Callable[[], object]:
    """Ten shuffled batches of 2048 rows: the plain loop over a `DataLoader`, or ours in a mode."""
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415
    from torch.utils.data import DataLoader, TensorDataset  # noqa: PLC0415

    from pricebench.artifacts import Artifacts  # noqa: PLC0415
    from pricebench.modes import mode_named  # noqa: PLC0415
    from pricebench.training import EpochFeed, TrainStep  # noqa: PLC0415

    module = copy.deepcopy(Artifacts.load(folder).model).requires_grad_()
    x_NF, z_N1 = torch.randn(10 * FULL_ROWS, 5), torch.randn(10 * FULL_ROWS, 1)
    if mode == "eager":
        loader = DataLoader(TensorDataset(x_NF, z_N1), batch_size=FULL_ROWS, shuffle=True)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-5)

        def plain() -> None:
            for x_BF, z_B1 in loader:
                optimizer.zero_grad()
                nn.functional.mse_loss(module(x_BF), z_B1).backward()
                optimizer.step()

        return plain
    feed = EpochFeed(x_NF, z_N1, batch_rows=FULL_ROWS, drop_last=True, seed=0)
    ours = mode_named(mode.removeprefix("our ")).prepare_training(module, x_NF[:FULL_ROWS])
    step = TrainStep(ours, module, learning_rate=1e-5, matmul=matmul)

    def epoch() -> None:
        for x_BF, z_B1 in feed.epoch():
            step(x_BF, z_B1)

    return epoch


_CASES: dict[str, Case] = {
    "2048 rows": _forward,
    "24 narrow layers": _narrow,
    "1 house": _price(1),
    "2048 houses": _price(FULL_ROWS),
    "training step": _step,
    "10 batches of training": _epoch,
}
