from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest

from pricebench.errors import DataError
from pricebench.scaling.bulk import begin, plan, run
from pricebench.scaling.cluster import ClusterError, cluster
from pricebench.scaling.engines import here, on_ray
from pricebench.scaling.manifest import Options
from pricebench.scaling.shards import cut, find
from tests.scaling import HEADER, HOUSE, contents, pricing_to, saved_model, write_parquet
from tests.scaling.running import LOOPBACK, descendants, is_running, listening, name_of, wait_until

OPTIONS = Options(
    model="1973", mode="eager", transforms=(), threads=1, shard_rows=1000, keeps_bad_rows=False, torch="2.15.0"
)


@pytest.fixture
def artifacts(tmp_path):
    return saved_model(tmp_path / "artifacts")


def price(engine, data, out):
    return run(begin(plan([str(data)], OPTIONS), str(out), is_resumed=False), str(out), engine)


def test_a_cluster_of_this_machine_prices_the_same_bytes_and_nobody_else_reaches_it(tmp_path, artifacts):
    write_parquet(tmp_path / "data" / "a.parquet", 3000, seed=1, group_rows=500)
    (tmp_path / "data" / "b.csv").write_text("\n".join([HEADER, *[HOUSE] * 500]))
    (tmp_path / "wrong.csv").write_text(f"{HEADER}\n{HOUSE}\n{HOUSE.replace('6', 'six', 1)}\n")
    there_before = descendants(os.getpid())  # compilers that another test has started
    good, wrong = cut(find([str(tmp_path / "data")]), 1000), cut(find([str(tmp_path / "wrong.csv")]))
    pricing = pricing_to(tmp_path / "one", artifacts)
    with here(pricing, pricing.predictor()) as price:
        alone = list(price(good))

    with on_ray(pricing_to(tmp_path / "two", artifacts)) as price:
        with pytest.raises(DataError) as error:
            list(price(wrong))
        together = list(price(good))
        reached_at = listening(descendants(os.getpid()) - there_before)

    assert str(error.value) == "wrong.csv, row 2: income is 'six8000', expected a number. Fix the row or drop it."
    assert len(alone) == 4
    assert sorted(together, key=lambda shard: shard.index) == alone
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list((tmp_path / "two").glob(".*"))
    assert reached_at
    assert reached_at <= LOOPBACK
    assert descendants(os.getpid()) <= there_before, "the cluster ends with the work"


def test_where_nobody_answers_is_said_before_anything_is_written(tmp_path, artifacts):
    write_parquet(tmp_path / "data" / "a.parquet", 10, seed=1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(ClusterError) as error:
        price(on_ray(pricing_to(tmp_path / "out", artifacts), address), tmp_path / "data", tmp_path / "out")

    assert str(error.value).startswith(f"--address {address}: expected a Ray cluster, found nobody who answers")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["somewhere", "ray://10.0.0.1", ":6379"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ClusterError, match="expected HOST:PORT"), cluster(address, needed_by="a test"):
        pass


# ---- what ends a process, in a process of its own -------------------------------------------------------------------

NODE_WITHOUT_PRICEBENCH = """
import os, sys
from pricebench.scaling.cluster import LOOPBACK, QUIET
os.environ.update(QUIET | LOOPBACK)
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": sys.argv[1]})
from pricebench.cli import main
try:
    main(["predict", *sys.argv[2:], "--engine", "ray", "--address", cluster.address])
finally:
    cluster.shutdown()
"""


def test_a_node_without_our_code_is_named_before_anything_is_written(tmp_path, artifacts):
    # Python's own way to hide a package, for every process of that node.
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys; sys.modules['pricebench'] = None\n")
    write_parquet(tmp_path / "data" / "a.parquet", 10, seed=1)

    command = [sys.executable, "-c", NODE_WITHOUT_PRICEBENCH, str(tmp_path / "hidden"), "data/", "--out", "out"]
    ended = subprocess.run(
        [*command, "--artifacts", str(artifacts)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("pricebench: ")]
    assert line.startswith("pricebench: node 127.0.0.1 of the cluster cannot import pricebench (")
    assert not (tmp_path / "out").exists()


AUTHENTICATED_CLUSTER = """
import os, sys
from pricebench.scaling.cluster import LOOPBACK, QUIET
os.environ.update(QUIET | LOOPBACK | {"RAY_AUTH_MODE": "token"})
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def test_a_cluster_that_asks_for_a_token_gets_the_users(tmp_path, artifacts):
    # As `ray start` makes one, where `ray get-auth-token --generate` has left a token.
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    write_parquet(tmp_path / "data" / "a.parquet", 10, seed=1)
    environment = os.environ | {"HOME": str(tmp_path)}
    command = [sys.executable, "-c", AUTHENTICATED_CLUSTER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as cluster:
        address = cluster.stdout.readline().strip()
        command = [sys.executable, "-m", "pricebench", "predict", "data/", "--out", "out", "--engine", "ray"]
        command += ["--address", address, "--artifacts", str(artifacts)]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        cluster.stdin.close()

    assert ended.returncode == 0, ended.stderr
    assert len(contents(tmp_path / "out")) == 1


CLUSTER_OF_OUR_OWN = """
import time
from pricebench.scaling.cluster import cluster
with cluster(num_cpus=1, needed_by="a test"):
    open("ready", "w").close()
    time.sleep(600)
"""


def test_whoever_had_a_cluster_lives_on(tmp_path):
    # It has files of the cluster open for as long as it lives.
    code = f"{CLUSTER_OF_OUR_OWN.partition('    open')[0]}    pass\nopen('after', 'w').close()"

    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)

    assert ended.returncode == 0
    assert (tmp_path / "after").exists()


def test_nothing_is_left_of_a_cluster_whose_command_was_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", CLUSTER_OF_OUR_OWN], cwd=tmp_path) as command:
        wait_until((tmp_path / "ready").exists, seconds=120)
        there = descendants(command.pid)
        command.kill()

    assert {"gcs_server", "raylet"} <= {name_of(pid) for pid in there}
    wait_until(lambda: not any(is_running(pid) for pid in there), seconds=30)


def test_a_full_disk_is_one_line_and_leaves_whole_files(tmp_path, artifacts):
    write_parquet(tmp_path / "data" / "a.parquet", 20_000, seed=1, group_rows=1000)
    write_parquet(tmp_path / "data" / "b.parquet", 20_000, seed=2)
    # No file may grow beyond 400 kB: the second shard is 900, the others are 50.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));"
        "from pricebench.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "predict", "data/", "--out", "out", "--artifacts", str(artifacts)]

    ended = subprocess.run(
        [*command, "--shard-rows", "1000"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "pricebench: prices-00020.parquet: cannot be written: File too large. Make room and go on with --resume."
    )
    assert len(contents(tmp_path / "out")) == 20
    assert not list((tmp_path / "out").glob(".*"))
    shutil.rmtree(tmp_path / "out")
