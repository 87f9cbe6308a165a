"""Blocks of identical code, for knowing how often the gate is wrong: `python -m evidence.gate_bank`.

Base, head and the second copy of base are the same commit, so whatever the gate finds between them is false. Each block
is stored as soon as it is measured; a second call goes on where the first ended. `gate_rates` judges what lies there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pricebench.errors import PricebenchError
from pricebench.gate import trees
from pricebench.gate.bank import Bank
from pricebench.gate.conclusion import CONTROL_THRESHOLDS
from pricebench.gate.driver import Request, measure, prepare
from pricebench.gate.records import Arm, Pair
from pricebench.gate.settings import Settings
from pricebench.paired.slices import Experiment
from pricebench.paired.workspace import Workspace


def main() -> int:
    """Measure until the bank has as many blocks as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=200, help="that the bank shall have (default: %(default)s)")
    parser.add_argument("--bank", type=Path, default=Path("reports/gate/bank.jsonl"), help="(default: %(default)s)")
    parser.add_argument("--processes", choices=("fork", "spawn"), default="fork", help="(default: %(default)s)")
    options = parser.parse_args()
    talk = Console(stderr=True)
    try:
        measure_bank(options.bank, options.blocks, can_share=options.processes == "fork", talk=talk)
    except PricebenchError as error:
        talk.print(f"gate_bank: {error}", markup=False)
        return int(error.exit_code)
    except KeyboardInterrupt:
        talk.print("interrupted: what was measured is stored; the same command goes on")
        return 130
    return 0


def measure_bank(path: Path, num_blocks: int, *, can_share: bool, talk: Console) -> None:
    """Fill the bank."""
    root = trees.repository(Path.cwd())
    settings = Settings.load(root)
    suite, select = settings.chosen()
    request = Request(
        root=root, base="HEAD", head="HEAD", suite=suite, select=select, carry=settings.carry, can_share=can_share
    )
    with Workspace(root) as workspace:
        prepared = prepare(request, workspace, say=lambda words: talk.print(words, markup=False))
        bank = Bank.open(path, machine=prepared.on_head.machine, commit=prepared.head.commit)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=talk, disable=not talk.is_terminal) as bar:
            task = bar.add_task("blocks", total=num_blocks, completed=len(bank.blocks))

            def choose() -> tuple[Sequence[Pair], bool]:
                # The last number is written before the next block is asked for.
                return (prepared.pairs, True) if len(bank.blocks) < num_blocks else ((), False)

            share = CONTROL_THRESHOLDS * settings.threshold_of(prepared.control.head)
            experiment = Experiment(planted={Arm.CONTROL: share})
            for block in measure(prepared, choose, seed=1_000_003, experiment=experiment, first=len(bank.blocks)):
                bank.add(block)
                bar.update(task, completed=len(bank.blocks))
                if not talk.is_terminal:
                    talk.print(json.dumps({"block": block.number, "wall": block.wall, "others": block.others}))


if __name__ == "__main__":
    sys.exit(main())
