from __future__ import annotations

from pricebench.traffic.records import Purpose, Traffic
from pricebench.traffic.table import conditions, counts, rates, sections, warnings
from tests.traffic.made import OURS, RIVAL, probe, report, server, trial, whole


def test_a_whole_report_has_a_table_of_each_kind():
    titles = [section.title.partition(":")[0] for section in sections(whole())]

    assert titles == [
        "One house per request",
        "One house per request",
        "Where the time of one house goes",
        "Soak",
        "Hostile requests",
        "Faults under load",
    ]


def test_a_row_is_a_server_with_its_highest_rate_and_how_many_times_it_ours_is():
    assert rates(whole(), Traffic.ONE).rows == (
        (OURS, "8,000", "1.00", "250 µs", "1.00 ms", "100 µs"),
        (RIVAL, "2,000", "4.00", "250 µs", "1.00 ms", "100 µs"),
    )


def test_a_server_that_holds_nothing_has_a_row_and_one_that_is_missing_a_reason():
    made = report(probe(500, held=False), servers=(server(), server("x", is_ours=False, missing="not installed")))

    section = rates(made, Traffic.ONE)

    assert section.rows == ((OURS, "-", "-", "-", "-", "-"),)
    assert section.notes == ("x was not measured: not installed",)


def test_stages_are_compared_with_a_whole_request():
    (stages,) = [each for each in sections(whole()) if each.title.startswith("Where")]

    assert stages.rows[-1] == ("all stages", "40.0 µs", "")
    assert "our server 100 µs" in stages.notes[0]
    assert "60% is the event" in stages.notes[0]


def test_what_is_wrong_stands_under_the_table():
    (table,) = [
        each for each in sections(report(hostile=(trial(findings=("a 500 for noise",)),))) if "Hostile" in each.title
    ]

    assert table.notes == ("our own list: a 500 for noise",)


def test_a_busy_machine_and_a_busy_client_are_warned_about():
    made = report(
        probe(500, others=0.5), probe(8_000, client_cpu=9.5, purpose=Purpose.CONFIRM), warnings=("said before",)
    )

    assert warnings(made) == [
        "said before",
        "busy machine: other programs used more than 0.1 cores in 1 of 2 probes",
        f"the client used more than 85% of its core where {OURS} held the rate: it may hold more",
    ]


def test_conditions_say_where_how_and_whether_it_was_all():
    told = " ".join(conditions(whole(is_complete=False)))

    assert "Test CPU, 2 cores" in told
    assert "Server on core 0, client on core 1" in told
    assert told.endswith("The run ended before all its probes.")


def test_counts_have_the_most_frequent_first():
    assert counts({"503": 5, "200": 1234}) == "200: 1,234; 503: 5"


def test_a_cell_cannot_end_its_row():
    made = report(probe(500), servers=(server(title="a | b\nc"),))

    assert "| a \\| b; c |" in rates(made, Traffic.ONE).markdown()
