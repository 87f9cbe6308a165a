"""Where a model runs: on the CPU, or on a CUDA device that has to be there."""

from __future__ import annotations

import torch

from pricebench.errors import PricebenchError, unknown_name

CPU, CUDA = "cpu", "cuda"
DEVICES = (CPU, CUDA)


class DeviceError(PricebenchError):
    """A device is not there."""


def device_named(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: "cpu" or "cuda", the current one of several.

    Raises:
        DeviceError: There is no such device, or none here.
    """
    if name not in DEVICES:
        raise DeviceError(unknown_name("device", name, DEVICES))
    if name == CUDA and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch finds no CUDA device here. Leave it out, to run on the CPU.")
    return torch.device(name)
