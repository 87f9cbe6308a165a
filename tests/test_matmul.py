"""The library that multiplies: which one it is, that it is put back, and that float32 stays float32."""

from __future__ import annotations

import pytest
import torch

from pricebench.cpu import bfloat16_missing
from pricebench.errors import PricebenchError
from pricebench.matmul import CHOICES, chosen, forward_in, multiplied_by, onednn_keeps_float32, precision
from tests.devices import needs_cuda


@pytest.mark.parametrize("library", ["torch", "onednn"])
def test_what_is_set_for_the_process_is_put_back(library):
    before = torch.get_float32_matmul_precision()

    def fail():
        assert torch.get_float32_matmul_precision() == ("medium" if library == "onednn" else before)
        raise RuntimeError("a fault within")

    with pytest.raises(RuntimeError, match="a fault within"), multiplied_by(library):
        fail()

    assert torch.get_float32_matmul_precision() == before


def test_the_choice_by_itself_is_bfloat16_where_the_cpu_multiplies_in_it_and_float32_elsewhere():
    by_itself = chosen("auto")

    assert by_itself == chosen("auto")
    assert (by_itself == "bfloat16") == (bfloat16_missing() is None and torch.backends.mkldnn.is_available())
    assert by_itself in ("bfloat16", "torch", "onednn")
    assert chosen("torch") == "torch"


def test_an_unknown_library_is_refused_with_those_that_there_are():
    with pytest.raises(PricebenchError, match=r"onnedn.*Known: auto, torch, onednn, tf32, bfloat16"):
        chosen("onnedn")
    assert CHOICES == ("auto", "torch", "onednn", "tf32", "bfloat16")


@pytest.mark.parametrize(
    ("name", "device", "says"),
    [
        ("tf32", "cpu", r"TF32 is a format of CUDA devices: --matmul tf32 needs --device cuda"),
        ("onednn", "cuda", r"oneDNN multiplies on CPUs: --matmul onednn needs --device cpu"),
    ],
)
def test_a_way_to_multiply_of_another_device_is_refused(name, device, says):
    with pytest.raises(PricebenchError, match=says):
        chosen(name, device)


@needs_cuda
def test_tf32_keeps_eleven_bits_of_each_factor():
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(64, 512, generator=generator) for _ in range(2))
    exact, magnitude = x.double() @ w.double().T, x.double().abs() @ w.double().abs().T

    with multiplied_by(chosen("tf32", "cuda")):
        found = (x.cuda() @ w.T.cuda()).cpu()

    # Both factors are rounded to 11 bits: off by up to 2 ** -11 of each.
    assert 2.0**-18 < float(((found.double() - exact).abs() / magnitude).max()) < 2.0**-10


def test_bfloat16_is_chosen_or_refused_with_what_the_cpu_lacks():
    if bfloat16_missing() is None:
        assert chosen("bfloat16") == "bfloat16"
        return
    with pytest.raises(PricebenchError, match=r"bfloat16 here: this CPU has none of avx512_bf16.*Use auto\.$"):
        chosen("bfloat16")


@pytest.mark.parametrize(("library", "dtype"), [("torch", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_forward_pass_multiplies_in_what_was_chosen_and_nothing_else_does(library, dtype):
    x, w = torch.ones(2, 3), torch.ones(4, 3)

    with forward_in(library):
        within = torch.nn.functional.linear(x, w)
    after = torch.nn.functional.linear(x, w)

    assert (within.dtype, after.dtype) == (dtype, torch.float32)


def test_what_is_called_float32_is_no_bfloat16():
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(64, 512, generator=generator) for _ in range(2))
    exact, magnitude = x.double() @ w.double().T, x.double().abs() @ w.double().abs().T

    def share(found):
        return float(((found.double() - exact).abs() / magnitude).max())

    with precision("medium"):
        found = share(x @ w.T)

    # Rounding both factors to bfloat16 is off by up to 2 ** -8 of the magnitudes, float32 sums by less than 2 ** -15.
    narrow = share(x.bfloat16().float() @ w.bfloat16().float().T)
    assert narrow > 2.0**-13
    assert onednn_keeps_float32() == (found < 2.0**-15 and torch.backends.mkldnn.is_available())
