from __future__ import annotations

import pytest

from pricebench.load import LoadMeter, busy_seconds


def stat_line(*, user, steal=0):
    return f"cpu  {user} 0 0 1000 0 0 0 {steal} 0 0\ncpu0 1 2 3\n"


@pytest.fixture
def machine(tmp_path):
    """A processor whose counters a test sets, and its clock."""

    class Machine:
        stat = tmp_path / "stat"
        now = 0.0

        def set(self, *, now, user, steal=0):
            self.now = now
            self.stat.write_text(stat_line(user=user, steal=steal))

    return Machine()


def test_an_idle_machine_gives_no_warning(machine):
    machine.set(now=0.0, user=100)
    meter = LoadMeter(clock=lambda: machine.now, stat=machine.stat)

    machine.set(now=10.0, user=100)

    assert meter.warnings() == []


def test_other_programs_are_reported_in_cores(machine):
    machine.set(now=0.0, user=0)
    meter = LoadMeter(clock=lambda: machine.now, stat=machine.stat)

    machine.set(now=1000.0, user=100_000)  # 100 ticks a second on every Linux: one core all the time

    assert meter.warnings() == ["busy machine: other programs used 1.00 cores"]


def test_time_that_the_hypervisor_took_is_reported(machine):
    machine.set(now=0.0, user=0)
    meter = LoadMeter(clock=lambda: machine.now, stat=machine.stat)

    machine.set(now=100.0, user=0, steal=5_000)

    assert meter.warnings() == ["busy host: the hypervisor withheld 0.50 cores"]


@pytest.mark.parametrize("content", ["", "cpu a b c", "cpu 1 2 3"])
def test_a_system_without_counters_is_unknown_not_idle_and_not_an_error(tmp_path, content):
    stat = tmp_path / "stat"
    stat.write_text(content)

    assert LoadMeter(stat=stat).warnings() == []
    assert LoadMeter(stat=tmp_path / "none").warnings() == []


def test_shares_are_in_cores_and_leave_out_children_that_run(machine):
    machine.set(now=0.0, user=0)
    meter = LoadMeter(clock=lambda: machine.now, stat=machine.stat)

    machine.set(now=1000.0, user=100_000, steal=50_000)

    others, stolen = meter.shares(own=400.0)
    # 1000 s of one core, 400 of them by a child of ours; this process's own time is milliseconds.
    assert others == pytest.approx(0.6, abs=0.01)
    assert stolen == pytest.approx(0.5)


def test_busy_seconds_are_all_but_idle_ones(tmp_path):
    stat = tmp_path / "stat"
    # user nice system idle iowait irq softirq steal, in ticks of a hundredth of a second.
    stat.write_text("cpu  100 20 30 9999 9999 4 6 9999 0 0\n")

    assert busy_seconds(stat) == pytest.approx(1.6)
    assert busy_seconds(tmp_path / "none") is None
