"""The table of prices in one process, made from a committed run: `python -m evidence.predict_table`.

It stands in docs/serving.md between `<!-- prices from RUN -->` and `<!-- end of prices -->`; the run is named there.
`tests/evidence/test_predict_table.py` holds the text to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from pricebench.history import Run, read_run
from pricebench.units import format_duration

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "serving.md"
_BLOCK = re.compile(r"<!-- prices from (?P<run>\S+) -->\n.*?<!-- end of prices -->\n", re.DOTALL)
_MODES = ("eager", "torchscript", "compile", "aot", "onnxruntime")
_RIVALS = {"onnxruntime": "ONNX Runtime itself", "openvino": "OpenVINO itself"}
_SHAPES = {
    "single": "1 house",
    "2": "2",
    "8": "8",
    "64": "64",
    "512": "512",
    "full": "2048",
    "2049": "2049",
    "5000": "5000",
}


def rendered(text: str) -> str:
    """A text with its table made anew from the run that it names."""

    def block(found: re.Match[str]) -> str:
        return f"<!-- prices from {found['run']} -->\n{table(read_run(ROOT / found['run']))}<!-- end of prices -->\n"

    return _BLOCK.sub(block, text)


def table(run: Run) -> str:
    """A row per mode and rival, a column per number of houses; in brackets the ratio to ONNX Runtime itself."""
    medians = {(item.function, *item.params): item.median for item in run.benchmarks}
    rows = {f"`{mode}`": ("test_predict", mode) for mode in _MODES}
    rows |= {title: ("test_predict_rival", rival) for rival, title in _RIVALS.items()}
    lines = [f"| | {' | '.join(_SHAPES.values())} |", f"|---|{'---:|' * len(_SHAPES)}"]
    for title, key in rows.items():
        cells = []
        for shape in _SHAPES:
            seconds = medians[*key, shape]
            ratio = seconds / medians["test_predict_rival", "onnxruntime", shape]
            cells.append(f"{format_duration(seconds)} ({ratio:.2f})")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    facts = run.facts
    conditions = (
        f"Medians per call, raw float64 features to dollars; in brackets the ratio to ONNX Runtime. {facts['cpu']}, "
        f"{facts['threads']} thread, torch {facts['torch']}, {run.datetime[:10]}, commit {run.commit[:8]}. "
        f"Warnings: {'; '.join(run.warnings) or 'none'}."
    )
    lines += ["", conditions]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
