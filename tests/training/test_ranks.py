from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pricebench.model import MLP
from pricebench.modes import MODES
from pricebench.tensorfile import load_record
from pricebench.training import EpochFeed, Ranks, train
from tests.training.rank_program import ROWS, SHORT, WITH_RESIDUAL, batch, first_prices, gradients_of_one_step, houses

ROOT = Path(__file__).parents[2]
NUM_RANKS = (2, 3)


def torchrun(*words: str, ranks: int, restarts: int = 0, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(ranks), "--max-restarts", str(restarts), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)  # noqa: PLW1510


def answers(folder: Path, what: str, *, ranks: int, restarts: int = 0):
    ended = torchrun("tests/training/rank_program.py", what, str(folder), ranks=ranks, restarts=restarts)
    assert ended.returncode == 0, ended.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module", params=NUM_RANKS)
def trained_together(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    return request.param, answers(folder, "everything", ranks=request.param), folder


@given(st.integers(0, 5_000), st.integers(1, 600))
def test_the_shares_of_a_batch_are_all_of_it_and_differ_by_a_row_at_most(num_rows, num):
    rows = np.arange(num_rows)

    shares = [rows[Ranks(rank=rank, num=num).share_of(num_rows)] for rank in range(num)]

    assert np.concatenate(shares).tolist() == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 300), st.integers(1, 64), st.integers(1, 9), st.booleans(), st.integers(0, 99))
def test_what_all_ranks_see_of_an_epoch_is_what_one_process_sees(num_rows, batch_rows, num, drop_last, seed):
    x_N1 = torch.arange(num_rows, dtype=torch.float32)[:, None]

    def epoch(ranks):
        feed = EpochFeed(x_N1, x_N1, batch_rows=batch_rows, drop_last=drop_last, seed=seed, ranks=ranks)
        return [x_B1[:, 0].tolist() for x_B1, _ in feed.epoch()]

    together = zip(*(epoch(Ranks(rank=rank, num=num)) for rank in range(num)), strict=True)

    assert [list(chain(*shares)) for shares in together] == epoch(Ranks())


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50), st.integers(1, 9))
def test_the_mean_over_ranks_of_weighted_losses_is_the_mean_of_the_batch(losses, num):
    ranks = [Ranks(rank=rank, num=num) for rank in range(num)]

    weighted = [
        float(np.mean(share)) * rank.weight_of(len(share), len(losses))
        for rank in ranks
        if len(share := losses[rank.share_of(len(losses))])
    ]

    assert sum(weighted) / num == pytest.approx(float(np.mean(losses)), abs=1e-12)


def exact_gradients_and_bounds(num_rows, num_ranks):
    """Of one step in float64, and how far sums in float32 in any order may be off.

    A sum of n products is off by at most gamma_n = n u / (1 - n u) of the sum of their magnitudes (Higham, Accuracy and
    Stability of Numerical Algorithms, 3.1); the magnitudes are those that the same network has with absolute values.
    """
    model = MLP(seed=3).double()
    x, z = (each.double() for each in batch(num_rows))
    torch.nn.functional.mse_loss(model(x), z).backward()
    exact = {name: parameter.grad for name, parameter in model.named_parameters()}
    layers = [model.hidden1, model.hidden2, model.output]
    inputs, signs, value, magnitude = [], [], x, x.abs()
    with torch.no_grad():
        for layer in layers:
            inputs.append(magnitude)
            value = layer(value)
            magnitude = magnitude @ layer.weight.abs().T + layer.bias.abs()
            if layer is not model.output:
                assert (value.abs() > 1e-5).all()
                signs.append(value > 0)
                value, magnitude = value.relu(), magnitude * signs[-1]
        back = 2.0 * (magnitude + z.abs()) / num_rows
        bounds = {}
        for index, (name, layer) in reversed(
            list(enumerate(zip(("hidden1", "hidden2", "output"), layers, strict=True)))
        ):
            bounds[f"{name}.weight"], bounds[f"{name}.bias"] = back.T @ inputs[index], back.sum(dim=0)
            if index:
                back = back @ layer.weight.abs() * signs[index - 1]
    # The rows and ranks summed last; 5 + 256 + 256 products and 3 biases forward; 1 + 256 back; loss, weight, mean.
    n = num_rows + num_ranks + (5 + 256 + 256 + 3) + (1 + 256) + 8
    gamma = n * 2.0**-24 / (1 - n * 2.0**-24)
    return exact, {name: gamma * bound for name, bound in bounds.items()}


@pytest.mark.parametrize("name", [f"{rows} rows" for rows in ROWS] + [mode.name for mode in MODES])
def test_the_gradient_of_all_ranks_is_that_of_the_batch_within_float32_summation(trained_together, name):
    num, _, folder = trained_together
    found = load_record(folder / "gradients.pt", "gradients", 1)
    if name not in found:
        pytest.skip("this mode cannot run here")

    exact, bounds = exact_gradients_and_bounds(ROWS.get(name.removesuffix(" rows"), 256), num)

    for parameter, gradient in found[name].items():
        assert ((gradient.double() - exact[parameter]).abs() <= bounds[parameter]).all(), parameter


@pytest.mark.parametrize("rows", ROWS.values())
def test_the_gradient_of_one_process_keeps_the_same_bound(rows):
    exact, bounds = exact_gradients_and_bounds(rows, 1)

    for parameter, gradient in gradients_of_one_step(rows, Ranks()).items():
        assert ((gradient.double() - exact[parameter]).abs() <= bounds[parameter]).all(), parameter


def test_ranks_train_the_same_bits_again_and_all_of_them_the_same(trained_together):
    _, by_rank, _ = trained_together

    assert len({digest for answer in by_rank for digest in answer["digests"]}) == 1


def test_ranks_train_nearly_the_model_of_one_process(trained_together):
    _, by_rank, _ = trained_together

    # Prices are around a million dollars; two seeds differ by tens of thousands after so few steps.
    np.testing.assert_allclose(by_rank[0]["prices"], first_prices(train(houses(), SHORT)), rtol=2e-3)
    np.testing.assert_allclose(
        by_rank[0]["prices_with_residual"], first_prices(train(houses(), WITH_RESIDUAL)), rtol=1e-4
    )


def test_metrics_count_the_rows_of_all_ranks(trained_together):
    num, by_rank, _ = trained_together
    alone = train(houses(), SHORT).metrics

    metrics = by_rank[0]["metrics"]

    assert metrics["ranks"] == num
    assert metrics["threads"] == 1
    for name in ("steps", "epochs", "num_train", "data_digest", "best_step"):
        assert metrics[name] == alone[name]


def test_an_interrupt_of_one_rank_stops_all_at_one_step_and_is_resumed_to_the_bit(trained_together):
    _, by_rank, _ = trained_together

    assert {answer["interrupted_after"] for answer in by_rank} == {16}
    assert {answer["resumed"] for answer in by_rank} == set(by_rank[0]["digests"])


def test_what_fails_on_one_rank_fails_on_all_with_its_reason(trained_together):
    num, by_rank, _ = trained_together

    assert {answer["failure"] for answer in by_rank} == {f"rank {num - 1} of {num}: the disk of this rank is gone."}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads in /proc")
def test_ranks_that_have_parted_have_no_thread_of_gloo(trained_together):
    """One that is at work while Python ends aborts the process: torchrun reports a failure after a whole training."""
    _, found, _ = trained_together

    assert not [name for each in found for name in each["threads"] if "gloo" in name]


def test_ranks_with_other_data_or_options_are_refused_by_name(trained_together):
    num, by_rank, _ = trained_together

    for answer in by_rank:
        assert answer["other_data"].startswith(f"rank 1 of {num} has other data than rank 0: 1001 rows of ")
        assert answer["other_options"].startswith(f"rank 1 of {num} has other options than rank 0: ")
        assert "seed=1" in answer["other_options"]


def test_a_killed_rank_is_started_again_and_the_last_bits_are_those_of_an_undisturbed_training(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"left by an earlier training")

    by_rank = answers(tmp_path, "crash", ranks=2, restarts=1)

    assert all(answer["restarted"] for answer in by_rank)
    assert {answer["digest"] for answer in by_rank} == {by_rank[0]["undisturbed"]}
    assert {answer["steps"] for answer in by_rank} == {120}
    assert not by_rank[0]["has_checkpoint"]


def test_only_rank_0_talks_and_writes(tmp_path):
    ended = torchrun("-m", "pricebench", "train", "--epochs", "3", "--json", ranks=2, folder=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["ranks"] == 2
    assert ended.stderr.count("wrote artifacts") == 1
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {
        "model.pt",
        "training_stats.pt",
        "calibration.pt",
        "metrics.json",
    }


def test_a_rank_that_cannot_read_its_data_is_one_line(tmp_path):
    ended = torchrun("-m", "pricebench", "train", "--data", "nowhere.csv", ranks=2, folder=tmp_path)

    assert ended.returncode != 0
    assert ended.stderr.count("pricebench: ") == 1
    assert "pricebench: rank 0 of 2: nowhere.csv: expected a readable CSV or Parquet file" in ended.stderr
    assert not (tmp_path / "artifacts").exists()
