from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evidence.gate_rates import BANK, PAGES, Rate, filled, load_bank, load_runs, sections
from evidence.gate_rivals import RIVALS, asv, bencher, benchstat, conbench, criterion, github_action, pyperf, stored
from pricebench.paired.statistics import LOOKS

SIZE_LIMIT = 5_000_000


def noise(sd, *, blocks=120, slices=8, seed=0):
    chance = np.random.default_rng(seed)
    # What a process has to itself, and what a slice has.
    return np.exp(sd * chance.normal(size=(blocks, 1)) + 0.002 * chance.normal(size=(blocks, slices)))


def test_the_documents_say_what_the_committed_blocks_say():
    parts = sections()

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert filled(text, parts) == text
    together = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in parts if f"<!-- {name} -->" not in together] == []


def test_the_bank_is_large_enough_and_small_enough():
    bank = load_bank()

    assert len(bank.blocks) >= 200
    assert len(bank.blocks[0].seconds) >= 8
    assert BANK.stat().st_size < SIZE_LIMIT


def test_there_are_enough_real_runs_with_a_planted_slowdown():
    kinds = [run["kind"] for run in load_runs()]

    assert kinds.count("a spin of 10 %") >= 20


@pytest.mark.parametrize(("found", "tried"), [(0, 200), (3, 200), (200, 200)])
def test_bounds_are_those_of_scipys_exact_interval(found, tried):
    rate = Rate(found=found, tried=tried)
    # A one-sided bound of 95 % is an end of the two-sided interval of 90 %.
    low, high = stats.binomtest(found, tried).proportion_ci(confidence_level=0.90, method="exact")

    assert rate.upper == pytest.approx(high)
    assert rate.lower == pytest.approx(low)


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_rival_finds_a_process_twice_as_slow(rival):
    limit = 3.0 if "200 %" in rival.name else 2.0

    found = rival.rule(noise(0.01), limit * noise(0.01, seed=1))

    assert found
    assert all(found)


@pytest.mark.parametrize("rule", [stored(np.mean, 0.05), github_action(2.0), benchstat, asv, bencher, conbench])
def test_rivals_do_not_call_a_faster_process_slower(rule):
    assert not any(rule(noise(0.01), 0.5 * noise(0.01, seed=1)))


def test_stored_baselines_mistake_processes_for_changes():
    # By hand: the ratio of two processes that vary by 5 % is beyond 5 % in P(z > ln 1.05 / (0.05 sqrt 2)) = 24 %.
    found = stored(np.mean, 0.05)(noise(0.05, blocks=4000), noise(0.05, blocks=4000, seed=1))

    assert np.mean(found) == pytest.approx(stats.norm.sf(np.log(1.05) / (0.05 * 2**0.5)), abs=0.02)


@pytest.mark.parametrize(("rule", "blocks"), [(criterion, 400), (pyperf, 8000)])
def test_rules_that_test_rounds_mistake_processes_for_changes(rule, blocks):
    quiet = rule(noise(0.0, blocks=blocks), noise(0.0, blocks=blocks, seed=1))
    varied = rule(noise(0.05, blocks=blocks), noise(0.05, blocks=blocks, seed=1))

    assert np.mean(quiet) < np.mean(varied)
    # Both mean to err once in forty times on this side.
    assert np.mean(varied) > 0.04


def test_a_gate_run_may_not_need_more_blocks_than_the_bank_is_cut_into():
    from evidence.gate_rates import MOST_BLOCKS  # noqa: PLC0415 - beside what it is compared with

    assert MOST_BLOCKS in LOOKS
