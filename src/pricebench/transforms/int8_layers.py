"""Layers in whole numbers of 8 bits, in a form that each mode can run: rounding, and products by oneDNN.

A packed weight is a tensor that cannot be copied or written. Eager code and `torch.compile` keep one, the latter behind
an operator of its own. `torch.export` and TorchScript have the packing in their graph, and AOTInductor does it once,
when it compiles. Shapes: B rows, I inputs, O outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_SCALE = 1e-14
"""Above zero, and below what any weight needs: torchao's own, 2e-4, would make zeros of small ones."""


class Quantize(nn.Module):
    """Numbers to 0 to `most`: `round(x / scale) + zero`; what is outside of the range becomes its end."""

    def __init__(self, scale: float, zero: int, most: int) -> None:
        super().__init__()
        self.scale = scale
        self.zero = zero
        self.most = most

    def forward(self, x_BI: Tensor) -> Tensor:
        """`(B, I)` float32 to uint8."""
        return (x_BI * (1.0 / self.scale)).round_().add_(self.zero).clamp_(0, self.most).to(torch.uint8)


class _Layer(nn.Module):
    """A linear layer with its ReLU, all but its input."""

    def __init__(
        self, weight_OI: Tensor, scale_O: Tensor, bias_O: Tensor | None, *, y: tuple[float, int] | None, relu: bool
    ) -> None:
        """Pack the weight.

        Args:
            weight_OI: int8.
            scale_O: Of the weights of each output.
            bias_O: float32.
            y: Scale and zero point of the output; None for one in float32.
            relu: Whether one follows.
        """
        super().__init__()
        self.weight_OI: Tensor
        self.scale_O: Tensor
        self.zero_O: Tensor
        self.bias_O: Tensor | None
        self.register_buffer("weight_OI", weight_OI)
        self.register_buffer("scale_O", scale_O)
        self.register_buffer("zero_O", torch.zeros(len(scale_O), dtype=torch.int32))
        self.register_buffer("bias_O", bias_O)
        self.y_scale, self.y_zero = y or (1.0, 0)
        self.y_dtype = torch.float32 if y is None else torch.uint8
        self.post = "relu" if relu else "none"
        self.packed = _packed(weight_OI)

    def _weight(self) -> Tensor:
        if not torch.jit.is_scripting():  # noqa: SIM102 - TorchScript leaves out what is behind this
            if not torch.compiler.is_exporting():
                return self.packed
        return _packed(self.weight_OI)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["packed"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.packed = _packed(self.weight_OI)


class Int8Linear(_Layer):
    """Of numbers that `Quantize` or another such layer has rounded."""

    def __init__(
        self,
        weight_OI: Tensor,
        scale_O: Tensor,
        bias_O: Tensor | None,
        *,
        x: tuple[float, int],
        y: tuple[float, int] | None,
        relu: bool,
    ) -> None:
        """As in the parent; `x` has scale and zero point of the input."""
        super().__init__(weight_OI, scale_O, bias_O, y=y, relu=relu)
        self.x_scale, self.x_zero = x

    def forward(self, q_BI: Tensor) -> Tensor:
        """`(B, I)` uint8 to `(B, O)`, uint8 or float32."""
        if not torch.jit.is_scripting():  # noqa: SIM102 - TorchScript leaves out what is behind this
            if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
                return _for_inductor(
                    self, q_BI, torch.tensor(self.x_scale), torch.tensor(self.x_zero, dtype=torch.int32)
                )
        y_BO: Tensor = torch.ops.onednn.qlinear_pointwise(
            q_BI,
            self.x_scale,
            self.x_zero,
            self._weight(),
            self.scale_O,
            self.zero_O,
            self.bias_O,
            self.y_scale,
            self.y_zero,
            self.y_dtype,
            self.post,
            [],
            "",
        )
        return y_BO


class DynamicInt8Linear(_Layer):
    """Of float32, rounded by the range that the numbers of a call have."""

    def __init__(self, weight_OI: Tensor, scale_O: Tensor, bias_O: Tensor | None, *, relu: bool, most: int) -> None:
        """As in the parent; `most` is the largest rounded number."""
        super().__init__(weight_OI, scale_O, bias_O, y=None, relu=relu)
        self.most = most
        self.smallest_scale = SMALLEST_SCALE

    def forward(self, x_BI: Tensor) -> Tensor:
        """`(B, I)` to `(B, O)`, both float32."""
        low, high = torch.aminmax(x_BI)
        # Zero is one of the numbers: what a ReLU has cut off stays exact.
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
        x_scale = ((high - low) / self.most).clamp(min=self.smallest_scale)
        zero = (-low / x_scale).round()
        q_BI = (x_BI / x_scale).round_().add_(zero).clamp_(0, self.most).to(torch.uint8)
        x_zero = zero.to(torch.int32)
        if not torch.jit.is_scripting():  # noqa: SIM102 - TorchScript leaves out what is behind this
            if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
                return _for_inductor(self, q_BI, x_scale, x_zero)
        y_BO: Tensor = torch.ops.onednn.qlinear_pointwise(
            q_BI,
            x_scale,
            x_zero,
            self._weight(),
            self.scale_O,
            self.zero_O,
            self.bias_O,
            self.y_scale,
            self.y_zero,
            self.y_dtype,
            self.post,
            [],
            "",
        )
        return y_BO


def _for_inductor(layer: _Layer, q_BI: Tensor, x_scale: Tensor, x_zero: Tensor) -> Tensor:
    """By an operator of ours: Inductor's own call of oneDNN wants the packed weight as a constant."""
    weight = (layer.packed, layer.scale_O, layer.zero_O, layer.bias_O)
    y_BO: Tensor = int8_linear(q_BI, x_scale, x_zero, *weight, layer.y_scale, layer.y_zero, layer.y_dtype, layer.post)
    return y_BO


def _packed(weight_OI: Tensor) -> Tensor:
    packed: Tensor = torch.ops.onednn.qlinear_prepack(weight_OI, None)
    return packed


@torch.library.custom_op("pricebench::int8_linear", mutates_args=())
def int8_linear(
    q_BI: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    packed: Tensor,
    scale_O: Tensor,
    zero_O: Tensor,
    bias_O: Tensor | None,
    y_scale: float,
    y_zero: int,
    y_dtype: torch.dtype,
    post: str,
) -> Tensor:
    """The product, `(B, I)` to `(B, O)`, of a packed weight."""
    y_BO: Tensor = torch.ops.onednn.qlinear_pointwise(
        q_BI, x_scale, x_zero, packed, scale_O, zero_O, bias_O, y_scale, y_zero, y_dtype, post, [], ""
    )
    return y_BO


@int8_linear.register_fake
def _shape_of(q_BI: Tensor, x_scale: Tensor, x_zero: Tensor, packed: Tensor, scale_O: Tensor, *rest: Any) -> Tensor:  # noqa: ARG001
    return q_BI.new_empty((q_BI.shape[0], scale_O.shape[0]), dtype=rest[-2])
