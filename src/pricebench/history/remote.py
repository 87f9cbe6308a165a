"""How an fsspec URL is opened: many small objects at a time, no request in vain, and an error within seconds.

What a store keeps to itself and what it says differ by store; S3 is the one whose defaults are changed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pricebench.extras import require
from pricebench.history.records import HistoryError

AT_ONCE = 64
"""Objects that are asked for together, each on a connection of its own."""
_S3_SCHEMES = ("s3", "s3a")
_S3_OPTIONS = {
    # It would ask for the size of each object first, to fetch a large one in parts: twice the requests.
    "max_concurrency": 1,
    "config_kwargs": {
        "connect_timeout": 5,  # seconds
        "read_timeout": 30,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "max_pool_connections": AT_ONCE,  # ten, unless said
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A folder behind a URL.

    Attributes:
        system: Of fsspec.
        root: The folder in it, without a slash at the end.
        errors: That it raises where the network or the store fails.
    """

    system: Any
    root: str
    errors: tuple[type[Exception], ...]


def open_url(url: str, *, name: str) -> Opened:
    """Open a URL; nothing is asked yet.

    Args:
        url: Whole.
        name: The same for people.

    Raises:
        HistoryError: fsspec cannot open it.
        MissingPackageError: A package is needed that is not installed.
    """
    is_s3 = urlsplit(url).scheme in _S3_SCHEMES
    require("s3fs" if is_s3 else "fsspec", name)
    import fsspec  # noqa: PLC0415 - an optional extra

    try:
        # A system of its own: fsspec keeps one for ever by its arguments, with the endpoint and the keys of then.
        options = {"skip_instance_cache": True, **(_S3_OPTIONS if is_s3 else {})}
        system, root = fsspec.core.url_to_fs(url, **options)
    except (ValueError, ImportError, OSError) as error:
        raise HistoryError(f"{name}: expected a URL that fsspec opens, found: {one_line(error)}.") from error
    if not is_s3:
        return Opened(system=system, root=str(root).rstrip("/"), errors=(OSError,))
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - comes with s3fs

    system.retries = 1  # botocore has tried again already; the two multiply
    return Opened(system=system, root=str(root).rstrip("/"), errors=(OSError, BotoCoreError))


def refused(name: str, error: BaseException) -> HistoryError:
    """What the store or the way to it answered, with what to look at."""
    if isinstance(error, FileNotFoundError):
        advice = "Check the URL."
    elif isinstance(error, PermissionError):
        advice = "Check the credentials, and that they may list and read."
    else:
        advice = "Check the credentials, the network and, for S3, AWS_ENDPOINT_URL."
    return HistoryError(f"{name}: expected a folder of stored runs, found: {one_line(error).rstrip('.')}. {advice}")


def one_line(error: object) -> str:
    """An error's text without its number, or its name where it has none."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
