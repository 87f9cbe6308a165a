from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pricebench.errors import ArtifactError
from pricebench.model import load_model, model_digest
from pricebench.normalization import TrainingStats
from pricebench.tensorfile import load_record, save_record

GOLDEN = Path(__file__).parent / "golden"
MODEL, STATS = GOLDEN / "model_v1.pt", GOLDEN / "training_stats_v1.pt"


def stats_values(stats):
    tensors = (stats.features.mean, stats.features.std, stats.price.mean, stats.price.std)
    return (
        stats.feature_names,
        stats.num_rows,
        stats.data_digest,
        stats.model_digest,
        *(tensor.numpy().tobytes() for tensor in tensors),
    )


@dataclass(frozen=True)
class Kind:
    """A good file, its reader, and what tells two of its contents apart."""

    good: Path
    load: Callable[[Path], Any]
    values: Callable[[Any], object]


every_kind = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Kind(MODEL, load_model, model_digest), id="model"),
        pytest.param(Kind(STATS, TrainingStats.load, stats_values), id="training_stats"),
    ],
)


class Malicious:
    """Makes a folder when it is unpickled: what a file that runs code would do, and can be seen to have done."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.mkdir, (self.marker,)


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def refusal(load, path):
    with pytest.raises(ArtifactError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- records -------------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was_written(tmp_path):
    content = {"tensor": torch.tensor([0.1, -0.0, 1e-45]), "nested": {"text": "é\n", "list": [1, 2.5, None, True]}}

    save_record(tmp_path / "file.pt", "some.kind", 3, content)
    record = load_record(tmp_path / "file.pt", "some.kind", 3)

    assert record["tensor"].numpy().tobytes() == content["tensor"].numpy().tobytes()
    assert record["nested"] == content["nested"]


def test_a_record_that_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.pt"
    save_record(path, "some.kind", 1, {"value": 1})

    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_record(path, "some.kind", 1, {"value": lambda: 2})

    assert load_record(path, "some.kind", 1)["value"] == 1
    assert list(tmp_path.iterdir()) == [path]


# ---- wrong files ---------------------------------------------------------------------------------------------------


@every_kind
def test_a_missing_file_names_the_command_that_makes_one(kind, tmp_path):
    assert "found none. Make it: pricebench train." in refusal(kind.load, tmp_path / kind.good.name)


@every_kind
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"income,house_age\n1,2\n", id="text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), id="png"),
        pytest.param(zipped("word/document.xml", b"<xml/>" * 100), id="zip"),
        pytest.param(zipped("archive/data.pkl", b"no pickle"), id="zip with a false data.pkl"),
        pytest.param(pickle.dumps({"format": "pricebench.model", "version": 1}), id="raw pickle"),
        pytest.param(saved(torch.nn.Linear(2, 2)), id="a whole module"),
    ],
)
def test_a_foreign_file_is_refused(kind, content, tmp_path):
    (tmp_path / kind.good.name).write_bytes(content)

    assert "damaged or would run code; nothing in it was run. Train again" in refusal(
        kind.load, tmp_path / kind.good.name
    )


@every_kind
@pytest.mark.parametrize("value", [torch.zeros(3), {"weight": torch.zeros(3)}, {"format": "pricebench.checkpoint"}, 7])
def test_another_torch_file_is_refused(kind, value, tmp_path):
    torch.save(value, tmp_path / kind.good.name)

    assert "found another kind" in refusal(kind.load, tmp_path / kind.good.name)


@every_kind
def test_a_torchscript_file_is_refused_without_a_notice_of_torch(kind, tmp_path):
    with zipfile.ZipFile(kind.good) as source, zipfile.ZipFile(tmp_path / kind.good.name, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, source.read(entry))
        target.writestr(f"{source.namelist()[0].split('/')[0]}/constants.pkl", pickle.dumps(()))

    assert "damaged or would run code" in refusal(kind.load, tmp_path / kind.good.name)


def test_model_and_statistics_are_not_taken_for_each_other():
    assert "expected a pricebench.training_stats file, found another kind" in refusal(TrainingStats.load, MODEL)
    assert "expected a pricebench.model file, found another kind" in refusal(load_model, STATS)


@every_kind
def test_a_directory_is_refused(kind, tmp_path):
    assert refusal(kind.load, tmp_path)


@every_kind
@pytest.mark.parametrize("version", [0, 2, None, "1", torch.zeros(3)])
def test_an_older_newer_or_absurd_version_is_refused_and_named(kind, version, tmp_path):
    record = torch.load(kind.good, weights_only=True)
    torch.save({**record, "version": version}, tmp_path / kind.good.name)

    message = refusal(kind.load, tmp_path / kind.good.name)

    assert f"version 1, found {version!r}. Train again, or use the pricebench that wrote it." in message


# ---- damaged files -------------------------------------------------------------------------------------------------


@every_kind
def test_a_file_cut_off_anywhere_is_refused(kind, tmp_path):
    content = kind.good.read_bytes()
    path = tmp_path / kind.good.name

    for size in range(len(content)):
        path.write_bytes(content[:size])
        refusal(kind.load, path)


@every_kind
def test_no_single_wrong_bit_passes_as_another_value(kind, tmp_path):
    content = kind.good.read_bytes()
    expected = kind.values(kind.load(kind.good))
    path = tmp_path / kind.good.name
    num_refused = 0

    for position in range(len(content)):
        # One bit of every byte, another one for each neighbour.
        path.write_bytes(flipped(content, {position: 1 << position % 8}))
        try:
            assert kind.values(kind.load(path)) == expected, f"bit {position % 8} of byte {position}"
        except ArtifactError:
            num_refused += 1

    # The rest is padding and what a zip file says twice or no reader needs.
    assert num_refused > len(content) // 2


@every_kind
@settings(max_examples=200)
@given(data=st.data())
def test_random_damage_is_refused_or_harmless(kind, data, tmp_path_factory):
    content = kind.good.read_bytes()
    damage = data.draw(st.dictionaries(st.integers(0, len(content) - 1), st.integers(1, 255), min_size=1, max_size=20))
    path = tmp_path_factory.mktemp("damaged") / kind.good.name
    path.write_bytes(flipped(content, damage))

    try:
        loaded = kind.load(path)
    except ArtifactError:
        return

    assert kind.values(loaded) == kind.values(kind.load(kind.good))


def flipped(content, masks):
    damaged = bytearray(content)
    for position, mask in masks.items():
        damaged[position] ^= mask
    return bytes(damaged)


# ---- malicious files -----------------------------------------------------------------------------------------------


def raw_pickle(_good, malicious):
    return pickle.dumps(malicious)


def pickle_in_a_torch_archive(_good, malicious):
    return saved(malicious)


def pickle_inside_a_good_record(good, malicious):
    return saved({**torch.load(good, weights_only=True), "version": malicious})


@every_kind
@pytest.mark.parametrize("make", [raw_pickle, pickle_in_a_torch_archive, pickle_inside_a_good_record])
def test_a_file_that_would_run_code_is_refused_and_runs_none(kind, make, tmp_path):
    marker, path = tmp_path / "it ran", tmp_path / kind.good.name
    path.write_bytes(make(kind.good, Malicious(marker)))
    # The weapon is loaded: a careless reader runs it, and complains about the rest of a raw pickle afterwards.
    with suppress(RuntimeError):
        torch.load(path, weights_only=False)
    marker.rmdir()

    message = refusal(kind.load, path)

    assert "would run code; nothing in it was run" in message
    assert not marker.exists()
