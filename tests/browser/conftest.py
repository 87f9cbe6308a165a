"""A real server and a real Chromium, started once for all tests of this folder."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from pricebench.artifacts import save_metrics
from pricebench.traffic.records import Purpose
from tests.browser.traces import keep_analyses
from tests.cliff.made import cell, report
from tests.dashboard.recommended import recommendation
from tests.dashboard.served import served
from tests.dashboard.stored import EVIL, FACTS, MARKDOWN, forward, keep, stored_benchmark, stored_run
from tests.gate.made import block as gate_block
from tests.gate.made import finding as gate_finding
from tests.gate.made import report as gate_report
from tests.limits.made import limits, rate
from tests.serving import untrained_artifacts
from tests.traffic.made import OURS, RIVAL, probe, whole
from tests.traffic.made import server as load_server

PROJECT = Path(__file__).parents[2]
_FLAGS = (
    "--no-sandbox",  # Chromium refuses root otherwise, and containers lack what the sandbox needs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A page below the root looks for the server beside itself before it looks at the root; streamlit's own way.
_LOOKING = re.compile(r"/\w+/_stcore/(health|host-config)$")
_SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


def stored_cliff():
    """A report whose arm is called what no page may execute."""
    level = (1.0, 1.0, 1.0, 1.0)
    compiled = cell(EVIL, (1.0, 1.0, 1.5, 1.5), first=2.0, stall=1.0, served=("g0", "g1"))
    return report(cell("eager", level), compiled)


def stored_gate():
    """A report whose benchmark, note and warning are what no page may execute."""
    name = f"bench.py::{EVIL}"
    measured = {"num_blocks": 8, "num_slower": 8, "change": 0.1, "low": 0.08, "high": 0.12, "base": 1.0, "head": 1.1}
    slower = gate_finding("slower", name, note=MARKDOWN, **measured)
    blocks = tuple(gate_block(number, head=0.1, name=name) for number in range(8))
    return gate_report(slower, structure=(MARKDOWN,), warnings=(EVIL, MARKDOWN), blocks=blocks)


def stored_recommendations():
    """Two of one workload, the newer with what no page may execute in its words."""
    newer = recommendation(0.6, warnings=(EVIL, MARKDOWN))
    newer = replace(newer, sentence=f"{newer.sentence} {EVIL} {MARKDOWN}", notes=(MARKDOWN,))
    return recommendation(1.2, torch="2.11.0"), newer


def stored_load():
    """Servers under load, one of them called as a trap."""
    rates = [
        probe(rate, name=name, p99=p99 * rate / 500, purpose=Purpose.FIXED)
        for name, p99 in ((OURS, 2e-4), (RIVAL, 1e-3))
        for rate in (500, 2_000, 6_000)
    ]
    made = whole(warnings=(EVIL, MARKDOWN), servers=(load_server(), load_server(RIVAL, is_ours=False, title=EVIL)))
    return replace(made, probes=(*made.probes, *rates))


def stored_limits():
    """Limits of the machine with the traps; a library is one too."""
    return limits(rate(EVIL, 60), rate(MARKDOWN, 100), machine={**FACTS, "cpu": EVIL}, warnings=(EVIL,))


@pytest.fixture(scope="package")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"needs a browser, none of {', '.join(names)} is on the PATH (Debian: apt-get install chromium)")
    # Not for longer than this folder's tests: as long as it lives, an event loop runs in this thread.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stored(tmp_path_factory):
    """The committed runs, a machine whose names are traps, traces, and a model."""
    home = tmp_path_factory.mktemp("dashboard")
    shutil.copytree(PROJECT / "reports" / "history", home / "reports" / "history")
    traps = stored_run(
        [*forward({EVIL: 1e-3, MARKDOWN: 2e-3}), stored_benchmark(f"test_{EVIL}", (EVIL, MARKDOWN), 1.0)],
        day=-400,
        fingerprint="bbbbbbbbbb",
        branch=EVIL,
        warnings=[EVIL, MARKDOWN],
        facts={**FACTS, "cpu": EVIL},
    )
    keep(home / "reports", traps)
    keep_analyses(home / "reports" / "traces")
    (home / "reports" / "cliff").mkdir()
    stored_cliff().save(home / "reports" / "cliff" / "aaaaaaaaaa_20260101T000000Z.json")
    (home / "reports" / "gate").mkdir()
    stored_gate().save(home / "reports" / "gate" / "aaaaaaaaaa_20260101T000000Z.json")
    (home / "reports" / "recommendations").mkdir()
    for number, recommended in enumerate(stored_recommendations(), start=1):
        recommended.save(home / "reports" / "recommendations" / f"aaaaaaaaaa_2026010{number}T000000Z.json")
    (home / "reports" / "serving").mkdir()
    stored_load().save(home / "reports" / "serving" / "aaaaaaaaaa_20260101T000000Z.json")
    (home / "reports" / "limits").mkdir()
    stored_limits().save(home / "reports" / "limits" / "aaaaaaaaaa_20260101T000000Z.json")
    artifacts = untrained_artifacts()
    artifacts.save(home / "artifacts")
    residuals = {"0.05": -150_000.0, "0.25": -60_000.0, "0.5": 0.0, "0.75": 60_000.0, "0.95": 150_000.0}
    digest = artifacts.stats.model_digest
    save_metrics(home / "artifacts", {"residual_quantiles": residuals, "num_test": 1_000, "model_digest": digest})
    return home


@pytest.fixture(scope="package")
def server(stored):
    with served(stored) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """Open a page of the dashboard; afterwards nothing may have gone wrong in it, nor left this machine."""
    contexts, wrong = [], []

    def opened(path, *, width=1280, height=900, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: wrong.append(f"console: {message.text}") if _is_wrong(message) else None)
        page.on("request", lambda request: _is_ours(request.url, server) or wrong.append(f"request: {request.url}"))
        page.goto(f"{server}/{path}")
        settle(page)
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            wrong += [
                f"on the page: {found.inner_text()}" for found in page.query_selector_all("[data-testid=stException]")
            ]
        context.close()
    assert wrong == []


def settle(page):
    """Wait until the page is drawn."""
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_selector(_SETTLED, state="attached", timeout=60_000)


def _is_wrong(message):
    return message.type == "error" and not _LOOKING.search(message.location.get("url", ""))


def _is_ours(url, server):
    return url.startswith((server, server.replace("http", "ws", 1), "data:", "blob:"))


@pytest.fixture
def screenshots(pytestconfig, tmp_path):
    folder = pytestconfig.getoption("--screenshots") or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
