from __future__ import annotations

import json

from evidence.predict_table import PAGE, ROOT, rendered

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_pages_table_is_that_of_the_run_that_it_names():
    assert "<!-- prices from " in TEXT
    assert rendered(TEXT) == TEXT


def test_a_cell_is_the_median_of_its_benchmark_and_its_ratio_to_onnx_runtime():
    (run,) = [line.split()[3] for line in TEXT.splitlines() if line.startswith("<!-- prices from ")]
    stored = json.loads((ROOT / run).read_text())["benchmarks"]
    median = {item["name"]: item["stats"]["median"] for item in stored}
    aot, rival = median["test_predict[aot-single]"], median["test_predict_rival[onnxruntime-single]"]

    assert f"| `aot` | {aot * 1e6:.2f} µs ({aot / rival:.2f}) |" in TEXT
