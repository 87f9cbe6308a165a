"""Nine models, each recommended, checked against a long measurement, three of them ten times: `docs/which-mode.md`.

`python -m evidence.which_mode measure` goes on where it stopped: what has a file is not measured again. Each long
measurement has 30 blocks, fixed beforehand. `--write` makes the document from the files.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pricebench.files import stored_reports
from pricebench.recommend.decision import Ratio, decide
from pricebench.recommend.report import Report
from pricebench.recommend.run import Request, recommend
from pricebench.recommend.table import percent
from pricebench.units import format_duration

REPORTS = Path("reports/recommendations")
LONG = REPORTS / "long"
REPEATS = REPORTS / "repeats.jsonl"
PAGE = Path("docs/which-mode.md")
MODELS = {
    "house_prices": "pricebench.workload:house_prices",
    "lstm": "evidence.models:lstm",
    "dlrm": "evidence.models:dlrm",
    "graph_network": "evidence.models:graph_network",
    "bert": "evidence.models:bert",
    "gpt2": "evidence.models:gpt2",
    "vit_tiny": "evidence.models:vit_tiny",
    "mobilenet_v3_small": "evidence.models:mobilenet_v3_small",
    "resnet18": "evidence.models:resnet18",
}
REPEATED = ("house_prices", "lstm", "dlrm")
NUM_REPEATS = 10
LONG_BLOCKS = 30
BUDGET = 300.0
_NUMBERS = {4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
_TITLES = (
    "model",
    "ship",
    "cost against eager",
    "eager",
    "torchscript",
    "fx",
    "compile",
    "first answer of compile",
    "regret",
    "minutes",
)


def main() -> None:
    """Measure what is missing, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("measure", "write"))
    parser.add_argument("--only", nargs="*", default=list(MODELS), help="these models")
    parser.add_argument("--parts", nargs="*", default=["first", "repeat", "long"], help="first, repeat, long")
    options = parser.parse_args()
    if options.what == "write":
        PAGE.write_text(page(), encoding="utf-8")
        return
    if "first" in options.parts:
        for model in options.only:
            if model not in first_reports():
                _save(_run(model), REPORTS)
    if "repeat" in options.parts:
        for number in range(NUM_REPEATS):
            for model in REPEATED:
                if model in options.only and sum(each["workload"] == model for each in repeats()) <= number:
                    _append(_run(model))
    if "long" in options.parts:
        for model in options.only:
            if model not in long_reports():
                _save(_run(model, num_blocks=LONG_BLOCKS, budget=float("inf")), LONG)


def _run(model: str, **options: Any) -> Report:
    print(f"== {model} {options or ''}", file=sys.stderr, flush=True)  # noqa: T201
    request = Request(workload=MODELS[model], budget=BUDGET, seed=secrets.randbelow(2**31))
    report = recommend(
        replace(request, **options),
        say=lambda words: print(f"   {words}", file=sys.stderr, flush=True),  # noqa: T201
    )
    print(report.sentence, file=sys.stderr, flush=True)  # noqa: T201
    return report


def _save(report: Report, folder: Path) -> None:
    moment = report.started.replace("-", "").replace(":", "").replace("+0000", "Z")
    report.save(folder / f"{report.workload}-{report.fingerprint}_{moment}.json")


def _append(report: Report) -> None:
    """What has to be the same each time, in a line."""
    record = report.to_json()
    kept = {
        name: record[name]
        for name in ("started", "workload", "fingerprint", "sentence", "recommended", "equal", "is_decided", "warnings")
    }
    kept["seconds"] = record["conditions"]["seconds"]
    kept["blocks"] = len(report.evidence.blocks)
    kept["relative"] = {each["mode"]: each["relative"] for each in record["candidates"]}
    with REPEATS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(kept) + "\n")


def first_reports(folder: Path = REPORTS) -> dict[str, Report]:
    """The newest recommendation of each model."""
    return {(report := Report.load(path)).workload: report for path in stored_reports(folder)}


def long_reports(folder: Path = LONG) -> dict[str, Report]:
    """The long measurement of each model."""
    return first_reports(folder)


def repeats(path: Path = REPEATS) -> list[dict[str, Any]]:
    """The repeated recommendations."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def regret(first: Report, later: Report) -> Ratio | None:
    """Cost of the recommended mode over that of the best one, both in the long measurement; None if neither ran."""
    decision = decide(later.evidence, first.need)
    if decision is None or first.recommended not in decision.costs:
        return None
    costs = decision.costs
    best = min(costs, key=lambda mode: float(Ratio.of(costs[mode].ratios).ratio))
    return Ratio.of(costs[first.recommended].ratios / costs[best].ratios)


def agreement(answers: Sequence[Mapping[str, Any]]) -> int:
    """Of repeated answers, how many name the most frequent mode, or say that it is no different."""
    named = [answer["recommended"] for answer in answers]
    usual = max(set(named), key=named.count)
    return sum(answer["recommended"] == usual or usual in answer["equal"] for answer in answers)


def page() -> str:
    """The document."""
    first, later, again = first_reports(), long_reports(), repeats()
    some = next(iter(first.values()))
    machine = some.machine
    lines = [
        f"# What we found on {_NUMBERS.get(len(first), len(first))} models",
        "",
        f"""\
Made by `python -m evidence.which_mode write` from `reports/recommendations`. Each model has random weights.
It is called with single rows, a million times a day, by processes that start ten times a day and find no compiled code.
{machine["cpu"]}, {machine["logical_cores"]} cores, one thread, {machine["system"]}, Python {machine["python"]},
torch {machine["torch"]}, {some.started[:10]}.""",
        "",
        _finding(first),
        *(
            []
            if len(first) == len(MODELS)
            else ["", f"Not measured yet: {', '.join(model for model in MODELS if model not in first)}."]
        ),
        "",
        f"| {' | '.join(_TITLES)} |",
        f"|---|---|{'---:|' * (len(_TITLES) - 2)}",
        *(_row(first[model], later.get(model)) for model in MODELS if model in first),
        "",
        f"""\
*ship* is the mode that `pricebench recommend` names within five minutes, in brackets those that cannot be told from it.
*cost* is what a day costs in seconds of waiting, with its 95 % interval. *eager* and the next three columns are medians
for one row, in brackets the ratio to eager. *regret* is what the named mode costs more than the best one in an
independent measurement of {LONG_BLOCKS} blocks, fixed beforehand.""",
        "",
        "## Why not the others",
        "",
    ]
    for model in MODELS:
        if model in first:
            report = first[model]
            lines += [f"**{model}**: {report.sentence}", ""]
            lines += [f"- `{each.mode}`: {each.why_not}" for each in report.candidates if each.why_not]
            lines.append("")
    lines += ["## Asked ten times", "", *_asked(again)]
    return "\n".join(lines) + "\n"


def _asked(again: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| model | times asked | same answer, or no difference | answers | blocks | seconds |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for model in REPEATED:
        answers = [each for each in again if each["workload"] == model]
        if answers:
            named = [each["recommended"] for each in answers]
            told = ", ".join(f"{named.count(mode)} x {mode}" for mode in dict.fromkeys(named))
            blocks = sorted(each["blocks"] for each in answers)
            seconds = sorted(each["seconds"] for each in answers)
            lines.append(
                f"| {model} | {len(answers)} | {agreement(answers)} | {told} | {blocks[0]} to {blocks[-1]} "
                f"| {seconds[0]:.0f} to {seconds[-1]:.0f} |"
            )
    return lines


def _finding(first: Mapping[str, Report]) -> str:
    """The table in a sentence."""
    named = [report.recommended for report in first.values()]
    modes = [mode for mode in dict.fromkeys(named) if mode]
    if len(modes) == 1:
        return f"**{modes[0]} for all {len(named)} models.**"
    told = ", ".join(f"{mode} for {named.count(mode)}" for mode in modes)
    return f"**No mode is best for all: {told} of {len(named)} models.**"


def _row(report: Report, later: Report | None) -> str:
    single = "single" if "single" in report.shapes else "full"
    cells = [report.workload]
    equal = f" ({', '.join(report.equal)})" if report.equal else ""
    cells.append(f"**{report.recommended}**{equal}")
    chosen = report.candidate(report.recommended) if report.recommended else None
    cells.append(percent(chosen.relative) if chosen and chosen.relative and report.recommended != "eager" else "-")
    for mode in ("eager", "torchscript", "fx", "compile"):
        candidate = report.candidate(mode)
        found = candidate.inference.get(single)
        if found is None:
            cells.append(candidate.status)
        else:
            cells.append(f"{format_duration(found.seconds)} ({found.relative.ratio:.2f})")
    start = report.candidate("compile").first_answer_cold
    cells.append("-" if start is None else format_duration(start))
    found_regret = regret(report, later) if later else None
    cells.append("-" if found_regret is None else f"{(found_regret.ratio - 1) * 100:.1f} %")
    cells.append(f"{report.conditions['seconds'] / 60:.1f}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
