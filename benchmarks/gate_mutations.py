"""Real changes of this project's code, each given to the gate: which part of it caught what.

`python -m benchmarks.gate_mutations` edits a clone, runs `pricebench gate --base HEAD` in it, and appends what was said
to reports/gate/mutations.jsonl. `gate_rates` makes the table.
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

from benchmarks.gate_rates import MUTATIONS, ROOT

# Five of the slim suite: every mode, both kinds of work.
_SELECT = "test_forward and (single or full and eager)"
_FORWARD = "        x = torch.relu_(self.hidden1(x))\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One edit.

    Attributes:
        name: In the table.
        file: What is edited.
        old: Text that is there once.
        new: What takes its place.
        trains: The trained model of the checkout does not fit it: each tree trains its own.
    """

    name: str
    file: str
    old: str
    new: str
    trains: bool = False


# TorchScript, FX and the compiler leave it out: eager becomes slower, and nothing else changes.
_SPIN = """        if not (torch.jit.is_scripting() or torch.compiler.is_compiling() or isinstance(x, torch.fx.Proxy)):
            import time

            until = time.perf_counter() + 0.00030
            while time.perf_counter() < until:
                pass
"""

CHANGES = (
    Mutation(
        name="`inference_mode` dropped",
        file="src/pricebench/modes/base.py",
        old="            with torch.inference_mode():\n                return forward(x)\n",
        new="            return forward(x)\n",
    ),
    Mutation(
        name="a graph break forced",
        file="src/pricebench/model.py",
        old=_FORWARD,
        new="        if not torch.jit.is_scripting():\n            torch._dynamo.graph_break()\n" + _FORWARD,
    ),
    Mutation(
        name="an extra clone",
        file="src/pricebench/model.py",
        old=_FORWARD,
        new=_FORWARD + "        x = x.clone()\n",
    ),
    Mutation(
        name="hidden layers 10 % wider",
        file="src/pricebench/model.py",
        old="hidden: int = 256",
        new="hidden: int = 282",
        trains=True,
    ),
    Mutation(
        name="`compile` silently eager",
        file="src/pricebench/modes/compile.py",
        old="    compiled: Forward = torch.compile(module)\n",
        new="    compiled: Forward = module\n",
    ),
    # Twice: a red gate stays red.
    *(
        Mutation(
            name=f"0.3 ms in `MLP.forward`, 15 % of an eager full batch, {which}",
            file="src/pricebench/model.py",
            old=_FORWARD,
            new=_SPIN + _FORWARD,
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
            with MUTATIONS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
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
        assert text.count(mutation.old) == 1, f"{mutation.file} has changed: {mutation.name}"
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        command = [sys.executable, "-m", "pricebench", "gate", "--base", "HEAD", "--json", "-k", _SELECT]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    if not done.stdout:
        return {"name": mutation.name, "exit_code": done.returncode, "error": done.stderr.strip()[-500:]}
    found = json.loads(done.stdout)
    return {
        "name": mutation.name,
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
