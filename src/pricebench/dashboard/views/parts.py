"""What pages share: sentences instead of tracebacks, the five inputs, the model that is kept between reruns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pricebench.artifacts import METRICS_FILE, MODEL_FILE, STATS_FILE
from pricebench.dashboard.plain import plain
from pricebench.dashboard.pricing import Input, PriceDesk, wrong_values
from pricebench.dashboard.settings import Settings
from pricebench.errors import ArtifactError

_MOST_LISTED = 50


def command(sentence: str, line: str) -> None:
    """Say what is missing, and show the command that mends it so that it can be copied."""
    st.info(plain(sentence), icon=":material/terminal:")
    st.code(line, language="bash")


def warn(sentences: Iterable[str]) -> None:
    """Warnings, which may quote a file, as text."""
    for sentence in sentences:
        st.warning(plain(sentence), icon=":material/warning:")


def refuse(sentence: str) -> None:
    """An error, which may quote a file, as text."""
    st.error(plain(sentence), icon=":material/error:")


def unreadable(files: Iterable[tuple[object, str]]) -> None:
    """Files that could not be read, each with its reason; the page goes on without them."""
    listed = list(files)
    if not listed:
        return
    with st.expander(f"{len(listed):,} files could not be read", icon=":material/warning:"):
        for path, reason in listed[:_MOST_LISTED]:
            # The reason often begins with the path.
            st.markdown(plain(reason if str(path) in reason else f"{path}: {reason}"))
        if len(listed) > _MOST_LISTED:
            st.caption(f"and {len(listed) - _MOST_LISTED:,} more")


def versions_below(folder: Path, pattern: str) -> tuple[tuple[str, tuple[int, int] | None], ...]:
    """What changes when a file below a folder does: the key of what was read from it."""
    return tuple((str(path), _version(path)) for path in sorted(folder.rglob(pattern)))


def desk_or_stop(settings: Settings) -> PriceDesk:
    """The trained model, or a sentence that says how to get one and the end of the page."""
    folder = settings.artifacts
    files = [folder / name for name in (MODEL_FILE, STATS_FILE, METRICS_FILE)]
    option = "" if folder == Settings().artifacts else f" --out {folder}"
    try:
        return _desk(folder, tuple(map(_version, files)))
    except ArtifactError as error:
        if files[0].exists() or files[1].exists():
            refuse(str(error))
        command(f"There is no usable model in {folder}. Train one; it takes about half a minute:",
                f"uv run pricebench train{option}")
        st.stop()


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _desk(folder: Path, versions: tuple[tuple[int, int] | None, ...]) -> PriceDesk:  # noqa: ARG001 - part of the key
    return PriceDesk.load(folder)


def _version(path: Path) -> tuple[int, int] | None:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def house_or_stop(desk: PriceDesk) -> NDArray[np.float64]:
    """The five inputs, whose values stand in the address; the end of the page where no house can be like that."""
    with st.grid(len(desk.inputs), min_column_width=150):
        house_F = np.array([_typed(given) for given in desk.inputs])
    wrong = wrong_values(house_F)
    for sentence in wrong:
        refuse(sentence)
    if wrong:
        st.stop()
    return house_F


def _typed(given: Input) -> float:
    return float(
        st.number_input(
            given.label,
            value=given.typical,
            step=given.step,
            format=f"%.{given.decimals}f",
            key=given.quantity.name,
            bind="query-params",
            help=f"Familiar from training: {given.familiar}.",
        )
    )
