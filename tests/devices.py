"""Tests that need a CUDA device, or need that there is none."""

from __future__ import annotations

import pytest
import torch

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
