"""Models of random widths, and how far from float64 a sum in float32 may be. Shapes: N rows, F features."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from pricebench.normalization import ZScore

ROUNDOFF = 2.0**-24  # of float32


class Scored(nn.Module):
    """Raw units in and out, with linear layers between."""

    def __init__(self, widths, *, bias=True, scale=1.0, seed=0):
        super().__init__()
        random = np.random.default_rng(seed)
        std_F = scale * random.uniform(0.5, 2.0, widths[0])
        self.features = ZScore(torch.from_numpy(5 * std_F), torch.from_numpy(std_F))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(nn.Linear(before, after, bias=bias) for before, after in pairwise(widths))
        self.price = ZScore(torch.full((widths[-1],), 3.0 * scale), torch.full((widths[-1],), scale))

    def forward(self, x):
        x = self.features.normalize(x)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.price.denormalize(self.layers[-1](x))

    def rows(self, num_rows, seed):
        random = np.random.default_rng(seed)
        z_NF = random.standard_normal((num_rows, len(self.features.mean)))
        return torch.from_numpy(z_NF) * self.features.std + self.features.mean


def layers(widths, *, bias=True, scale=1.0, seed=0, in_place=False):
    """Linear layers with ReLUs between."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = []
        for before, after in pairwise(widths):
            layer = nn.Linear(before, after, bias=bias)
            with torch.no_grad():
                layer.weight.mul_(scale)
            found += [layer, nn.ReLU(inplace=in_place)]
    return nn.Sequential(*found[:-1]).eval()


def rows(num_rows, num_features, seed=0):
    """Standard normal."""
    return torch.randn(num_rows, num_features, generator=torch.Generator().manual_seed(seed))


def gamma(num_terms):
    """A float32 sum of so many products, in any order, is off by this part of the sum of their magnitudes (Higham)."""
    return num_terms * ROUNDOFF / (1 - num_terms * ROUNDOFF)
