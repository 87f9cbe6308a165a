from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pricebench.errors import ArtifactError
from pricebench.model import MLP, MLPConfig, load_model, model_digest, save_model

GOLDEN = Path(__file__).parent / "golden" / "model_v1.pt"


def test_the_default_model_has_67585_parameters():
    # 5 x 256 + 256, then 256 x 256 + 256, then 256 + 1.
    assert sum(parameter.numel() for parameter in MLP().parameters()) == 1_536 + 65_792 + 257 == 67_585


def test_the_model_equals_its_formula_in_numpy():
    model = MLP(MLPConfig(num_features=3, hidden=7), seed=4).double()
    x_NF = np.random.default_rng(0).standard_normal((50, 3))
    w1, b1, w2, b2, w3, b3 = (parameter.detach().numpy() for parameter in model.parameters())

    expected_N1 = np.maximum(np.maximum(x_NF @ w1.T + b1, 0) @ w2.T + b2, 0) @ w3.T + b3

    np.testing.assert_allclose(model(torch.from_numpy(x_NF)).detach().numpy(), expected_N1, rtol=0, atol=1e-14)


def test_float32_weights_lose_no_more_than_float32_digits():
    model = MLP(seed=1)
    x_NF = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0))

    single = model(x_NF).detach().numpy()
    double = model.double()(x_NF.double()).detach().numpy()

    # Ten units in the last place of values around 1.
    np.testing.assert_allclose(single, double, rtol=0, atol=10 * 2.0**-24)


def test_one_seed_makes_one_model_and_another_seed_another():
    assert model_digest(MLP(seed=3)) == model_digest(MLP(seed=3))
    assert model_digest(MLP(seed=3)) != model_digest(MLP(seed=4))


def test_weights_ignore_the_global_random_state_and_leave_it_alone():
    torch.manual_seed(1)
    first = MLP(seed=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()

    second = MLP(seed=3)

    assert model_digest(first) == model_digest(second)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("sizes", [{"num_features": 0}, {"hidden": 0}, {"hidden": -1}])
def test_a_model_without_features_or_units_is_refused(sizes):
    with pytest.raises(ValueError, match="at least one feature and one hidden unit"):
        MLPConfig(**sizes)


def test_the_digest_changes_with_any_weight():
    model = MLP(MLPConfig(num_features=2, hidden=3))
    digests = {model_digest(model)}

    for parameter in model.parameters():
        with torch.no_grad():
            parameter.view(-1)[-1] += 1
        digests.add(model_digest(model))

    assert len(digests) == 7


@pytest.mark.parametrize("config", [MLPConfig(), MLPConfig(num_features=2, hidden=3)])
def test_a_saved_model_comes_back_to_the_bit_and_in_evaluation_mode(config, tmp_path):
    model = MLP(config, seed=9).train()
    save_model(model, tmp_path / "model.pt")

    loaded = load_model(tmp_path / "model.pt")

    assert loaded.config == config
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in model.state_dict().items())
    assert not loaded.training


def test_the_golden_model_of_version_1_stays_readable():
    model = load_model(GOLDEN)

    assert model.config == MLPConfig(num_features=5, hidden=2)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        "hidden1.weight": [[1, 0.5, 0, 0, 0], [0, 0, -2, 0, 0.25]],
        "hidden1.bias": [0, 0.5],
        "hidden2.weight": [[1, -1], [0.5, 0.5]],
        "hidden2.bias": [0.25, 0],
        "output.weight": [[1, 0.25]],
        "output.bias": [-0.125],
    }
    # Statistics on disk name their model by this digest: computed otherwise, every trained pair would be refused.
    assert model_digest(model) == "6b6654bec614b70752d222607463a7546652674faaccdc79a7f3620704eeff03"


@pytest.mark.parametrize(
    "spoiled",
    [
        {"config": None},
        {"config": {"num_features": 5}},
        {"config": {"num_features": 5, "hidden": 3}},
        {"config": {"num_features": 5, "hidden": "2"}},
        {"config": {"num_features": 5, "hidden": 0}},
        {"config": {"num_features": 5, "hidden": 2, "depth": 3}},
        {"state_dict": {}},
        {"state_dict": None},
        {"state_dict": {"hidden1.weight": torch.zeros(2, 5)}},
    ],
)
def test_a_model_with_a_wrong_part_is_refused(spoiled, tmp_path):
    record = torch.load(GOLDEN, weights_only=True)
    torch.save({**record, **spoiled}, tmp_path / "model.pt")

    with pytest.raises(ArtifactError, match=r"expected the config and weights of an MLP.*Train again") as error:
        load_model(tmp_path / "model.pt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["config", "state_dict"])
def test_a_model_that_lacks_a_part_is_refused(key, tmp_path):
    record = torch.load(GOLDEN, weights_only=True)
    del record[key]
    torch.save(record, tmp_path / "model.pt")

    with pytest.raises(ArtifactError, match="expected the config and weights of an MLP"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    model = load_model(GOLDEN)
    with torch.no_grad():
        model.output.bias[0] = value
    save_model(model, tmp_path / "model.pt")

    with pytest.raises(ArtifactError, match="expected finite weights, found NaN or infinity"):
        load_model(tmp_path / "model.pt")
