from __future__ import annotations

import copy
import logging
import sys
import threading
import warnings

import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes import mode_named
from pricebench.modes.onnxruntime import MODE
from tests.modes.test_base import CLOSE, EXAMPLE, Gated, batch, in_float64
from tests.some_models import Branching, Tagger


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Shifting(nn.Module):
    def forward(self, x):
        return x.add_(1)


class Decomposing(nn.Module):
    def forward(self, x):
        return torch.linalg.svd(x)[1]


class Scaling(nn.Module):
    """A constant, an argument by keyword, and an output with parts that are no tensors."""

    def forward(self, x, factor, *, offset=None):
        return {"y": x * factor, "shifted": None if offset is None else x + offset, "factor": factor}


@pytest.fixture(scope="module")
def gated():
    return MODE.prepare_inference(Gated().train(), EXAMPLE)


# ---- what it computes ----------------------------------------------------------------------------------------------


def test_any_number_of_rows_equals_eager_in_float64(gated):
    for rows in (4, 1, 64):
        x = batch(rows)
        torch.testing.assert_close(gated(x).double(), in_float64(Gated().eval(), x), **CLOSE)


def test_prepared_for_one_row_it_takes_many():
    module = nn.Linear(3, 2)
    infer = MODE.prepare_inference(module, batch(1))

    for rows in (1, 5):
        torch.testing.assert_close(infer(batch(rows)).double(), in_float64(module, batch(rows)), **CLOSE)


def test_weights_that_change_after_preparing_are_not_seen_and_the_module_is_left_as_it_is():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(p=0.9)).train()
    expected = in_float64(module[0], EXAMPLE)

    infer = MODE.prepare_inference(module, EXAMPLE)
    with torch.no_grad():
        module[0].weight += 1.0

    torch.testing.assert_close(infer(EXAMPLE).double(), expected, **CLOSE)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_inputs_by_keyword_in_any_order_and_a_mapping_as_output():
    torch.manual_seed(0)
    module = Tagger().eval()
    words, mask = torch.arange(24).reshape(3, 8) % 50, torch.ones(3, 8)
    infer = MODE.prepare_inference(module, {"words": words, "mask": mask})

    found = infer(mask=mask[:2], words=words[:2])

    expected = copy.deepcopy(module).double()(words[:2], mask[:2].double())
    assert found.keys() == expected.keys()
    for name, output in found.items():
        torch.testing.assert_close(output.double(), expected[name], **CLOSE)


def test_constants_are_the_graphs_and_other_ones_are_refused():
    infer = MODE.prepare_inference(Scaling(), Inputs(args=(EXAMPLE, 3), kwargs={"offset": EXAMPLE}))

    found = infer(EXAMPLE, 3, offset=EXAMPLE)

    assert torch.equal(found["y"], EXAMPLE * 3)
    assert torch.equal(found["shifted"], EXAMPLE * 2)
    assert found["factor"] == 3
    with pytest.raises(ModeError, match="was prepared for 3, found 4"):
        infer(EXAMPLE, 4, offset=EXAMPLE)
    with pytest.raises(ModeError, match="another structure"):
        infer(EXAMPLE, 3)


def test_an_input_may_be_any_view_and_want_a_gradient_and_no_output_carries_one(gated):
    # Strides of a transposed tensor, and the sign of a conjugate, which torch has not written yet.
    x = torch.complex(batch(6).T, batch(6).T).T.conj().imag.requires_grad_()

    output = gated(x)

    torch.testing.assert_close(output.double(), in_float64(Gated().eval(), x.detach()), **CLOSE)
    assert not output.requires_grad


def test_threads_share_a_session(gated):
    expected = gated(EXAMPLE)
    found = []

    threads = [threading.Thread(target=lambda: found.append(gated(EXAMPLE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(torch.equal(output, expected) for output in found)
    assert len(found) == 2


# ---- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "example", "reason"),
    [
        (Branching(), torch.ones(16, 4), "data-dependent"),
        (Counting(), EXAMPLE, "a call changes its inputs or buffers"),
        (Shifting(), EXAMPLE, "a call changes its inputs or buffers"),
        (Decomposing(), EXAMPLE, "linalg_svd"),
        (nn.GELU(), EXAMPLE.double(), "NOT_IMPLEMENTED"),
        (nn.Identity(), EXAMPLE.bfloat16(), r"a tensor\(bfloat16\): tensors go to it as NumPy arrays"),
        (nn.Linear(3, 2), torch.ones(4, 9), "reduction dim"),
        (nn.Linear(3, 2, device="meta"), EXAMPLE, "found a tensor on meta"),
    ],
    ids=["branching", "counting", "shifting", "svd", "float64", "bfloat16", "shape", "device"],
)
def test_what_cannot_be_exported_is_refused_in_one_line_and_nothing_else_is_said(module, example, reason, capfd):
    with pytest.raises(ModeError, match=reason) as error:
        MODE.prepare_inference(module, example)

    assert str(error.value).startswith("onnxruntime ")
    assert str(error.value).endswith("Use another mode.")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_it_cannot_train():
    module = nn.Linear(3, 2).eval()

    with pytest.raises(ModeError) as error:
        MODE.prepare_training(module, EXAMPLE)

    assert str(error.value) == (
        "onnxruntime cannot train: it is for inference alone. Train in another mode, such as eager."
    )
    assert not module.training


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_its_extra_it_says_which_package_and_how_to_get_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # Python's own way to hide a package

    with pytest.raises(ModeError) as error:
        mode_named("onnxruntime")

    assert str(error.value) == (
        f"Mode onnxruntime cannot run here: {package} is not installed. Install it: pip install 'pricebench[onnx]'."
    )


# ---- what can be read ----------------------------------------------------------------------------------------------


def test_the_graph_is_shown_without_the_numbers_of_its_weights_and_without_paths():
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh())

    code = MODE.show(module, EXAMPLE)

    assert "Tanh" in code
    assert "float[2,3]" in code
    assert f"{module[0].weight[0, 0].item():.4f}" not in code
    assert ".py" not in code
    assert module.training


def test_no_warning_and_no_log_of_the_exporter_reaches_the_user(capfd):
    logged = []
    handler = logging.Handler()
    handler.emit = logged.append
    logging.getLogger("torch.onnx").addHandler(handler)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        MODE.prepare_inference(nn.LSTM(3, 2), torch.ones(2, 4, 3))

    logging.getLogger("torch.onnx").removeHandler(handler)
    assert logged == []
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")
