"""The list of pages, and the page that was asked for. Run by streamlit, again at every interaction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from pricebench.dashboard.settings import Settings
from pricebench.dashboard.views import (
    benchmarks,
    cliff,
    debug,
    gate,
    history,
    limits,
    parts,
    predict,
    recommend,
    serving,
    times,
)

_ICON = str(Path(__file__).with_name("house.svg"))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One page.

    Attributes:
        title: In the menu and in the browser's tab.
        path: In the address.
        icon: A Material symbol.
        show: Draws it.
    """

    title: str
    path: str
    icon: str
    show: Callable[[Settings], None]


VIEWS = (
    View(title="Recommend", path="recommend", icon=":material/verified:", show=recommend.show),
    View(title="Predict", path="predict", icon=":material/sell:", show=predict.show),
    View(title="Benchmarks", path="benchmarks", icon=":material/speed:", show=benchmarks.show),
    View(title="History", path="history", icon=":material/timeline:", show=history.show),
    View(title="Gate", path="gate", icon=":material/rule:", show=gate.show),
    View(title="Serving", path="serving", icon=":material/dns:", show=serving.show),
    View(title="Cliff", path="cliff", icon=":material/landslide:", show=cliff.show),
    View(title="Where the time goes", path="time", icon=":material/timelapse:", show=times.show),
    View(title="Limits", path="limits", icon=":material/roofing:", show=limits.show),
    View(title="Debug", path="debug", icon=":material/search:", show=debug.show),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the page that the address names.

    Args:
        arguments: Behind `--`; by default those of the process.
    """
    settings = Settings.from_arguments(sys.argv[1:] if arguments is None else arguments)
    # A picture of our own: streamlit fetches the symbols' ones from a server on the internet.
    st.set_page_config(page_icon=_ICON, layout="wide")
    pages = {
        view.path: st.Page(
            partial(view.show, settings),
            title=view.title,
            url_path=view.path,
            icon=view.icon,
            default=view is VIEWS[0],
        )
        for view in VIEWS
    }
    parts.remember_pages(pages)
    st.navigation(list(pages.values())).run()


if __name__ == "__main__":
    main()
