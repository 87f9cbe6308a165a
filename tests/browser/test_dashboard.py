from __future__ import annotations

import csv
import http.client
import io
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from pricebench.dashboard.app import VIEWS
from pricebench.data import make_houses
from pricebench.modes.compile import MODE as COMPILE
from tests.browser.conftest import settle
from tests.dashboard.served import served
from tests.dashboard.stored import EVIL, MARKDOWN
from tests.server import HOUSE
from tests.server import served as serving

PATHS = ["" if view is VIEWS[0] else view.path for view in VIEWS]
RUN = "642c6316b8/0003_e4736a50_20261123T093135Z"


def query(page):
    return parse_qs(urlsplit(page.url).query)


def price(page):
    return page.get_by_test_id("stMetricValue").first


# ---- every page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("path", PATHS, ids=[view.path for view in VIEWS])
def test_a_page_opens_fits_its_window_and_asks_nobody_else(visit, screenshots, path, width, scheme):
    page = visit(path, width=width, scheme=scheme)
    if path not in {"predict", "debug"}:
        expect(page.get_by_test_id("stVegaLiteChart").locator("svg, canvas").first).to_be_visible()

    shown = page.evaluate("[document.documentElement.scrollWidth, getComputedStyle(document.body).colorScheme]")
    background = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")

    page.screenshot(path=screenshots / f"{path or VIEWS[0].path}-{width}-{scheme}.png", full_page=True)
    assert shown[0] <= width
    # rgb(255, 255, 255) on a light page, each below 40 on a dark one.
    assert all((int(part) > 200) == (scheme == "light") for part in re.findall(r"\d+", background)[:3])


def test_pages_are_reached_from_the_menu(visit):
    page = visit("")

    for view in VIEWS[1:]:
        page.get_by_test_id("stSidebarNav").get_by_text(view.title, exact=True).click()
        page.wait_for_url(f"**/{view.path}*")
        settle(page)
        expect(page).to_have_title(view.title)


# ---- what people do ------------------------------------------------------------------------------------------------


def test_the_price_changes_with_an_input_and_the_address_with_it(visit):
    page = visit("predict")
    before = price(page).inner_text()

    page.get_by_test_id("stNumberInputStepUp").first.click()

    expect(price(page)).not_to_have_text(before)
    page.wait_for_url("**/predict?income=*")
    after = price(page).inner_text()
    linked = visit(f"predict?{urlsplit(page.url).query}")
    expect(price(linked)).to_have_text(after)


def test_a_house_out_of_range_is_warned_about(visit):
    page = visit("predict?income=900000")

    expect(page.get_by_test_id("stAlert")).to_contain_text("extrapolation")


def test_compile_is_started_by_a_click_and_shows_its_price_when_it_is_done(visit):
    if reason := COMPILE.missing():
        pytest.skip(reason)
    page = visit("predict")

    page.get_by_role("button", name="Compile now").click()
    expect(page.get_by_text("compiling …")).to_be_visible()
    before = price(page).inner_text()
    page.get_by_test_id("stNumberInputStepUp").first.click()
    expect(price(page)).not_to_have_text(before)

    expect(page.get_by_text("compiling …")).to_have_count(0, timeout=180_000)
    expect(page.get_by_test_id("stMetricValue").last).to_contain_text("s")


def test_a_csv_is_priced_and_comes_back(visit):
    page = visit("predict")
    content = make_houses(20).frame().to_csv(index=False).encode()

    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(
        {"name": "houses.csv", "mimeType": "text/csv", "buffer": content}
    )
    expect(page.get_by_text("20 rows priced.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download with prices").click()

    priced = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert download.value.suggested_filename == "priced_houses.csv"
    assert len(priced) == 20
    assert all(float(row["predicted_price"]) > 0 for row in priced)


def test_a_link_leads_to_a_run_and_from_there_to_its_file(visit):
    page = visit(f"benchmarks?run={quote(RUN)}&bench=train_step&shape=residual")

    expect(page.get_by_text("Commit e4736a50 on main")).to_be_visible()
    assert query(page)["run"] == [RUN]
    page.get_by_role("link", name="This run's file").click()
    page.wait_for_url("**/debug?*")
    settle(page)

    assert query(page)["run"] == [RUN]
    expect(page.get_by_test_id("stJson")).to_contain_text("machine_info")


def test_a_click_on_a_point_opens_its_run(visit):
    page = visit("history?machine=642c6316b8&shapes=full")
    point = page.get_by_test_id("stVegaLiteChart").first.locator("g.mark-symbol.runs_marks path").first

    # Other lines' points may lie on top of it: which one is hit does not matter, all are of the same run.
    point.click(force=True)

    expect(page.get_by_text("The run that you picked:")).to_be_visible()
    page.get_by_role("link", name="The modes beside each other in this run").first.click()
    page.wait_for_url("**/benchmarks?*")
    settle(page)
    assert query(page)["run"] == ["642c6316b8/0001_e4736a50_20261123T092523Z"]


def test_a_trace_is_downloaded_as_it_is(visit):
    page = visit("time")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the trace").click()

    assert download.value.path().read_bytes() == b"a trace"


def test_what_a_server_does_is_shown_without_a_click(chromium, stored, screenshots, tmp_path):
    with (
        serving(stored / "artifacts") as priced,
        served(tmp_path, "--server", "http://{}:{}".format(*priced.address)) as address,
    ):
        page = chromium.new_page()
        page.goto(f"{address}/predict")
        settle(page)
        requests = page.get_by_test_id("stMetric").filter(has_text="Requests").get_by_test_id("stMetricValue")
        expect(requests).to_have_text("-")

        for _ in range(50):
            assert priced.price(HOUSE).status == 200

        # Some of them are what the page asked itself.
        expect(requests).to_contain_text(re.compile(r"\d /s"), timeout=15_000)
        expect(page.get_by_test_id("stVegaLiteChart").locator("svg, canvas")).to_have_count(3)
        page.screenshot(path=screenshots / "predict-served.png", full_page=True)
        page.close()


# ---- what nobody may do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "benchmarks", "history", "gate", "serving", "cliff", "debug"])
def test_names_from_files_are_shown_as_text(visit, path):
    # A dialog, which an executed alert would open, fails every test that uses `visit`.
    page = visit(f"{path}?machine=bbbbbbbbbb&look=Raw+run")

    assert page.evaluate("[...document.scripts].filter(script => script.textContent.includes('alert')).length") == 0
    assert page.get_by_test_id("stMain").locator("strong, a[href*='example.org'], .katex").count() == 0
    # As text, or as the value of what is chosen.
    page.wait_for_function(
        "name => [document.body, ...document.querySelectorAll('input')]"
        ".some(found => (found.value ?? found.innerText).includes(name))",
        arg=EVIL,
    )


def test_names_in_a_list_of_choices_and_in_warnings_are_text(visit):
    page = visit("benchmarks?machine=bbbbbbbbbb")

    expect(page.get_by_test_id("stAlert").filter(has_text=EVIL)).to_be_visible()
    shown = page.get_by_test_id("stAlert").filter(has_text="bold").inner_text().replace("\u2060", "")
    assert MARKDOWN in shown
    page.get_by_test_id("stSelectbox").filter(has_text="Benchmark").click()
    expect(page.get_by_role("option", name=EVIL)).to_be_visible()


def test_a_page_that_claims_another_host_is_refused(server):
    # What a site does whose name was pointed at this machine: the address is ours, the name is not.
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=10)
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }

    answers = {}
    for host in ("evil.example", urlsplit(server).netloc):
        connection.request("GET", "/_stcore/stream", headers={**upgrade, "Host": host})
        answers[host] = connection.getresponse().status
        connection.close()

    assert answers == {"evil.example": 403, urlsplit(server).netloc: 101}


def test_a_clean_clone_has_runs_and_names_the_command_for_a_model(chromium, stored, tmp_path):
    with served(stored, "--artifacts", str(tmp_path / "none")) as address:
        page = chromium.new_page()
        page.goto(f"{address}/predict")
        settle(page)

        expect(page.get_by_test_id("stCode")).to_contain_text("uv run pricebench train")
        page.close()
