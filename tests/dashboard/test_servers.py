from __future__ import annotations

import pytest

from pricebench.dashboard.charts.serving import latencies_chart
from pricebench.dashboard.servers import answer, latency_frame, memory_frame
from pricebench.traffic.records import Purpose, Traffic
from tests.dashboard.stored import EVIL
from tests.traffic.made import OURS, RIVAL, probe, report, server, soak, whole


def test_a_point_is_the_median_of_a_servers_probes_at_a_rate():
    made = report(
        probe(500, p99=1e-3),
        probe(500, p99=9e-3),
        probe(500, p99=2e-3, statuses={"200": 4_990}),
        probe(500, name=RIVAL, p99=4e-3),
        probe(500, name="nobody"),
        probe(500, traffic=Traffic.MIXED),
    )

    frame = latency_frame(made, Traffic.ONE, "p99")

    assert frame["name"].tolist() == [OURS, RIVAL]
    assert frame["seconds"].tolist() == pytest.approx([2e-3, 4e-3])
    assert frame["num_probes"].tolist() == [3, 1]
    assert frame["errors"].tolist() == [10, 0]


def test_memory_is_in_minutes_and_mebibytes():
    frame = memory_frame(soak([400.0, 401.0]))

    assert frame["minutes"].tolist() == [0.0, 1.0]
    assert frame["mib"].tolist() == pytest.approx([400.0, 401.0])


def test_the_answer_compares_ours_with_each_of_the_others():
    assert (
        answer(whole(), Traffic.ONE) == f"One house per request: 8,000 requests a second, 4.00 times {RIVAL} (2,000)."
    )
    assert answer(whole(), Traffic.MIXED) is None
    assert answer(report(probe(500, purpose=Purpose.CONFIRM)), Traffic.ONE).endswith("500 requests a second.")


def test_the_picture_has_both_axes_logarithmic_and_names_only_as_data():
    made = whole(servers=(server(title=EVIL), server(RIVAL, is_ours=False)))

    drawn = latencies_chart(latency_frame(made, Traffic.ONE, "p99"), bound=5e-3).to_dict()

    _, line, points = drawn["layer"]
    assert {layer["encoding"][axis]["scale"]["type"] for layer in (line, points) for axis in ("x", "y")} == {"log"}
    assert line["encoding"]["color"]["scale"]["domain"] == [EVIL, RIVAL]
    rows = [row for rows in drawn["datasets"].values() for row in rows]
    assert {"ms": 5.0} in rows
    assert {row["name"] for row in rows if "name" in row} == {EVIL, RIVAL}
