"""What a file of `export` costs before it is fast: `python -m evidence.exported_files --artifacts DIR FILE...`.

Each file, and eager beside them, is loaded in fresh processes, in turns. Prints a Markdown table of medians: bytes of
the file, seconds of loading and of the first price of one house, and the memory that both take, imports of ours aside.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from pricebench.units import format_duration

_WORKER = """
import json, sys, time
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from pricebench.artifacts import Artifacts
from pricebench.serving import Predictor

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

artifacts = Artifacts.load(Path(sys.argv[1]))
house_1F = np.array([[68000.0, 6.0, 7.0, 4.0, 36000.0]])
before, started = private(), time.perf_counter()
predictor = Predictor(artifacts, exported=Path(sys.argv[2]) if sys.argv[2] else None)
loaded = time.perf_counter()
predictor.predict(house_1F)
priced = time.perf_counter()
print(json.dumps({"load": loaded - started, "first": priced - loaded, "memory": private() - before}))
"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--processes", type=int, default=7)
    parser.add_argument("files", nargs="+", type=Path)
    asked = parser.parse_args()
    places = ["", *map(str, asked.files)]
    found: dict[str, list[dict[str, float]]] = {place: [] for place in places}
    for _ in range(asked.processes):
        for place in places:
            command = [sys.executable, "-c", _WORKER, str(asked.artifacts), place]
            said = subprocess.run(command, capture_output=True, text=True, check=True)
            found[place].append(json.loads(said.stdout))
    lines = ["| | file | load | first price | memory of its own |", "|---|---:|---:|---:|---:|"]
    for place, measured in found.items():
        load, first, memory = (
            statistics.median(each[name] for each in measured) for name in ("load", "first", "memory")
        )
        size = f"{Path(place).stat().st_size / 1e6:.2f} MB" if place else "-"
        name = Path(place).name if place else "`eager`, no file"
        lines.append(
            f"| {name} | {size} | {format_duration(load)} | {format_duration(first)} | {memory / 1e6:.1f} MB |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
