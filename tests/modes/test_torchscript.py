from __future__ import annotations

import io
import warnings

import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.inputs import Inputs
from pricebench.modes.torchscript import MODE, deprecation_is_known

EXAMPLE = torch.ones(2, 3)


class UsesALambda(nn.Module):
    def forward(self, x):
        add_one = lambda y: y + 1  # noqa: E731 - what is refused
        return add_one(x)


class CatchesErrors(nn.Module):
    def forward(self, x):
        try:
            return x + 1
        except RuntimeError:
            return x


class FormatsText(nn.Module):
    def forward(self, x):
        return x if f"{x.shape[0]:03d}" == "002" else -x


class TakesAnyKeyword(nn.Module):
    def forward(self, x, **_options):
        return x


class MixesTypes(nn.Module):
    def forward(self, x):
        return "many" if x.shape[0] > 1 else x


class CallsPython(nn.Module):
    def forward(self, x):
        return x * int(input("factor?"))


unwritten = {"nn": nn}
exec("class HasNoSource(nn.Module):\n    def forward(self, x):\n        return x", unwritten)  # noqa: S102
HasNoSource = unwritten["HasNoSource"]


@pytest.mark.parametrize(
    "module",
    [UsesALambda(), CatchesErrors(), FormatsText(), TakesAnyKeyword(), MixesTypes(), CallsPython(), HasNoSource()],
    ids=lambda module: type(module).__name__,
)
@pytest.mark.parametrize("prepare", [MODE.prepare_inference, MODE.prepare_training, MODE.show])
def test_source_that_torchscript_does_not_know_is_refused_in_one_line(module, prepare):
    with pytest.raises(ModeError) as error:
        prepare(module, EXAMPLE)

    assert str(error.value).startswith(f"torchscript cannot compile {type(module).__name__}: ")
    assert str(error.value).endswith("Rewrite that line or use another mode.")
    assert "\n" not in str(error.value)


def test_the_code_it_made_can_be_read():
    code = MODE.show(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), EXAMPLE)

    assert ".forward(input, )" in code
    # The graph that inference runs: flat, and without paths of this machine.
    assert "aten::tanh(" in code.partition("\ngraph(")[2]
    assert ".py" not in code


def test_a_saved_module_is_a_frozen_copy_and_the_module_is_left_in_training():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(p=0.9)).train()
    expected = module[0](EXAMPLE)
    file = io.BytesIO()

    MODE.portable.save(module, Inputs.of(EXAMPLE), (), file, "{}")
    file.seek(0)
    with deprecation_is_known():
        loaded = torch.jit.load(file)

    assert torch.equal(loaded(EXAMPLE), expected)
    assert list(loaded.parameters()) == []
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_only_the_notice_of_torch_jit_is_silenced():
    with deprecation_is_known():
        warnings.warn("`torch.jit.script` is deprecated.", FutureWarning, stacklevel=1)
        with pytest.warns(FutureWarning, match="something else"):
            warnings.warn("something else is deprecated", FutureWarning, stacklevel=1)
        with pytest.raises(UserWarning, match=r"torch\.jit"):
            warnings.warn("torch.jit lost a value", UserWarning, stacklevel=1)
