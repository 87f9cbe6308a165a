from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import pytest

from evidence.object_store import ObjectStore
from evidence.readme import README, rendered
from pricebench.cli import main
from pricebench.data import make_houses
from pricebench.files import stored_reports
from pricebench.server.settings import PORT
from pricebench.training import TrainingConfig
from tests.dashboard.served import served
from tests.server import save_artifacts
from tests.server import served as served_prices

TEXT = README.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^uv run (pricebench [^#\n]*)", TEXT, re.MULTILINE)


def test_the_table_is_the_one_of_the_committed_run():
    assert rendered(TEXT) == TEXT


@pytest.mark.parametrize(("run", "row"), [("usa", "USA_Housing.csv"), ("california", "California housing.csv")])
def test_the_quality_figures_are_those_of_the_committed_trainings(run, row):
    metrics = json.loads((README.parent / "reports" / "training" / f"{run}.json").read_text())

    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {row}")]

    assert line.endswith(f"| {metrics['linear_r2']:.4f} | {metrics['r2']:.4f} |")
    assert f"--test-size {metrics['config']['test_size']} --split-seed {metrics['config']['split_seed']}" in line


def test_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]

    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_the_first_screen_has_both_commands():
    screen = "\n".join(TEXT.splitlines()[:30])

    assert "\npip install uv && uv run pytest benchmarks\n" in screen
    assert "\npip install uv && uv run pytest\n" in screen


@pytest.fixture
def desk(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with a file of houses and the committed runs, as a reader of the README would have."""
    monkeypatch.chdir(tmp_path)
    make_houses(200, seed=1).frame().to_csv("houses.csv", index=False)
    Path("data").mkdir()
    make_houses(200, seed=2).frame().to_parquet("data/houses.parquet")
    shutil.copytree(README.parent / "reports" / "history", "reports/history")
    monkeypatch.setenv("PRICEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    return tmp_path


# What takes minutes is begun, and ended early by its own option.
SHORTER = {
    "pricebench train": ["--epochs", "50"],
    "pricebench cliff": ["--budget", "1s"],
    "pricebench cliff --quick": ["--arm", "compile"],
}
# The gate's own tests run it, in a repository; here it shows the report on record, so that each option is one it has.
GATE_REPORT = stored_reports(README.parent / "reports" / "gate")[-1]
SHORTER |= {command.strip(): ["--from", str(GATE_REPORT)] for command in COMMANDS if "gate" in command.split()}
# So do those of `recommend`, which takes minutes.
ANSWER = stored_reports(README.parent / "reports" / "recommendations")[-1]
SHORTER |= {command.strip(): ["--from", str(ANSWER)] for command in COMMANDS if "recommend" in command.split()}


ENDLESS = ("pricebench dashboard", "pricebench serve")


@pytest.fixture
def _bucket(desk, monkeypatch):
    """The same runs as `s3://bucket/runs`."""
    with ObjectStore() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        bucket = boto3.resource("s3").create_bucket(Bucket="bucket")
        for path in (desk / "reports" / "history").rglob("*.json"):
            bucket.upload_file(str(path), f"runs/{path.relative_to(desk / 'reports' / 'history')}")
        yield
        bucket.objects.delete()
        bucket.delete()


@pytest.mark.usefixtures("_bucket")
def test_every_command_does_what_it_says(desk, capsys):
    ending = [command.strip() for command in COMMANDS if not command.startswith(ENDLESS)]
    assert len(ending) == 23

    for command in ending:
        _, name, *arguments = shlex.split(command)
        with pytest.raises(SystemExit) as ended:
            main([name, *SHORTER.get(command, []), *arguments])
        assert not ended.value.code, f"{command}: {capsys.readouterr().err}"

    houses, written = {"houses.csv", "data"}, {"artifacts", "priced.csv", "prices", "model.ts.pt", "reports"}
    assert {path.name for path in desk.iterdir()} == houses | written
    assert "$" in capsys.readouterr().out


def test_the_dashboard_starts_answers_and_ends_at_ctrl_c(desk):
    (command,) = [command for command in COMMANDS if command.startswith("pricebench dashboard")]

    # `served` asks for its health, presses Ctrl-C and looks at the exit status.
    with served(desk, *shlex.split(command)[2:]) as address:
        assert urlopen(address, timeout=10).status == 200  # noqa: S310 - our own server


def test_the_server_answers_the_line_that_asks_it(tmp_path):
    # On Ray it is the same application: tests/scaling/test_deployment.py.
    command, on_ray = [command for command in COMMANDS if command.startswith("pricebench serve")]
    ((url, header, value, body),) = re.findall(r"\$ curl (\S+) -H '(\S+): (\S+)' \\\n +-d '([^']+)'\n", TEXT)
    save_artifacts(tmp_path)

    with served_prices(tmp_path, *shlex.split(command)[2:]) as server:
        reply = server.ask("POST", urlsplit(url).path, body, {header: value})

    assert "--engine ray" in on_ray
    assert urlsplit(url).port == PORT
    assert reply.status == 200
    assert list(reply.body) == ["price", "range", "warnings", "model"]


@pytest.mark.parametrize("page", sorted((README.parent / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_name_files_that_exist(page: Path):
    names = re.findall(r"`((?:benchmarks|evidence|tests|src|docs)/[\w./-]+\.\w+)`", page.read_text(encoding="utf-8"))

    assert [name for name in names if not (README.parent / name).exists()] == []


def test_defaults_that_the_readme_states_are_those_of_the_code():
    assert TrainingConfig().batch_rows == 2048
    assert TrainingConfig().drop_last
