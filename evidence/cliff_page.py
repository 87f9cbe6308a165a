"""The cliff's page and the README's part of it, made from one committed report: `python -m evidence.cliff_page`.

The report is named in the page. Tables stand between `<!-- table NAME -->` and `<!-- end of table -->`, figures in
running text between `<!--NAME-->` and `<!--/-->`, pictures in `docs/images/`; `tests/evidence/test_cliff_page.py`
holds them to the report.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import vl_convert

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.chart import schedule_chart, steady_chart
from pricebench.cliff.epochs import Epochs, epochs_of
from pricebench.cliff.ratios import Ratio
from pricebench.cliff.records import Report
from pricebench.cliff.schedule import BEFORE, FIRST, OTHER, Kind
from pricebench.cliff.stalls import Spread, Stall
from pricebench.cliff.table import conditions, sections
from pricebench.units import Second, format_duration

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "the-recompilation-cliff.md"
README = ROOT / "README.md"
IMAGES = ROOT / "docs" / "images"
FULL_BATCHES = 1  # and a residual: an epoch of the embedded data
CLAIMED: Second = 0.129  # what the project began with
_REPORT = re.compile(r"<!-- report (\S+) -->")
_FACT = re.compile(r"<!--(\w+)-->.*?<!--/-->", re.DOTALL)
_TABLE = re.compile(r"<!-- table (\w+) -->\n.*?<!-- end of table -->\n", re.DOTALL)
# What the phenomena are shown with; the tables have all arms.
_SHOWN = ["compile", "compile_static", "compile_dynamic", "mark_unbacked", "exclusion_guard", "eager_on_recompile"]


def named_report() -> Report:
    """The report that the page is about.

    Raises:
        ValueError: The page names none.
    """
    found = _REPORT.search(PAGE.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{PAGE.name} lacks its '<!-- report FILE -->' line.")
    return Report.load(ROOT / found[1])


def rendered(text: str, report: Report) -> str:
    """A page's text with tables and figures made anew."""
    page = _Page(report)
    text = _TABLE.sub(lambda found: f"<!-- table {found[1]} -->\n{page.table(found[1])}<!-- end of table -->\n", text)
    return _FACT.sub(lambda found: f"<!--{found[1]}-->{page.fact(found[1])}<!--/-->", text)


def pictures(report: Report) -> dict[str, str]:
    """SVG by file name."""
    drawn = {}
    for kind in Kind:
        analysis = Analysis(report, kind)
        shown = [arm for arm in _SHOWN if arm in analysis.arms]
        measured = [arm for arm in analysis.arms if analysis.against_eager(arm, BEFORE)]
        for name, chart in (
            ("calls", schedule_chart(analysis, shown)),
            ("steady", steady_chart(analysis, measured)),
        ):
            drawn[f"cliff-{name}-{kind}.svg"] = vl_convert.vegalite_to_svg(chart.to_dict())
    return drawn


class _Page:
    """Names in the text -> what the report says."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._of = {kind: Analysis(report, kind) for kind in Kind}
        self._tables: dict[str, Callable[[], str]] = {
            "remedies": self._remedies,
            "conditions": lambda: "".join(f"- {sentence}\n" for sentence in conditions(report)),
        }

    def table(self, name: str) -> str:
        """One of the named tables, or all of one kind's."""
        if name in Kind.__members__.values():
            made = [s for s in sections(self._report, FULL_BATCHES) if s.title.startswith(f"{name}:")]
            return "\n".join(f"**{section.title}**\n\n{section.markdown()}\n" for section in made)
        return self._tables[name]()

    def fact(self, name: str) -> str:
        """A figure as text. Names are a kind and what is asked, such as `training_first`.

        Raises:
            KeyError: There is no such figure.
        """
        kind_name, _, asked = name.partition("_")
        if kind_name not in Kind.__members__.values():
            return self._general()[name]
        return self._facts(Kind(kind_name))[asked]

    @cache  # noqa: B019 - lives as long as the page
    def _general(self) -> dict[str, str]:
        tools = self._report.toolchain
        assert tools is not None
        return {
            "toolchain": format_duration(tools.first),
            "toolchain_later": format_duration(tools.later),
            "imports": format_duration(tools.imports + tools.compiler_imports),
        }

    @cache  # noqa: B019
    def _facts(self, kind: Kind) -> dict[str, str]:
        analysis = self._of[kind]
        stalls = {stall.step: stall for stall in analysis.stalls("compile")}
        first, residual, single = stalls[FIRST], stalls[OTHER], stalls["single"]
        own, eager, dropped = (_epochs(analysis, arm) for arm in ("compile", "eager", "drop_last"))
        residual_eager = analysis.eager_seconds(analysis.residual) or 0.0
        facts = {
            "first": _spread(first.cold),
            "first_warm": _middle(first.warm),
            "first_cpp": format_duration(first.parts["cpp"]),
            "residual": _spread(residual.cold),
            "residual_warm": _middle(residual.warm),
            "residual_in_calls": f"{residual.cold.middle / residual_eager:,.0f}",
            "single": _spread(single.cold),
            "takeover": _ratio(analysis.after_against_before("compile")),
            "change_floor": f"{analysis.floors.change - 1:.1%}",
            "per_row": f"{analysis.per_row(analysis.residual) or 0.0:.2f}",
            "per_row_aligned": f"{analysis.per_row(analysis.aligned()) or 0.0:.2f}",
            "frozen_static": _ratio(analysis.against_eager("frozen_static", BEFORE)),
            "frozen_dynamic": _ratio(analysis.against_eager("frozen_dynamic", BEFORE)),
        }
        frozen = analysis.stalls("frozen_static")
        if frozen:
            facts["frozen_first"] = format_duration(frozen[0].cold.middle)
        if own and eager:
            facts |= {
                "epoch_eager": format_duration(eager.later),
                "epoch_first": format_duration(own.first),
                "epoch_later": format_duration(own.later),
                "epoch_pays": f"{own.breaks_even:,}" if own.breaks_even else "never",
                "claimed_epochs": f"{own.once_cold / (CLAIMED - own.later):.0f}",
                "claimed_epochs_warm": f"{(own.once_warm or 0.0) / (CLAIMED - own.later):.0f}",
            }
        if dropped:
            facts |= {
                "epoch_dropped": format_duration(dropped.later),
                "once_dropped": format_duration(dropped.once_cold),
            }
        return facts

    def _remedies(self) -> str:
        """Training, one row per arm: what it costs once, and from then on."""
        analysis = self._of[Kind.TRAINING]
        lines = [
            "| arm | what it does | graphs | first graph, cold | first residual | first epoch | later epoch / eager |",
            "|---|---|---:|---:|---:|---:|---:|",
        ]
        for arm, summary in self._report.conditions["arms"].items():
            if arm not in analysis.arms or analysis.failure(arm).startswith("not available"):
                continue
            stalls = {stall.step: stall for stall in analysis.stalls(arm)}
            first = stalls.get(FIRST) or stalls.get(BEFORE)
            epochs, graphs = _epochs(analysis, arm), analysis.num_graphs(arm)
            cells = (
                f"`{arm}`",
                summary,
                "-" if graphs is None else str(graphs),
                _middle(first.cold) if first else "-",
                self._first_residual(analysis, arm, stalls.get(OTHER)),
                format_duration(epochs.first) if epochs else "-",
                _ratio(epochs.gain) if epochs else "-",
            )
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _first_residual(analysis: Analysis, arm: str, stall: Stall | None) -> str:
        if stall:
            return _middle(stall.cold)
        cell = analysis.main(arm)
        call = cell.call(OTHER) if cell else None
        return format_duration(call.seconds) if call and call.seconds else "dropped"


def _epochs(analysis: Analysis, arm: str) -> Epochs | None:
    return epochs_of(analysis, arm, FULL_BATCHES) if arm in analysis.arms else None


def _spread(spread: Spread) -> str:
    return (
        f"{format_duration(spread.middle)} ({format_duration(spread.least)} to {format_duration(spread.most)}, "
        f"{spread.num} processes)"
    )


def _middle(spread: Spread | None) -> str:
    return format_duration(spread.middle) if spread else "-"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    verdict = "" if ratio.is_found else ", no difference found"
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}{verdict})"


def main() -> None:
    """Write the page, the README's part and the pictures."""
    report = named_report()
    for path in (PAGE, README):
        path.write_text(rendered(path.read_text(encoding="utf-8"), report), encoding="utf-8")
    IMAGES.mkdir(exist_ok=True)
    for name, picture in pictures(report).items():
        (IMAGES / name).write_text(picture + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
