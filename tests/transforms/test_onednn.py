"""What oneDNN says that it ran: lines of its log from several versions, and a call that is known to use it."""

from __future__ import annotations

import sys

import pytest
import torch

from pricebench.transforms.fuse_linear_relu import missing
from pricebench.transforms.onednn import Primitive, primitives, products_told, read

# As oneDNN 3 writes them; the first is a header, the second a primitive that was created and not run.
F32, U8, S8 = "f32:a:blocked:ab::f0", "u8::blocked:ab::f0", "s8:a:blocked:BA16a64b4a::f0"
FUSED = "attr-scratchpad:user attr-post-ops:eltwise_relu"
RAN = "onednn_verbose,v1,primitive,exec,cpu"
LOG = [
    "onednn_verbose,v1,info,oneDNN v3.9.1 (commit abc)",
    f"onednn_verbose,v1,primitive,create:cache_miss,cpu,matmul,brg_matmul:avx512_core,undef,src:{F32}",
    f"{RAN},reorder,jit:uni,undef,src:{F32} dst:f32::blocked:AB16b64a::f0,,,256x256,0.01",
    f"{RAN},inner_product,brgemm:avx512_core,forward_inference,src:{F32} wei:{F32} dst:{F32},{FUSED},,mb9,1.2",
    f"{RAN},matmul,brg_matmul:avx512_core_vnni,undef,src:{U8} wei:{S8} dst:{F32},attr-scales:src0:0:f32,,2x3:3x4,0.7",
    "what somebody else printed meanwhile",
]


def test_only_what_was_run_is_read_with_its_kernel_arithmetic_and_what_was_fused():
    assert read(LOG) == [
        Primitive(kind="reorder", kernel="jit:uni", dtypes=("f32",), fused=()),
        Primitive(kind="inner_product", kernel="brgemm:avx512_core", dtypes=("f32", "f32"), fused=("relu",)),
        Primitive(kind="matmul", kernel="brg_matmul:avx512_core_vnni", dtypes=("u8", "s8"), fused=()),
    ]


def test_the_products_are_a_sentence():
    assert products_told([*read(LOG), read(LOG)[1]]) == (
        "oneDNN ran 3 products in this call: 2 by brgemm:avx512_core of f32 with relu; "
        "1 by brg_matmul:avx512_core_vnni of u8 and s8."
    )
    assert products_told(read(LOG)[:1]) == ""


@pytest.mark.skipif(missing() is not None, reason=f"oneDNN cannot be called here: {missing()}")
def test_a_layer_by_onednn_is_one_product_with_its_relu(capfd):
    x, weight, bias = torch.randn(64, 32), torch.randn(16, 32), torch.randn(16)

    def layer():
        sys.stdout.write("printed within\n")
        torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu", [], "")

    sys.stdout.write("before\n")
    ran = primitives(layer)
    sys.stdout.write("after\n")

    (product,) = (each for each in ran if each.kind in ("matmul", "inner_product"))
    assert product.fused == ("relu",)
    assert set(product.dtypes) == {"f32"}
    # Standard output is as it was, without oneDNN's lines.
    assert capfd.readouterr().out.split() == ["before", "printed", "within", "after"]


def test_what_fails_leaves_standard_output_as_it_was(capfd):
    def fail():
        raise RuntimeError("a fault within")

    with pytest.raises(RuntimeError, match="a fault within"):
        primitives(fail)
    sys.stdout.write("after\n")

    assert capfd.readouterr().out == "after\n"
