from __future__ import annotations

import asyncio

import pytest
import torch

from pricebench.errors import ArtifactError
from pricebench.modes.compile import MODE as COMPILE
from pricebench.modes.compile import forget
from pricebench.serving.reloading import Models
from tests.server import HOUSE, save_artifacts

HOUSE_1F = [list(HOUSE.values())]


@pytest.fixture
def two_folders(tmp_path):
    return [(tmp_path / name, save_artifacts(tmp_path / name, seed=seed)) for name, seed in (("old", 3), ("new", 4))]


def loading(work):
    switched = []
    models = Models(mode="eager", on_switch=switched.append)
    try:
        asyncio.run(work(models))
    finally:
        models.close()
    return models, [model.digest for model in switched]


def test_a_new_model_serves_when_it_is_told_to_and_not_before(two_folders):
    (old, old_digest), (new, new_digest) = two_folders

    async def work(models):
        await models.load_beside(old)
        assert models.current is None
        models.switch()
        await models.load_beside(new)
        assert models.current.digest == old_digest
        models.switch()

    models, switched = loading(work)

    assert switched == [old_digest, new_digest]
    assert models.current.digest == new_digest


def test_a_broken_model_is_refused_and_the_old_one_goes_on(two_folders):
    (old, old_digest), (new, _) = two_folders
    (new / "training_stats.pt").write_bytes((old / "training_stats.pt").read_bytes())

    async def work(models):
        await models.load_beside(old)
        models.switch()
        with pytest.raises(ArtifactError, match="do not belong together"):
            await models.load_beside(new)

    models, switched = loading(work)

    assert switched == [old_digest]
    assert models.current.digest == old_digest


def test_a_model_that_is_dropped_never_serves(two_folders):
    (old, old_digest), (new, _) = two_folders

    async def work(models):
        await models.load_beside(old)
        models.switch()
        await models.load_beside(new)
        models.drop()
        with pytest.raises(AssertionError):
            models.switch()

    assert loading(work)[1] == [old_digest]


def test_the_loop_goes_on_while_a_model_is_loaded(two_folders):
    turns = []

    async def work(models):
        loading = asyncio.ensure_future(models.load_beside(two_folders[0][0]))
        while not loading.done():
            turns.append(1)
            await asyncio.sleep(0)

    loading(work)

    assert len(turns) > 3


def test_a_graph_that_the_old_model_compiles_while_another_is_loaded_is_counted(two_folders):
    if reason := COMPILE.missing():
        pytest.skip(reason)
    (old, _), (new, _) = two_folders
    forget()
    torch.compile(lambda x: x + 1.0, backend="eager")(torch.ones(2))
    found = []

    async def work(models):
        await models.load_beside(old)
        models.switch()
        found.append(models.num_unexpected_compilations)
        loading = asyncio.ensure_future(models.load_beside(new))
        await asyncio.sleep(0)
        torch.compile(lambda x: x + 2.0, backend="eager")(torch.ones(2))
        await loading
        found.append(models.num_unexpected_compilations)

    loading(work)
    forget()

    assert found == [0, 1]
