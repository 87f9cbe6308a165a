from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes import packages
from pricebench.modes.aot import MODE
from pricebench.modes.flat import Flat
from tests.modes.test_base import CLOSE, EXAMPLE, Gated, batch, in_float64
from tests.some_models import Branching


class Scaling(nn.Module):
    """A constant, an argument by keyword, and an output with parts that are no tensors."""

    def forward(self, x, factor, *, offset=None):
        return {"y": x * factor, "factor": factor, "shifted": None if offset is None else x + offset}


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """One for all tests here: a package takes a compiler ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRICEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def gated(_cache):
    if reason := MODE.missing():
        pytest.skip(reason)
    return MODE.prepare_inference(Gated().train(), EXAMPLE)


# ---- what it computes ----------------------------------------------------------------------------------------------


def test_each_shape_equals_eager_in_float64(gated):
    for rows in (4, 1, 4):
        x = batch(rows)
        torch.testing.assert_close(gated(x).double(), in_float64(Gated().eval(), x), **CLOSE)


def test_a_tensor_with_other_strides_has_the_same_output(gated):
    turned = EXAMPLE.T.contiguous().T

    assert not turned.is_contiguous()
    assert torch.equal(gated(turned), gated(EXAMPLE))


def test_outputs_carry_no_gradient_whatever_the_caller_does(gated):
    output = gated(batch(4).requires_grad_())

    assert not output.requires_grad
    with torch.inference_mode():
        assert torch.equal(gated(batch(4)), output)


def test_constants_keywords_and_trees_go_in_and_come_out():
    if reason := MODE.missing():
        pytest.skip(reason)
    infer = MODE.prepare_inference(Scaling(), (EXAMPLE, 2.0))

    output = infer(EXAMPLE, 2.0, offset=EXAMPLE)

    assert list(output) == ["y", "factor", "shifted"]
    assert torch.equal(output["y"], EXAMPLE * 2.0)
    assert torch.equal(output["shifted"], EXAMPLE * 2)
    assert output["factor"] == 2.0


def test_a_module_that_export_cannot_take_is_refused_in_one_sentence():
    with pytest.raises(ModeError, match=r"^aot cannot take Branching: .*\. Rewrite that line or use another mode\.$"):
        MODE.prepare_inference(Branching(), torch.ones(3))(torch.ones(3))


def test_it_cannot_train():
    with pytest.raises(ModeError, match="aot cannot train: it is for inference alone"):
        MODE.prepare_training(Gated(), EXAMPLE)


# ---- packages ------------------------------------------------------------------------------------------------------


def test_a_package_is_compiled_once_and_found_again(gated):
    gated(EXAMPLE)
    before = packages.num_compiled()

    again = MODE.prepare_inference(Gated(), EXAMPLE)(EXAMPLE)

    assert torch.equal(again, gated(EXAMPLE))
    assert packages.num_compiled() == before


def key(module, x, *, own_kernels=False):
    return packages.key_of(packages.exported(Flat(module.eval(), Inputs.of(x))), own_kernels=own_kernels)


def test_whatever_decides_what_is_compiled_is_in_the_key():
    module, other = Gated(), Gated()
    with torch.no_grad():
        other.scale[0] = torch.nextafter(other.scale[0], torch.tensor(9.0))
    known = key(module, EXAMPLE)

    assert key(copy.deepcopy(module), EXAMPLE.clone()) == known
    assert key(other, EXAMPLE) != known
    assert key(module, batch(5)) != known
    assert key(module, EXAMPLE, own_kernels=True) != known
    assert key(module.double(), EXAMPLE.double()) != known


def test_the_number_of_threads_is_in_the_key():
    known = key(Gated(), EXAMPLE)
    torch.set_num_threads(2)
    try:
        assert key(Gated(), EXAMPLE) != known
    finally:
        torch.set_num_threads(1)


def test_what_it_made_is_cpp(gated):
    gated(EXAMPLE)

    source = MODE.show(Gated(), EXAMPLE)

    assert "#include" in source
    assert "tanh" in source
