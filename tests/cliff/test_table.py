from __future__ import annotations

from dataclasses import replace

from pricebench.cliff.analysis import Analysis
from pricebench.cliff.chart import calls, schedule_chart, steady, steady_chart
from pricebench.cliff.schedule import Kind
from pricebench.cliff.table import conditions, sections
from pricebench.section import Section
from tests.cliff.made import cell, report

EQUAL = (1.0, 1.0, 1.0, 1.0)
MADE = report(
    cell("eager", EQUAL),
    cell("compile", (1.0, 1.0, 1.5, 1.5), first=2.0, stall=1.0, served=("g0", "g1")),
    cell("compile", first=3.0, stall=1.5, served=("g0", "g1"), process=1),
    cell("compile", first=0.5, stall=0.25, served=("g0", "g1"), cache="warm"),
    cell("pad", EQUAL, first=2.0, served=("g0", "g0")),
)


def test_a_row_per_arm_in_each_table():
    graphs, once, parts, steady_times = sections(MADE, 1)

    assert [row[0] for row in graphs.rows] == ["eager", "compile", "pad"]
    assert graphs.rows[1][1:6] == ("2", "g0*", "g0", "g1*", "g1")
    assert once.rows[0][:5] == (
        "compile",
        "2",
        "2.50 s\n2.00 s to 3.00 s",
        "500 ms",
        "1.25 s\n1.00 s to 1.50 s\nwarm 250 ms",
    )
    assert parts.rows[0] == ("compile", "2,048", "0.10", "0.20", "0.30", "0.40", "1.00", "2.50")
    assert steady_times.rows[1][1:5] == (
        "~1.00\n1.00 to 1.00",
        "1.50\n1.50 to 1.50",
        "1.50\n1.50 to 1.50",
        "~1.00\n1.00 to 1.00",
    )
    assert steady_times.rows[1][-1] == "never"


def test_takeover_failures_and_silent_eager_are_said_loudly():
    silent = cell("compile_static", served=("g0", "eager"))
    broken = replace(cell("fx"), failure="the process ended (signal SIGKILL)", calls=())

    notes = sections(report(*MADE.cells, silent, broken), 1)[0].notes

    assert "compile: full batches were taken over by another graph after the residual." in notes
    assert "compile_static RAN EAGER, without saying so, for 1,207, 2,048 rows: a recompile limit was hit." in notes
    assert "fx: the process ended (signal SIGKILL)" in notes


def test_counts_alone_claim_no_times():
    counted = report(cell("compile", served=("g0", "g1")), toolchain=None)
    counted = replace(counted, conditions={**counted.conditions, "counts_only": True})

    assert len(sections(counted, 1)) == 1
    assert not any("Noise" in sentence for sentence in conditions(counted))


def test_conditions_say_what_was_not_booked_and_what_is_missing():
    text = " ".join(conditions(replace(MADE, is_complete=False, warnings=("busy machine",))))

    assert "a processor, 2 cores, 2 threads" in text
    assert "first compilation of one line 8.00 s" in text
    assert "Noise floor, inference: eager against itself differs by up to 0.0%" in text
    assert "ended before all its repetitions" in text
    assert "Warning: busy machine." in text


def test_markdown_keeps_a_cell_on_its_line_and_bars_out_of_it():
    section = Section(title="t", header=("a", "b"), rows=(("x|y", "1\n2"),), notes=("n",))

    assert section.markdown() == "| a | b |\n| --- | ---: |\n| x\\|y | 1; 2 |\n\n- n"


# ---- charts ----------------------------------------------------------------------------------------------------------


def test_a_row_per_call_says_what_happened():
    frame = calls(Analysis(MADE, Kind.INFERENCE), ["eager", "compile"])

    assert list(frame["happened"]) == [*["no compiler"] * 4, "compiled", "graph reused", "compiled", "graph reused"]
    assert list(frame["batch"][:3]) == ["1: 2,048", "2: 2,048", "3: 1,207"]


def test_a_row_per_steady_block():
    frame = steady(Analysis(MADE, Kind.INFERENCE), ["compile"])

    assert dict(zip(frame["block"], frame["ratio"].round(6), strict=True)) == {
        "full, A": 1.0,
        "residual": 1.0,
        "full, B": 1.5,
        "full, C": 1.5,
    }
    assert list(frame["found"])[2] == "difference found"


def test_charts_are_drawn_for_arms_with_and_without_blocks():
    analysis = Analysis(report(*MADE.cells, cell("fx")), Kind.INFERENCE)

    assert "compile" in schedule_chart(analysis, analysis.arms).to_json()
    assert "no difference found" in steady_chart(analysis, analysis.arms).to_json()
