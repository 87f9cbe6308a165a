"""How often the gate is wrong, and what it finds: `python -m evidence.gate_rates`, from the committed blocks.

The blocks of `gate_bank` are of identical code, so every `slower` in them is false. The same blocks with head's times
multiplied show what would be found. `--write` puts the tables into docs/how-we-judge.md and the README, and a test
holds both to what this computes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from evidence.gate_rivals import RIVALS, Samples
from pricebench.errors import PricebenchError
from pricebench.gate.bank import Bank
from pricebench.gate.conclusion import judge_pair
from pricebench.gate.judge import Verdict, judge, log_ratios
from pricebench.gate.records import Arm, Pair
from pricebench.gate.report import Finding
from pricebench.paired.records import Block
from pricebench.paired.statistics import LOOKS

ROOT = Path(__file__).parents[1]
BANK = ROOT / "reports" / "gate" / "bank.jsonl.gz"
RUNS = ROOT / "reports" / "gate" / "runs.jsonl"
MUTATIONS = ROOT / "reports" / "gate" / "mutations.jsonl"
PAGES = (ROOT / "docs" / "how-we-judge.md", ROOT / "README.md")
THRESHOLD = 0.05
MOST_BLOCKS = 16  # of one gate run here, so that there are many; few need more than the first look
SLOWDOWNS = (0.05, 0.075, 0.10, 0.15)
CONFIDENCE = 0.95
NUM_DRAWN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of how many."""

    found: int
    tried: int

    @property
    def share(self) -> float:
        """Found of tried."""
        return self.found / self.tried

    @property
    def upper(self) -> float:
        """Exact one-sided 95 % bound (Clopper and Pearson 1934)."""
        return (
            1.0
            if self.found == self.tried
            else float(stats.beta.ppf(CONFIDENCE, self.found + 1, self.tried - self.found))
        )

    @property
    def lower(self) -> float:
        """The other one."""
        return 0.0 if not self.found else float(stats.beta.ppf(1 - CONFIDENCE, self.found, self.tried - self.found + 1))

    def __add__(self, other: Rate) -> Rate:
        return Rate(found=self.found + other.found, tried=self.tried + other.tried)


def ratios_of(bank: Bank, head: Arm = Arm.HEAD, against: Sequence[Arm] = (Arm.BASE, Arm.NULL)) -> dict[str, Samples]:
    """The logarithms of the ratios of all blocks, by benchmark."""
    names = list(bank.blocks[0].seconds)
    return {name: log_ratios(bank.blocks, name, head, against) for name in names}


def gate_runs(bank: Bank, slowdown: float) -> list[dict[str, Verdict]]:
    """Disjoint gate runs, each of as many blocks as it needs, with head slowed down; judged as the gate judges."""
    blocks = [_slowed(block, slowdown) for block in bank.blocks]
    runs, start = [], 0
    while start + MOST_BLOCKS <= len(blocks):
        found = {name: _judged(blocks[start : start + MOST_BLOCKS], name) for name in blocks[0].seconds}
        runs.append({name: finding.verdict for name, finding in found.items()})
        start += max(finding.num_blocks for finding in found.values())
    return runs


def _slowed(block: Block, slowdown: float) -> Block:
    seconds = {
        name: {
            arm: tuple(value * (1 + slowdown) for value in slices) if arm == Arm.HEAD else slices
            for arm, slices in arms.items()
        }
        for name, arms in block.seconds.items()
    }
    return replace(block, seconds=seconds)


def _judged(blocks: Sequence[Block], name: str) -> Finding:
    """What a run says that has these blocks to spend."""
    pair = Pair(base=name, head=name)
    looks = [look for look in LOOKS if look <= len(blocks)]
    found = (judge_pair(blocks[:look], pair, THRESHOLD) for look in looks)
    return next((finding for finding in found if finding.is_final), judge_pair(blocks, pair, THRESHOLD))


def drawn_runs(ratios: dict[str, Samples]) -> list[dict[str, Verdict]]:
    """Gate runs of identical code whose blocks are drawn at random: as if the blocks did not depend on their time."""
    chance = np.random.default_rng(0)
    total = min(map(len, ratios.values()))
    runs = []
    for _ in range(NUM_DRAWN):
        chosen = chance.integers(total, size=MOST_BLOCKS)
        runs.append({name: judge(values[chosen], THRESHOLD).verdict for name, values in ratios.items()})
    return runs


def rate(runs: Iterable[dict[str, Verdict]], *verdicts: Verdict) -> Rate:
    """Verdicts of a kind among all."""
    given = [verdict for run in runs for verdict in run.values()]
    return Rate(found=sum(verdict in verdicts for verdict in given), tried=len(given))


def rival_rates(bank: Bank, slowdowns: Sequence[float]) -> dict[str, dict[float, Rate]]:
    """Of every rival the share of `slower`, at each slowdown."""
    names = list(bank.blocks[0].seconds)
    found: dict[str, dict[float, Rate]] = {}
    for rival in RIVALS:
        rates = {}
        for slowdown in slowdowns:
            verdicts: list[bool] = []
            for name in names:
                base, head = (
                    np.array([block.seconds[name][arm] for block in bank.blocks]) for arm in (Arm.BASE, Arm.HEAD)
                )
                verdicts += rival.rule(base, head * (1 + slowdown))
            rates[slowdown] = Rate(found=sum(verdicts), tried=len(verdicts))
        found[rival.name] = rates
    return found


@cache
def load_bank(path: Path = BANK) -> Bank:
    """The committed blocks."""
    return Bank.load(path)


def load_runs(path: Path = RUNS) -> list[dict[str, Any]]:
    """The real gate runs, or mutations, on record."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---- tables --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What all rules say of a bank, by slowdown; 0 is identical code.

    Attributes:
        ours: The runs of the gate.
        theirs: By rival the share of `slower`.
    """

    ours: dict[float, list[dict[str, Verdict]]]
    theirs: dict[str, dict[float, Rate]]

    @classmethod
    def of(cls, bank: Bank) -> Results:
        """Judge the bank by every rule."""
        slowdowns = (0.0, *SLOWDOWNS)
        return cls(
            ours={slowdown: gate_runs(bank, slowdown) for slowdown in slowdowns},
            theirs=rival_rates(bank, slowdowns),
        )

    def rate(self, slowdown: float) -> Rate:
        """Of `slower` by the gate."""
        return rate(self.ours[slowdown], Verdict.SLOWER)


def rates_table(bank: Bank, results: Results) -> str:
    """False alarms and power of the gate and its rivals on the same blocks, as Markdown."""
    ratios = ratios_of(bank)
    unchanged = results.ours[0.0]
    slower, faster = rate(unchanged, Verdict.SLOWER), rate(unchanged, Verdict.FASTER)
    undecided = rate(unchanged, Verdict.UNDECIDED)
    drawn = rate(drawn_runs(ratios), Verdict.SLOWER)
    red = sum(Verdict.SLOWER in run.values() for run in unchanged)
    summary = (
        f"{len(bank.blocks)} blocks of identical code, {len(ratios)} benchmarks, cut into {len(unchanged)} disjoint "
        f"gate runs, {slower.tried} verdicts in all: {slower.found} false `slower` ({_percent(slower.share)} of the "
        f"verdicts, at most {_percent(slower.upper)} with 95 % confidence, exact), {faster.found} false `faster`, "
        f"{undecided.found} `undecided`; {red} of {len(unchanged)} runs would have blocked. In runs whose blocks are "
        f"drawn at random from the same ones, with replacement: {drawn.found} of {drawn.tried}."
    )
    lines = [
        summary,
        "",
        f"| rule | verdicts | false alarms | {' | '.join(f'finds {_percent(slowdown)}' for slowdown in SLOWDOWNS)} |",
        f"|---|---:|---:|{'---:|' * len(SLOWDOWNS)}",
    ]
    ours = [results.rate(slowdown) for slowdown in results.ours]
    lines.append(_row("**pricebench gate**", ours))
    lines.append(_counts_row("of so many", ours))
    lines += [_row(name, list(rates.values())) for name, rates in results.theirs.items()]
    return "\n".join(lines)


def spread_table(bank: Bank) -> str:
    """Per benchmark how identical code differs from block to block, as Markdown."""
    lines = [
        "| benchmark | mean | standard deviation of a block | largest | of the two copies of base |",
        "|---|---:|---:|---:|---:|",
    ]
    nulls = ratios_of(bank, Arm.NULL, (Arm.BASE,))
    for name, values in ratios_of(bank).items():
        shares = (values.mean(), values.std(ddof=1), np.abs(values).max(), nulls[name].std(ddof=1))
        lines.append(f"| `{name.partition('::')[2]}` | {' | '.join(f'{100 * share:.2f} %' for share in shares)} |")
    return "\n".join(lines)


def runs_table(runs: Sequence[dict[str, Any]]) -> str:
    """The real gate runs, by what was done to them, as Markdown."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        kinds[run["kind"]].append(run)
    lines = [
        "| what was done to head | runs | verdicts | slower | undecided | ok or faster | exit | blocks | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, members in kinds.items():
        given = Counter(verdict for run in members for verdict in run["verdicts"].values())
        total = given.total()
        blocks = sorted(run["blocks"] for run in members)
        seconds = sorted(round(run["seconds"]) for run in members)
        codes = ", ".join(f"{number} x {code}" for code, number in Counter(r["exit_code"] for r in members).items())
        lines.append(
            f"| {kind} | {len(members)} | {total} | {given['slower']} ({_percent(given['slower'] / total)}) "
            f"| {given['undecided']} | {given['ok'] + given['faster']} "
            f"| {codes} | {_range(blocks)} | {_range(seconds)} |"
        )
    return "\n".join(lines)


def mutations_table(mutations: Sequence[dict[str, Any]]) -> str:
    """Which part of the gate caught which change, as Markdown."""
    kinds = (Verdict.SLOWER, Verdict.FASTER, Verdict.UNDECIDED, Verdict.WRONG)
    lines = [f"| change | exit | structure | {' | '.join(kinds)} |", f"|---|---:|---|{'---|' * len(kinds)}"]
    for each in mutations:
        structure = each["structure"]
        told = f"{len(structure)}: {structure[0]}" if structure else "-"
        cells = [each["name"], str(each["exit_code"]), told, *(_with_changes(each, kind) for kind in kinds)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_changes(record: dict[str, Any], kind: Verdict) -> str:
    """The benchmarks with a verdict, and by how much they changed where that is known."""
    told = []
    for name, verdict in record["verdicts"].items():
        if verdict == kind:
            change = record["changes"][name]
            told.append(f"`{name.partition('::')[2]}`" + (f" {_percent(change)}" if change is not None else ""))
    return ", ".join(told) or "-"


def headline(bank: Bank, results: Results) -> str:
    """What the README says."""
    slower, found = results.rate(0.0), results.rate(0.10)
    theirs = results.theirs["pytest-benchmark, `mean:10%`"]
    return (
        f"On {len(bank.blocks)} blocks of identical code it called {slower.found} of {slower.tried} verdicts slower "
        f"(at most {_percent(slower.upper)}, exact 95 % bound) and found {_percent(found.share)} of the slowdowns "
        f"of 10 %; `--benchmark-compare-fail=mean:10%`, which compares one process with one, on the same blocks: "
        f"{_percent(theirs[0.0].share)} false alarms, {_percent(theirs[0.10].share)} found."
    )


def _row(name: str, rates: Sequence[Rate]) -> str:
    return f"| {name} | {rates[0].tried} | {' | '.join(_percent(each.share) for each in rates)} |"


def _counts_row(name: str, rates: Sequence[Rate]) -> str:
    return f"| {name} | | {' | '.join(f'{each.found}/{each.tried}' for each in rates)} |"


def _percent(share: float) -> str:
    text = f"{100 * share:.2f}" if 0 < share < 0.01 else f"{100 * share:.1f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def _range(ordered: Sequence[float]) -> str:
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def sections() -> dict[str, str]:
    """Every part of a document that is made from the blocks, by the name in its markers."""
    bank = load_bank()
    results = Results.of(bank)
    return {
        "gate rates": rates_table(bank, results),
        "gate spread": spread_table(bank),
        "gate runs": runs_table(load_runs()),
        "gate mutations": mutations_table(load_runs(MUTATIONS)),
        "gate headline": headline(bank, results),
    }


def filled(text: str, parts: dict[str, str]) -> str:
    """A document with its marked parts made anew."""
    for name, part in parts.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        text = marked.sub(lambda found, part=part: found[1] + part + found[2], text)  # type: ignore[misc]
    return text


def main() -> int:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into the documents")
    parser.add_argument("--bank", type=Path, help="another bank: only printed")
    options = parser.parse_args()
    try:
        if options.bank:
            bank = load_bank(options.bank)
            sys.stdout.write("\n\n".join([rates_table(bank, Results.of(bank)), spread_table(bank)]) + "\n")
            return 0
        parts = sections()
    except PricebenchError as error:
        sys.stderr.write(f"gate_rates: {error}\n")
        return int(error.exit_code)
    if options.write:
        for page in PAGES:
            page.write_text(filled(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    else:
        sys.stdout.write("\n\n".join(parts.values()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
