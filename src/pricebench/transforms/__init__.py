"""Changes of a model's graph that keep what it computes, one file each. They know nothing of house prices."""

from __future__ import annotations

from pricebench.transforms.applied import TRANSFORMS, transform_named, transformed
from pricebench.transforms.base import Transform, surrounded
from pricebench.transforms.combined import mode_with, with_transforms
from pricebench.transforms.onednn import primitives, products_told

__all__ = [
    "TRANSFORMS",
    "Transform",
    "mode_with",
    "primitives",
    "products_told",
    "surrounded",
    "transform_named",
    "transformed",
    "with_transforms",
]
