"""Real changes of this project's code, each given to the gate: which part of it caught what.

`python -m evidence.gate_mutations` edits a clone, runs `pricebench gate --base HEAD` in it, and keeps what was said
last of each change in reports/gate/mutations.jsonl. `gate_rates` makes the table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from evidence.gate_rates import MUTATIONS, ROOT, load_runs
from pricebench.files import atomic_write

# Five of the slim suite: every mode, both kinds of work.
_SELECT = "test_forward and (single or full and eager)"
_FORWARD = "        x = torch.relu_(self.hidden1(x))\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One edit.

    Attributes:
        name: In the table.
        file: What is edited.
        edits: Texts that are there once, and what takes their places.
        trains: The trained model of the checkout does not fit it: each tree trains its own.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    trains: bool = False


# Python's own time: TorchScript leaves it out, FX runs it while it traces, the compiler breaks its graph for the clock.
_WAIT = """

def _wait() -> None:
    import time

    until = time.perf_counter() + 0.00035
    while not torch.compiler.is_compiling() and time.perf_counter() < until:
        pass


class MLP(nn.Module):
"""

CHANGES = (
    Mutation(
        name="`inference_mode` dropped",
        file="src/pricebench/modes/base.py",
        edits=(
            (
                "            with torch.inference_mode():\n                return forward(x)\n",
                "            return forward(x)\n",
            ),
        ),
    ),
    Mutation(
        name="a graph break forced",
        file="src/pricebench/model.py",
        edits=(
            (
                _FORWARD,
                "        if not torch.jit.is_scripting():\n            torch._dynamo.graph_break()\n" + _FORWARD,
            ),
        ),
    ),
    Mutation(
        name="an extra clone",
        file="src/pricebench/model.py",
        edits=((_FORWARD, _FORWARD + "        x = x.clone()\n"),),
    ),
    Mutation(
        name="hidden layers 10 % wider",
        file="src/pricebench/model.py",
        edits=(("hidden: int = 256", "hidden: int = 282"),),
        trains=True,
    ),
    Mutation(
        name="`compile` silently eager",
        file="src/pricebench/modes/compile.py",
        edits=(("    compiled: Forward = torch.compile(module)\n", "    compiled: Forward = module\n"),),
    ),
    # Twice: a red gate stays red.
    *(
        Mutation(
            name=f"0.35 ms of Python in `MLP.forward`, 15 % of an eager full batch, {which}",
            file="src/pricebench/model.py",
            edits=(
                ("\n\nclass MLP(nn.Module):\n", _WAIT),
                (_FORWARD, "        if not torch.jit.is_scripting():\n            _wait()\n" + _FORWARD),
            ),
        )
        for which in ("once", "again")
    ),
)


def main() -> int:
    """Try the mutations, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help="only those whose name holds this text")
    options = parser.parse_args()
    for mutation in CHANGES:
        if options.k in mutation.name:
            record = tried(mutation)
            records = [each for each in load_runs(MUTATIONS) if each["name"] != mutation.name] + [record]
            lines = [json.dumps(each, separators=(",", ":"), ensure_ascii=False) + "\n" for each in records]
            with atomic_write(MUTATIONS) as file:
                file.write("".join(lines).encode())
            sys.stderr.write(f"{json.dumps(record, ensure_ascii=False)}\n")
    return 0


def tried(mutation: Mutation) -> dict[str, object]:
    """Run the gate on the mutation in a clone."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)  # noqa: S607
        if not mutation.trains and (ROOT / "artifacts").is_dir():
            shutil.copytree(ROOT / "artifacts", clone / "artifacts")
        path = clone / mutation.file
        text = path.read_text(encoding="utf-8")
        for old, new in mutation.edits:
            assert text.count(old) == 1, f"{mutation.file} has changed: {mutation.name}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pricebench", "gate", "--base", "HEAD", "--json", "-k", _SELECT]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    if not done.stdout:
        return {"name": mutation.name, "exit_code": done.returncode, "error": done.stderr.strip()[-500:]}
    found = json.loads(done.stdout)
    return {
        "name": mutation.name,
        "commit": found["base"],
        "exit_code": done.returncode,
        "sentence": found["sentence"],
        "verdicts": {each["benchmark"]: each["verdict"] for each in found["findings"]},
        "changes": {each["benchmark"]: each["change"] for each in found["findings"]},
        "notes": {each["benchmark"]: each["note"] for each in found["findings"] if each["note"]},
        "structure": found["structure"],
        "blocks": len(found["blocks"]),
        "seconds": round(found["seconds"], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
