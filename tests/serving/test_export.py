from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pricebench.data import make_houses
from pricebench.errors import ModeError
from pricebench.serving import Predictor, export
from tests.serving import untrained_artifacts

PROGRAM = Path(__file__).parent / "price_houses.cpp"
COMPILER = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
THREE_HOUSES = make_houses(3, seed=5).features_NF


@pytest.fixture(scope="module")
def artifacts():
    return untrained_artifacts()


@pytest.fixture(scope="module")
def exported(artifacts, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "houses.torchscript"
    export(artifacts, path, mode="torchscript")
    return path


@pytest.mark.skipif(not COMPILER or shutil.which(COMPILER[0]) is None, reason="needs a C++ compiler: no g++ or $CXX")
def test_a_cpp_program_without_python_prices_three_houses(artifacts, exported, tmp_path):
    build(PROGRAM, tmp_path / "price_houses")
    houses = "\n".join(" ".join(map(repr, row)) for row in THREE_HOUSES.tolist())

    priced = subprocess.run(
        [tmp_path / "price_houses", exported], input=houses, capture_output=True, text=True, check=True
    )

    # The same operators on the same numbers: they may differ by a rounding of float32 and by half a cent of printing.
    expected_N = Predictor(artifacts).predict(THREE_HOUSES)
    np.testing.assert_allclose([float(line) for line in priced.stdout.split()], expected_N, rtol=2.0**-23, atol=0.005)
    assert priced.stderr == ""


def build(source, program, *more):
    """Compile against the libtorch inside the installed wheel, and what else is given."""
    torch_folder = Path(torch.__file__).parent
    libraries = torch_folder / "lib"
    command = [
        *COMPILER,
        "-std=c++20",
        "-O0",  # compiling takes 8 s, running no time
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        f"-I{torch_folder / 'include'}",
        str(source),
        f"-L{libraries}",
        *more,
        "-ltorch_cpu",
        "-lc10",
        f"-Wl,-rpath,{libraries}",
        "-o",
        str(program),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def test_the_exported_file_loads_where_pricebench_was_never_imported(artifacts, exported, tmp_path):
    np.save(tmp_path / "houses.npy", THREE_HOUSES)

    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, exported, tmp_path / "houses.npy"],
        capture_output=True,
        text=True,
        check=True,
    )

    double, single, is_imported = told.stdout.splitlines()
    expected_N = Predictor(artifacts).predict(THREE_HOUSES)
    np.testing.assert_allclose([float(price) for price in double.split()], expected_N, rtol=2.0**-23)
    # Features of float32 are themselves rounded: a dollar of a house.
    np.testing.assert_allclose([float(price) for price in single.split()], expected_N, atol=1.0)
    assert is_imported == "False"


ELSEWHERE = """
import sys
import numpy as np
import torch

pricer = torch.jit.load(sys.argv[1])
houses = torch.from_numpy(np.load(sys.argv[2]))
for x in (houses, houses.float()):
    dollars = pricer(x)
    assert dollars.shape == (3, 1) and dollars.dtype == torch.float32 and not dollars.requires_grad
    print(*dollars[:, 0].tolist())
print("pricebench" in sys.modules)
"""


def test_exporting_leaves_the_model_as_it_is(artifacts, tmp_path):
    model = untrained_artifacts().model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    export(type(artifacts)(model=model, stats=artifacts.stats), tmp_path / "file", mode="torchscript")

    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_unknown_export_mode_suggests_the_nearest_and_writes_nothing(artifacts, tmp_path):
    with pytest.raises(ModeError) as error:
        export(artifacts, tmp_path / "file", mode="torchscrip")

    assert str(error.value) == (
        "No export mode is called 'torchscrip'. Did you mean 'torchscript'? Known: torchscript, onnx, aot."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_mode_without_a_portable_file_is_refused(artifacts, tmp_path):
    with pytest.raises(ModeError, match="No export mode is called 'eager'"):
        export(artifacts, tmp_path / "file", mode="eager")
