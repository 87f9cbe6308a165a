"""Files of every portable mode: what they say, who loads them, and where they are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest

from pricebench.data import make_houses
from pricebench.errors import ArtifactError, ModeError
from pricebench.modes.aot import MODE as AOT
from pricebench.serving import EXPORT_MODES, Predictor, export
from pricebench.serving.exported import Says
from tests.serving import exact_dollars, untrained_artifacts
from tests.serving.test_export import COMPILER, build

HOUSES = make_houses(70, seed=5).features_NF
SIZES = (1, 8)
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def artifacts():
    return untrained_artifacts()


@pytest.fixture(scope="module")
def files(artifacts, tmp_path_factory):
    """A file of each mode, by the mode's name; the package for two sizes, because each takes a compiler ten seconds."""
    if reason := AOT.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRICEBENCH_CACHE", str(folder / "cache"))
        for mode in EXPORT_MODES:
            export(artifacts, folder / mode, mode=mode, sizes=SIZES if mode == "aot" else None)
    return {name: folder / mode for mode, name in EXPORT_MODES.items()}


@pytest.fixture(params=EXPORT_MODES.values())
def file(request, files):
    return files[request.param]


# ---- prices --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_rows", [1, 3, 8, 70])
def test_a_file_has_the_prices_of_float64(artifacts, file, num_rows):
    exact_N, tolerance_N = exact_dollars(artifacts, HOUSES[:num_rows])

    price_N = Predictor(artifacts, exported=file).predict(HOUSES[:num_rows])

    assert (np.abs(price_N - exact_N) <= tolerance_N).all()


@pytest.mark.parametrize("mode", ["aot", "onnx"])
@pytest.mark.skipif(not COMPILER or shutil.which(COMPILER[0]) is None, reason="needs a C++ compiler: no g++ or $CXX")
def test_a_cpp_program_prices_three_houses(artifacts, files, tmp_path, mode):
    libraries = Path(openvino.__file__).parent
    (runtime,) = libraries.glob("libs/libopenvino.so.*")
    more = {
        # The package asks for libtorch by its name: it has to be there already.
        "aot": ["-Wl,--no-as-needed", "-ltorch"],
        "onnx": [f"-I{libraries / 'include'}", str(runtime), f"-Wl,-rpath,{runtime.parent}"],
    }
    build(HERE / f"price_houses_{mode}.cpp", tmp_path / "price_houses", *more[mode])
    houses = "\n".join(" ".join(map(repr, row)) for row in HOUSES[:3].tolist())

    priced = subprocess.run(
        [tmp_path / "price_houses", files[EXPORT_MODES[mode]]], input=houses, capture_output=True, text=True, check=True
    )

    exact_N, tolerance_N = exact_dollars(artifacts, HOUSES[:3])
    # Half a cent more: it prints cents.
    assert (np.abs(np.array(priced.stdout.split(), float) - exact_N) <= tolerance_N + 0.005).all()
    assert priced.stderr == ""


def test_a_package_is_loaded_where_no_compiler_is(artifacts, files, tmp_path):
    artifacts.save(tmp_path / "artifacts")
    house = {"income": 68000, "house-age": 6, "rooms": 7, "bedrooms": 4, "population": 36000}
    hidden = os.environ | {"PATH": "", "CXX": "/nowhere/g++", "PRICEBENCH_CACHE": str(tmp_path / "cache")}

    priced = subprocess.run(
        [
            *(sys.executable, "-m", "pricebench", "predict", "--json"),
            *("--artifacts", tmp_path / "artifacts", "--exported", files["aot"]),
            *(f"--{name}={value}" for name, value in house.items()),
        ],
        env=hidden,
        capture_output=True,
        text=True,
        check=True,
    )

    exact_N, tolerance_N = exact_dollars(artifacts, np.array([list(house.values())], dtype=float))
    assert abs(json.loads(priced.stdout)["price"] - exact_N[0]) <= tolerance_N[0]
    assert not (tmp_path / "cache").exists()


# ---- what a file says ----------------------------------------------------------------------------------------------


def test_a_file_says_what_it_is(artifacts, files):
    said = {name: Says.read(path) for name, path in files.items()}

    assert {name: says.mode for name, says in said.items()} == {name: name for name in files}
    assert {says.model for says in said.values()} == {artifacts.stats.model_digest}
    assert said["aot"].sizes == SIZES
    assert said["aot"].cpu
    assert not said["torchscript"].cpu


def retold(path, folder, **changes):
    """A copy of a file that says something else, and holds nothing that could be run."""
    says = json.dumps(json.loads(Says.read(path).to_json()) | changes)
    copy = folder / "copy"
    if path.name == "onnx":
        written = onnx.load(path)
        (entry,) = written.metadata_props
        entry.value = says
        copy.write_bytes(written.SerializeToString())
    else:
        with zipfile.ZipFile(copy, "w") as archive:
            archive.writestr("copy/extra/pricebench.json", says)
    return copy


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "beef" * 16}, r"of the model beefbeefbeef, not of \w{12}\. Write it again here"),
        ({"features": ["a", "b"]}, "for the features a, b"),
        ({"cpu": ["avx1024"]}, "for a CPU with avx1024, which this one lacks"),
        ({"threads": 99}, "for 99 threads, not for 1"),
        ({"mode": "future"}, "of a mode that this version does not know"),
    ],
)
def test_a_file_that_does_not_belong_here_is_refused_before_anything_of_it_runs(
    artifacts, file, tmp_path, changes, reason
):
    with pytest.raises(ArtifactError, match=f"expected a file for this model and this machine, found one {reason}"):
        Predictor(artifacts, exported=retold(file, tmp_path, **changes))


@pytest.mark.parametrize("name", ["aot", "torchscript"])
def test_code_of_another_torch_is_refused(artifacts, files, tmp_path, name):
    with pytest.raises(
        ArtifactError, match=r"of torch 2\.9\.0, not of 2\.\S+\. Write it again here: pricebench export"
    ):
        Predictor(artifacts, exported=retold(files[name], tmp_path, torch="2.9.0"))


def test_a_graph_of_another_torch_is_data_and_is_loaded(artifacts, files, tmp_path):
    path = retold(files["onnxruntime"], tmp_path, torch="2.9.0")

    assert Predictor(artifacts, exported=path).mode.name == "onnxruntime"


def test_another_mode_than_the_files_is_refused(artifacts, files):
    with pytest.raises(ArtifactError, match=r"of the mode torchscript, not of aot\. Leave --mode out"):
        Predictor(artifacts, exported=files["torchscript"], mode="aot")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04 and so on", b"no graph and no archive", b"\x08\x08" * 40],
    ids=["empty", "two-bytes", "broken-archive", "text", "protobuf"],
)
def test_what_export_did_not_write_is_refused(artifacts, tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(ArtifactError, match=r"expected a file that .*pricebench export wrote, found another"):
        Predictor(artifacts, exported=path)


@pytest.mark.parametrize(
    "says",
    ["[]", "{}", '{"format": 2}', "[" * 100_000, '{"format": 1, "sizes": ["a"]}', "x" * 100_000],
    ids=["list", "nothing", "version", "deep", "sizes", "large"],
)
def test_an_archive_that_says_something_else_is_refused(artifacts, tmp_path, says):
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("file/extra/pricebench.json", says)

    with pytest.raises(ArtifactError, match="found another"):
        Predictor(artifacts, exported=tmp_path / "file")


def test_no_file_is_refused(artifacts, tmp_path):
    with pytest.raises(ArtifactError, match=r"found none that can be read \(No such file or directory\)"):
        Predictor(artifacts, exported=tmp_path / "none")


def test_sizes_are_for_packages_alone(artifacts, tmp_path):
    with pytest.raises(ModeError, match=r"A file of onnx is for any number of rows, found sizes 1, 8\. Give none\."):
        export(artifacts, tmp_path / "file", mode="onnx", sizes=(1, 8))
