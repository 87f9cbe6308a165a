from __future__ import annotations

from pricebench.limits.records import Precision
from pricebench.limits.table import sections, sentences
from tests.limits.made import FULL, limits, rate


def test_rates_stand_beside_the_best_of_each_product():
    found = sections(limits(rate("torch.mm", 60), rate("oneDNN, packed", 100), rate("NumPy", 200, arithmetic="wrong")))

    assert found[0].title.startswith("float32, 1 thread: GFLOP/s")
    assert found[0].header == ("library", str(FULL))
    assert list(found[0].rows) == [
        ("torch.mm", "60.0 (0.60)"),
        ("oneDNN, packed", "100.0 (1.00)"),
        ("NumPy: wrong", "200.0 (2.00)"),
    ]


def test_what_torch_leaves_on_the_floor_is_said_with_what_to_do():
    told = sentences(limits())

    assert told[0] == "1 thread: float32 reaches 100 GFLOP/s, by oneDNN, packed on 2000x250x200."
    assert told[1] == (
        "1 thread, 2000x250x200: torch.mm leaves 40% on the floor; oneDNN, packed is 1.67 times faster. "
        "To have it: --mode aot."
    )
    assert "Not measured: OpenVINO: openvino is not installed." in told


def test_a_fifth_is_not_worth_a_sentence():
    told = sentences(limits(rate("torch.mm", 81), rate("oneDNN, packed", 100)))

    assert not [words for words in told if "floor" in words]


def test_precisions_that_were_not_measured_have_no_table():
    found = sections(limits(rate("torch.mm", 60), rate("x", 90, precision=Precision.INT8)))

    assert [section.title.split(",")[0] for section in found[:2]] == ["float32", "int8"]
    assert found[1].title.startswith("int8, 1 thread: GOP/s")
