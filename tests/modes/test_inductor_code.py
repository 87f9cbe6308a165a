from __future__ import annotations

import pytest
import torch
from torch import nn

from pricebench.errors import ModeError
from pricebench.modes.compile import MODE
from pricebench.modes.inductor_code import fused_operators

needs_compiler = pytest.mark.skipif(MODE.missing() is not None, reason=str(MODE.missing()))
X = torch.zeros(64, 3)


@pytest.mark.parametrize(
    ("kernel", "operators"),
    [
        ("cpp_fused_relu_0", ("ReLU",)),
        ("cpp_fused_addmm_relu_0", ("Linear", "ReLU")),
        ("triton_poi_fused_addmm_relu_3", ("Linear", "ReLU")),
        ("triton_red_fused_sum_threshold_backward_12", ("sum", "ReLU backward")),
        ("triton_per_fused__softmax_0", ("Softmax",)),
        ("cpp_fused_native_layer_norm_relu_tanh_0", ("LayerNorm", "ReLU", "Tanh")),
        ("cpp_fused_mean_mse_loss_backward_1", ("mean", "mse_loss_backward")),
    ],
)
def test_the_operators_of_a_fusion_are_named(kernel, operators):
    assert fused_operators(kernel) == operators


@needs_compiler
def test_kernels_are_listed_in_the_order_in_which_they_run():
    code = MODE.show(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.ReLU(), nn.Linear(4, 1)), X)

    lines = [line.removeprefix("#   ") for line in code.splitlines() if "(library)" in line or "(generated)" in line]
    assert lines == [
        "extern_kernels.addmm (library): Linear",
        "cpp_fused_relu_tanh_0 (generated): ReLU + Tanh",
        "extern_kernels.addmm (library): Linear",
    ]
    assert code.startswith("# Graphs: 1; graph breaks: 0.\n")
    assert "TENSOR_MATCH: " in code
    assert "cpp_fused_relu_tanh_0 = async_compile." in code
    # Comments first: the whole is Python that can be saved and run.
    compile(code, "code", "exec")


@needs_compiler
@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="Inductor freezes into MKL, and torch has none here")
def test_frozen_weights_fuse_the_bias_of_a_linear_layer_with_its_relu():
    from torch._inductor import config  # noqa: PLC0415 - seconds, and only this test needs it

    with config.patch(freezing=True):
        code = MODE.show(nn.Sequential(nn.Linear(16, 16), nn.ReLU()), torch.zeros(64, 16))

    assert ": Linear + ReLU" in code


class Branching(nn.Module):
    def forward(self, x):
        return torch.relu(x) if x.sum() > 0 else x - 1


@needs_compiler
def test_a_graph_break_is_told_with_its_reason_and_line():
    code = MODE.show(Branching(), X)

    first, reason = code.splitlines()[:2]
    assert first == "# Graphs: 2; graph breaks: 1."
    assert "test_inductor_code.py, line " in reason
    assert "/test_inductor_code.py" not in code.partition("Kernels")[0]


@needs_compiler
def test_an_input_that_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ModeError, match=r"compile cannot show Linear on inputs of shape \(64, 3\)") as caught:
        MODE.show(nn.Linear(5, 1), X)

    assert "\n" not in str(caught.value)


@needs_compiler
def test_the_module_is_left_as_it_is():
    module = nn.Sequential(nn.Linear(3, 1)).train()

    MODE.show(module, X)

    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
