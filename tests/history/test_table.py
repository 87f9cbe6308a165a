from __future__ import annotations

import pytest

from pricebench.history import Benchmark, cells, side_by_side


def benchmark(name, median, *, rounds=30, **extra_info):
    return Benchmark.from_json(
        {
            "name": name,
            "fullname": f"benchmarks/test_x.py::{name}",
            "stats": {"median": median, "iqr": median / 10, "rounds": rounds},
            "extra_info": extra_info,
        }
    )


def test_modes_of_one_shape_stand_beside_each_other_with_their_ratio_to_eager():
    groups = side_by_side(
        [
            benchmark("test_forward[eager-full]", 2e-3),
            benchmark("test_forward[eager-single]", 20e-6),
            benchmark("test_forward[compile-full]", 3e-3),
        ]
    )

    assert [group.title for group in groups] == ["forward full", "forward single"]
    assert [(row.name, row.ratio) for row in groups[0].rows] == [("eager", 1.0), ("compile", pytest.approx(1.5))]


def test_without_eager_the_fastest_rival_is_the_reference():
    (group,) = side_by_side(
        [
            benchmark("test_load[ours]", 0.12, role="ours"),
            benchmark("test_load[slow]", 0.20, role="rival"),
            benchmark("test_load[fast]", 0.10, role="rival"),
        ]
    )

    assert group.reference == "fast"
    assert group.rows[0].ratio == pytest.approx(1.2)


def test_a_rival_with_a_function_of_its_own_stands_beside_the_function_that_it_names_and_may_share_a_modes_name():
    (group,) = side_by_side(
        [
            benchmark("test_predict[eager-8]", 40e-6),
            benchmark("test_predict[onnxruntime-8]", 20e-6),
            benchmark("test_predict_rival[onnxruntime-8]", 10e-6, role="rival", beside="test_predict"),
        ]
    )

    assert group.title == "predict 8"
    assert [(row.name, row.ratio) for row in group.rows] == [
        ("eager", 1.0),
        ("onnxruntime", pytest.approx(0.5)),
        ("onnxruntime (rival)", pytest.approx(0.25)),
    ]


def test_without_any_reference_there_is_no_ratio():
    (group,) = side_by_side([benchmark("test_alone", 1.0)])

    assert group.reference is None
    assert cells(group.rows[0], group.reference)["ratio"] == "-"


def test_a_stored_run_adds_a_column_where_it_has_the_benchmark():
    known, new = benchmark("test_f[eager]", 1.0), benchmark("test_f[fx]", 1.0)

    (group,) = side_by_side([known, new], {known.fullname: 0.5})

    assert cells(group.rows[0], "eager")["/ stored"] == "2.00"
    assert "/ stored" not in cells(group.rows[1], "eager")


def test_an_unknown_is_a_dash_and_a_single_event_has_no_spread():
    row = side_by_side([benchmark("test_f[eager]", 1.0, rounds=1)])[0].rows[0]

    shown = cells(row, "eager")

    assert shown["IQR"] == "single"
    assert shown["rows"] == shown["max error"] == "-"


def test_single_events_have_columns_of_their_own():
    row = side_by_side([benchmark("test_epoch[compile]", 0.01, first_epoch_s=9.0, graphs=2, later_calls_s=[1.0])])[
        0
    ].rows[0]

    shown = cells(row, None)

    assert shown["first epoch"] == "9.00 s"
    assert not {"graphs", "later calls"} & set(shown)


def test_rows_per_second_come_from_rows_and_median():
    row = side_by_side([benchmark("test_f[eager]", 2e-3, rows=2048)])[0].rows[0]

    assert row.rows_per_second == pytest.approx(1_024_000)
    assert cells(row, "eager")["rows"] == "1.02 M/s"


def test_the_part_that_the_machine_needs_stands_beside_a_time():
    known, unknown = benchmark("test_f[eager]", 4e-3, flop=1), benchmark("test_f[fx]", 2e-3)

    (group,) = side_by_side([known, unknown], limit=lambda one: 1e-3 if "flop" in one.extra_info else None)

    assert cells(group.rows[0], "eager")["of the limit"] == "25%"
    assert "of the limit" not in cells(group.rows[1], "eager")
