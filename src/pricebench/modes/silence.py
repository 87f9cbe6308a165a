"""Torch's exporters and compilers talk much while they work; what matters of it is in the exception."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def torch_silenced() -> Iterator[None]:
    """Keep torch's log, warnings and prints to itself."""
    # Among them "torchvision is not installed", which every export says, and pages of traces before it fails.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "torch"]
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        handler.addFilter(_refuse)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_refuse)


def _refuse(record: logging.LogRecord) -> bool:  # noqa: ARG001 - the signature of a filter
    return False
