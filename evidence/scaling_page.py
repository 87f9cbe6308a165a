"""docs/scaling.md with its tables made anew from the reports that it names: `python -m evidence.scaling_page`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence import bulk, gate_shards, ranks, serving_ray
from pricebench.units import format_duration

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scaling.md"
_BLOCK = re.compile(r"<!-- (?P<what>\w+) from (?P<file>\S+) -->\n.*?<!-- end of (?P=what) -->\n", re.DOTALL)


def main() -> int:
    """Write the page."""
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def history(report: dict[str, Any]) -> str:
    """A row per opening of a history in object storage."""
    lines = ["| opening | pages of the list | objects | seconds |", "|---|---:|---:|---:|"]
    for opening in report["openings"]:
        asked = opening["requests"]
        lines.append(
            f"| {opening['opening']} | {asked['ListObjects']} | {asked.get('GetObject', 0):,} | "
            f"{format_duration(opening['open_s'])} |"
        )
    told = (
        f"{report['num_runs']:,} runs of {report['num_bytes'] / 1e9:.2f} GB; {report['machine']['cpu']}, "
        f"{report['cores']} cores, s3fs {report['s3fs']}, {report['started'][:10]}."
    )
    return "\n".join([*lines, "", told]) + "\n"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "ranks": ranks.table,
    "bulk": bulk.table,
    "serving": serving_ray.table,
    "gate": gate_shards.table,
    "history": history,
}


def rendered(text: str) -> str:
    """The page with its tables made anew."""

    def block(found: re.Match[str]) -> str:
        what, file = found["what"], found["file"]
        report = json.loads((ROOT / file).read_text(encoding="utf-8"))
        # Between blank lines, so that a sentence below a table is none of its rows.
        return f"<!-- {what} from {file} -->\n{TABLES[what](report)}<!-- end of {what} -->\n"

    return _BLOCK.sub(block, text)


if __name__ == "__main__":
    sys.exit(main())
