"""What the README promises: in an empty repository with a model, from the wheel, with no file of ours."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.gate.test_trees import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an environment there has other folders")

MODEL = """import torch
from torch import nn


def build():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    return module, torch.randn(4, 8), {"batch": 0}
"""
# One benchmark, briefly: the suite itself is measured elsewhere.
BRIEF = ("-k", "eager and single", "--benchmark-max-time=0.02", "--threads", "1")


def test_a_repository_is_given_benchmarks_that_compare_gate_and_show(full_install, tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "mymodel.py").write_text(MODEL)
    git(root, "init", "--quiet", "--initial-branch=main")
    made = full_install.run("pricebench", "init", "mymodel:build", cwd=root)
    assert made.returncode == 0, made.stderr
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "benchmarks")

    first = full_install.run("pytest", "benchmarks", *BRIEF, cwd=root)
    second = full_install.run("pytest", "benchmarks", "--benchmark-compare", *BRIEF, cwd=root)

    assert first.returncode == 0, first.stdout + first.stderr
    assert re.search(r"1 passed, \d+ deselected", first.stdout)
    assert "compared with the stored run 0001_" in second.stdout
    assert "/ stored" in second.stdout
    for path in root.glob("reports/history/*/*.json"):
        (benchmark,) = json.loads(path.read_text())["benchmarks"]
        assert benchmark["extra_info"]["workload"] == "mymodel"

    listed = full_install.run("pricebench", "history", "list", cwd=root)
    assert (listed.stdout.count("0001_"), listed.stdout.count("0002_")) == (1, 1), listed.stderr

    gate = ("gate", "--base", "main", "-k", "eager and single", "--budget", "5s", "--json")
    judged = full_install.run("pricebench", *gate, cwd=root)
    # Five seconds may decide nothing; that it measured both sides is the point.
    (finding,) = json.loads(judged.stdout)["findings"]
    assert finding["benchmark"] == "benchmarks/test_modes.py::test_forward[eager-single]"
    assert finding["verdict"] in ("ok", "undecided"), judged.stderr

    assert health(full_install, root) == "ok"


def health(environment, root):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(environment.program("pricebench")), "dashboard", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=root, env=environment.variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                        return answer.read().decode()
                except (URLError, ConnectionError):
                    continue
            return "no answer"
        finally:
            process.kill()
