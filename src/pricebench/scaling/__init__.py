"""More houses, or more requests, than one process can price: shards, a manifest, and Ray, known here alone."""

from enum import StrEnum


class Engine(StrEnum):
    """Who prices many files: this process, or actors of a Ray cluster."""

    LOCAL = "local"
    RAY = "ray"


__all__ = ["Engine"]
