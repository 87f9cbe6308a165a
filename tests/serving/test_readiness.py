from __future__ import annotations

import numpy as np
import pytest

from pricebench.data import make_houses
from pricebench.errors import ArtifactError, ModeError
from pricebench.modes import MODES
from pricebench.serving import FAMILIAR_SD, Predictor
from pricebench.serving.readiness import NotReadyError, check, example_houses, load_ready
from tests.server import save_artifacts
from tests.serving import untrained_artifacts


@pytest.fixture
def folder(tmp_path):
    save_artifacts(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_mode_becomes_ready_with_the_sizes_it_wants(folder, mode):
    if reason := mode.missing():
        pytest.skip(reason)

    ready = load_ready(folder, mode=mode.name)

    assert ready.digest == untrained_artifacts().stats.model_digest
    assert set(mode.sizes) <= set(ready.sizes)
    assert {1, 2048} <= set(ready.sizes)


def test_a_model_that_prices_a_size_wrongly_is_not_ready():
    artifacts = untrained_artifacts()

    class Wrong(Predictor):
        def predict(self, features):
            return super().predict(features) + (1_000.0 if len(features) == 64 else 0.0)

    check(Wrong(artifacts), artifacts, [1, 8, 2048])
    with pytest.raises(NotReadyError, match=r"expected the prices of float64 for a batch of 64, found some .* off by"):
        check(Wrong(artifacts), artifacts, [1, 8, 64, 2048])


def test_a_model_that_gives_no_numbers_is_not_ready():
    artifacts = untrained_artifacts()

    class Nothing(Predictor):
        def predict(self, features):
            return np.full(len(features), np.nan)

    with pytest.raises(NotReadyError):
        check(Nothing(artifacts), artifacts, [1])


def test_another_models_prices_are_not_ready():
    with pytest.raises(NotReadyError):
        check(Predictor(untrained_artifacts(seed=4)), untrained_artifacts(), [8])


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(ArtifactError, match=r"model\.pt"):
        load_ready(tmp_path, mode="eager")


def test_an_unknown_mode_is_said(folder):
    with pytest.raises(ModeError, match="Did you mean 'eager'"):
        load_ready(folder, mode="egaer")


def test_example_houses_could_exist(folder):
    ready = load_ready(folder, mode="eager")

    for num_rows in (1, 7, 2048):
        x_NF = example_houses(ready.predictor, num_rows)

        assert x_NF.shape == (num_rows, 5)
        assert (x_NF > 0).all()
        assert np.array_equal(x_NF, example_houses(ready.predictor, num_rows))


def test_no_unfamiliar_house_seems_familiar(folder):
    ready = load_ready(folder, mode="eager")
    stats = ready.predictor.stats.features
    edge_F = stats.mean.numpy() + FAMILIAR_SD * stats.std.numpy()
    middle_F = stats.mean.numpy()

    for feature in range(5):
        for step in (1 - 1e-6, 1.0, 1 + 1e-15, 1 + 1e-12, 1 + 1e-6):
            house_F = middle_F.copy()
            house_F[feature] = edge_F[feature] * step
            if ready.predictor.warnings_for(house_F):
                assert ready.seems_unfamiliar(house_F.tolist())
    assert not any(ready.seems_unfamiliar(house) for house in make_houses(20, seed=1).features_NF[:, :].tolist()[:1])
