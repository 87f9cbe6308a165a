"""Frames become charts, a file per kind. No streamlit: a chart is a Vega-Lite specification that a test can read.

Colours are told apart by colour-blind people and stand out on white and on black; a mode has one everywhere.
Columns have fixed names, and names from files are only ever data: Vega draws data as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import altair as alt

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

# Paul Tol's "bright", whose blue was lightened for dark pages.
MODE_COLORS = {"eager": "#5b8ff0", "torchscript": "#e0607e", "fx": "#2f9e5b", "compile": "#c27f0e"}
OTHER_COLORS = ("#4fb3d4", "#aa5fb8", "#8a8f98", "#b0713a", "#7f9a2f", "#c65d3b")
GREY = "#8a8f98"
"""Of what belongs to no mode."""
ROW = 46
"""Pixels per contestant."""


def colors_for(names: Sequence[str]) -> alt.Scale:
    """A colour per name: a mode's own, others in turn."""
    strangers = [name for name in names if name not in MODE_COLORS]
    chosen = {name: OTHER_COLORS[index % len(OTHER_COLORS)] for index, name in enumerate(strangers)} | MODE_COLORS
    return alt.Scale(domain=list(names), range=[chosen[name] for name in names])
