"""Which extra of pricebench brings a package that is not installed, as one sentence with the command."""

from __future__ import annotations

from importlib.util import find_spec
from types import TracebackType

from pricebench.errors import PricebenchError

# By package. pyproject.toml says what each extra brings.
_EXTRAS = {
    "torch": "torch",
    "altair": "dashboard",
    "pandas": "dashboard",
    "streamlit": "dashboard",
    "fsspec": "remote",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "httptools": "serve",
    "msgspec": "serve",
    "prometheus_client": "serve",
    "ray": "ray",
    "s3fs": "s3",
    "uvicorn": "serve",
    "uvloop": "serve",
}


class MissingPackageError(PricebenchError):
    """An extra is needed that is not installed."""


def require(package: str, needed_by: str) -> None:
    """Say now that a package is missing, not after a minute of work.

    Args:
        package: One that an extra brings.
        needed_by: What cannot work without it.

    Raises:
        MissingPackageError: It is not installed.
    """
    if find_spec(package) is None:
        raise _missing(package, needed_by)


def absent(*packages: str) -> str | None:
    """Which of these packages is not installed, with the command; None where all are. Imports none of them.

    Args:
        packages: That extras bring.
    """
    lacking = next((package for package in packages if find_spec(package) is None), None)
    return None if lacking is None else f"{lacking} is not installed. Install it: {_command(lacking)}"


def explained(error: ModuleNotFoundError, needed_by: str) -> MissingPackageError | None:
    """The sentence for an import of ours that failed; None where somebody else's code asked, or for no extra.

    Args:
        error: As it was raised.
        needed_by: What cannot work without it.
    """
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS or not _is_ours(error.__traceback__):
        return None
    return _missing(package, needed_by)


def _missing(package: str, needed_by: str) -> MissingPackageError:
    return MissingPackageError(f"{needed_by} needs {package}, which is not installed. Install it: {_command(package)}.")


def _command(package: str) -> str:
    return f"pip install 'pricebench[{_EXTRAS[package]}]'"


def _is_ours(traceback: TracebackType | None) -> bool:
    """Whether the import that failed stands in this package."""
    if traceback is None:
        return False
    while traceback.tb_next:
        traceback = traceback.tb_next
    return str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == __package__
