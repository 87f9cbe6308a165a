"""What pages share: sentences instead of tracebacks, and the model, the five inputs and the history of runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.navigation.page import Page

from pricebench.artifacts import METRICS_FILE, MODEL_FILE, STATS_FILE
from pricebench.dashboard.desk import PriceDesk
from pricebench.dashboard.house_inputs import Input, wrong_values
from pricebench.dashboard.plain import line_of, plain, plain_long
from pricebench.dashboard.price_server import PriceServer, price_server
from pricebench.dashboard.runs import UNKNOWN, folders_changed, machines, of_machine, run_labels
from pricebench.dashboard.settings import Settings
from pricebench.dashboard.workloads import implied_workload, runs_of, workloads_of
from pricebench.errors import ArtifactError, PricebenchError
from pricebench.history import History, open_history

BENCHMARKS = "uv run pytest benchmarks"
# A list of thousands is no choice; an older run is reached from its point in History, or by its address.
MOST_RUNS = 300

_MOST_LISTED = 50
_PAGES = "pages"


def command(sentence: str, line: str) -> None:
    """Say what is missing, and show the command that mends it so that it can be copied."""
    st.info(plain(sentence), icon=":material/terminal:")
    st.code(line, language="bash")


def reports_option(settings: Settings) -> str:
    """What a command needs so that it writes where these pages read."""
    return "" if settings.reports == Settings().reports else f" --reports {shlex.quote(str(settings.reports))}"


def finding(sentence: str) -> None:
    """What a page found, which may quote a file, before anything that shows it."""
    st.info(plain_long(sentence), icon=":material/lightbulb:")


def subheader(text: str) -> None:
    """A heading that may come from a file, as text."""
    st.subheader(plain(text), anchor=False)


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
    number = "1 file" if len(listed) == 1 else f"{len(listed):,} files"
    with st.expander(f"{number} could not be read", icon=":material/warning:"):
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
    option = "" if folder == Settings().artifacts else f" --out {shlex.quote(str(folder))}"
    try:
        return _desk(folder, tuple(map(_version, files)))
    except ArtifactError as error:
        if files[0].exists() or files[1].exists():
            refuse(str(error))
        command(
            f"There is no usable model in {folder}. Train one; it takes about half a minute:",
            f"uv run pricebench train{option}",
        )
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


def price_server_or_stop(settings: Settings) -> PriceServer | None:
    """The server that prices in place of this process, None without one; a sentence and the end where it is none."""
    try:
        return price_server(settings)
    except (PricebenchError, OSError) as error:
        refuse(str(error) if isinstance(error, PricebenchError) else f"{error.filename}: {error.strerror}.")
        st.stop()


def house_or_stop(inputs: Sequence[Input]) -> NDArray[np.float64]:
    """The five inputs, whose values stand in the address; the end of the page where no house can be like that."""
    with st.grid(len(inputs), min_column_width=150):
        house_F = np.array([_typed(given) for given in inputs])
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
            help=f"Familiar from training: {given.familiar}." if given.familiar else None,
        )
    )


# ---- runs ----------------------------------------------------------------------------------------------------------


def history_or_none(settings: Settings) -> History | None:
    """The stored runs; None where there is no folder of them."""
    try:
        return _history(settings.runs)
    except PricebenchError:
        return None


def history_or_stop(settings: Settings) -> History:
    """The stored runs, or a sentence that says how to make one and the end of the page."""
    if settings.runs_from is not None and st.button("Look for new runs"):
        _opened.clear()
    making = f"{BENCHMARKS}{reports_option(settings)}"
    try:
        history = _history(settings.runs)
    except PricebenchError as error:
        if settings.runs_from is None:
            command(f"There is no folder {settings.runs} yet. Make a first run; it takes some minutes:", making)
        else:
            refuse(str(error))
        st.stop()
    unreadable(history.unreadable)
    if not len(history.run_table):
        if settings.runs_from is None:
            command(f"There are no stored runs in {history.name} yet. Make one; it takes some minutes:", making)
        else:
            st.info(plain(f"There are no stored runs in {history.name} yet."))
        st.stop()
    return history


def _history(runs: Path | str) -> History:
    return _opened(runs, folders_changed(runs) if isinstance(runs, Path) else ())


# A file that was changed in place leaves its folder's time alone, so the folder is looked at again now and then; and so
# is what is not a folder of `reports`, which tells nothing of its changes.
@st.cache_resource(max_entries=2, ttl=300, show_spinner="Reading the stored runs …")
def _opened(runs: Path | str, changed: tuple[tuple[str, int], ...]) -> History:  # noqa: ARG001 - part of the key
    return open_history(runs)


def choose_workload(stated: Iterable[str], *, page: str, preferred: str | None = None) -> str:
    """What was measured: something to choose where there is more than one, a sentence where there is not.

    Args:
        stated: Of what is stored, in its order.
        page: Whose choice it is.
        preferred: What the address implies, where it does not say.
    """
    names = list(dict.fromkeys(stated))
    if len(names) == 1:
        say_workload(names[0])
        return names[0]
    return choose("Workload", {name: name for name in names}, name="workload", page=page, preferred=preferred)


def say_workload(*names: str) -> None:
    """Which workload a page shows, where there is nothing to choose."""
    st.caption(plain(f"{'Workload' if len(names) == 1 else 'Workloads'}: {', '.join(names)}"))


def choose_workload_and_machine(history: History, *, page: str) -> tuple[str, str]:
    """The workload and the fingerprint whose runs are looked at, those used last unless the address says otherwise."""
    workload = _choose_workload(history, page=page)
    return workload, _choose_machine(runs_of(history, workload), page=page)


def choose_workload_and_run(history: History, *, page: str) -> tuple[str, str]:
    """The workload and one of the runs that measured it."""
    workload = _choose_workload(history, page=page)
    return workload, choose_run(history, runs_of(history, workload), page=page)


def _choose_workload(history: History, *, page: str) -> str:
    implied = implied_workload(history, st.query_params, st.session_state.get("workload"))
    return choose_workload(workloads_of(history), page=page, preferred=implied)


def _choose_machine(runs: pd.DataFrame, *, page: str, preferred: str | None = None) -> str:
    return choose("Machine and stack", machines(runs), name="machine", page=page, preferred=preferred)


def choose_run(history: History, runs: pd.DataFrame, *, page: str) -> str:
    """One run's id; its whole name stands in the address, so that a link means the same run tomorrow.

    Args:
        history: Where the runs are.
        runs: To choose from.
        page: Whose choice it is.
    """
    wanted = st.query_params.get("run")
    linked = runs[runs["run"] == wanted]
    if wanted is not None and linked.empty:
        refuse(f"There is no run {wanted} to show here in {history.name}; the newest is shown instead.")
    left, right = st.columns(2)
    with left:
        preferred = None if linked.empty else str(linked["fingerprint"].fillna(UNKNOWN).iloc[0])
        mine = of_machine(runs, _choose_machine(runs, page=page, preferred=preferred))
    listed = mine.head(MOST_RUNS)
    older = mine[(mine["run"] == wanted) & ~mine["run"].isin(listed["run"])]
    with right:
        return choose("Run", run_labels(pd.concat([listed, older])), name="run", page=page)


def choose(label: str, labels: Mapping[str, str], *, name: str, page: str, preferred: str | None = None) -> str:
    """One of several values by its label.

    What was chosen is kept from page to page, and stands in the address even where it is the default: tomorrow's
    default may be another. The address decides when a page is opened, the widget afterwards.

    Args:
        label: Of the widget.
        labels: By value; may come from files.
        name: In the address.
        page: Whose widget it is.
        preferred: What the address implies, where it does not say.
    """
    key = f"{page}-{name}"
    if key not in st.session_state:
        for value in (st.query_params.get(name), preferred, st.session_state.get(name)):
            if value in labels:
                st.session_state[key] = value
                break
    chosen = st.selectbox(label, list(labels), format_func=lambda value: line_of(labels[value]), key=key)
    st.session_state[name] = st.query_params[name] = chosen
    return chosen


# ---- from page to page ---------------------------------------------------------------------------------------------


def remember_pages(pages: Mapping[str, Page]) -> None:
    """Keep the pages by path, so that one can lead to another."""
    st.session_state[_PAGES] = pages


def links_to_run(run_id: str, *, besides: str) -> None:
    """Lead to a run on the other pages that show one.

    Args:
        run_id: Which.
        besides: The page that is shown.
    """
    for path, label in (("benchmarks", "The modes beside each other in this run"), ("debug", "This run's file")):
        if path != besides:
            more = {"look": "Raw run"} if path == "debug" else {}
            st.page_link(st.session_state[_PAGES][path], label=label, query_params={"run": run_id, **more})
