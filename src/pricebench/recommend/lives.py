"""The parent's side of a life: starts each mode in fresh processes, one at a time, and keeps what they left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pricebench.paired.environment import plain_environment
from pricebench.paired.workspace import Workspace
from pricebench.recommend.evidence import EAGER, NULL, Answered, FirstCall, Life, Tried
from pricebench.recommend.need import Need, RecommendError
from pricebench.units import Byte, Second

KINDS = ("inference", "training")
LIFE_LIMIT: Second = 600.0  # a process that says nothing for so long is given up
STARTS = 5  # rounds of first answers where startup is the goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all processes of a run share.

    Attributes:
        workspace: Where they may write.
        workload: `module:function` or `file.py:function`.
        threads: Of each.
        device: "cpu" or "cuda".
    """

    workspace: Workspace
    workload: str
    threads: int = 1
    device: str = "cpu"
    environment: Mapping[str, str] = field(default_factory=dict)

    def cache(self, mode: str) -> Path:
        """Where the compiled code of a mode lies; its first life fills it."""
        return self.workspace.folder / f"cache-{mode}"

    def variables(self, cache: Path) -> dict[str, str]:
        """Of a process that compiles into `cache`."""
        return {
            **plain_environment(self.threads),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            "TRITON_CACHE_DIR": str(cache / "triton"),
            **self.environment,
        }


def facts(setting: Setting) -> dict[str, Any]:
    """What the workload and this machine are.

    Raises:
        RecommendError: The workload cannot be made; the message says why.
    """
    answer = _ask(setting, setting.cache("facts"), {"do": "facts"})
    if "failure" in answer:
        raise RecommendError(str(answer["failure"]))
    return answer


def day(need: Need, shapes: Mapping[str, Mapping[str, int]], batch: str) -> list[dict[str, int]]:
    """A stated day of sizes: the traffic, most of it first; the workload's other shapes; two that are in neither.

    The order tells what nobody has met: a stall at an unseen size is that of a process which has met the rest.
    """
    traffic = [dict(share.sizes) for share in sorted(need.traffic, key=lambda share: -share.share)]
    sizes = [*traffic, *map(dict, shapes.values())]
    if batch:
        largest = max(each[batch] for each in sizes)
        unseen = [largest * 5 // 6, largest * 2 // 5 + 1]
        sizes += [{**sizes[0], batch: rows} for rows in unseen if rows > 1]
    return [each for place, each in enumerate(sizes) if each not in sizes[:place]]


def tried(
    setting: Setting,
    found: Mapping[str, Any],
    need: Need,
    modes: Sequence[Mapping[str, Any]],
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Tried, ...]:
    """Live each mode once with an empty cache, and once more with the cache that the first life left.

    Args:
        setting: What all processes share.
        found: The facts.
        need: Its traffic is met first.
        modes: Of the facts, those to try.
        say: Is told what happens.
    """
    result = []
    for mode in modes:
        known = {name: mode[name] for name in ("needs", "needs_python", "needs_compiler", "deprecation")}
        if mode["missing"] or mode["refusal"]:
            reason = f"it cannot run here: {mode['missing']}" if mode["missing"] else mode["refusal"]
            result.append(Tried(mode=mode["mode"], failures=dict.fromkeys(KINDS, reason), answers={}, **known))
            continue
        say(f"{mode['mode']}: first answer and a day of sizes")
        result.append(_tried(setting, found, need, mode["mode"], known, say))
    return tuple(result)


def _tried(
    setting: Setting,
    found: Mapping[str, Any],
    need: Need,
    mode: str,
    known: Mapping[str, Any],
    say: Callable[[str], None],
) -> Tried:
    cache = setting.cache(mode)
    empty = _size(cache)
    answer = _ask(setting, cache, _request(found, need, mode))
    if "failure" in answer:
        return Tried(mode=mode, failures=dict.fromkeys(KINDS, answer["failure"]), answers={}, **known)
    kinds = {kind: answer[kind] for kind in KINDS if kind in answer}
    failures = {kind: each["failure"] for kind, each in kinds.items() if "failure" in each}
    cold, warm, left = None, None, _size(cache) - empty
    if need.kind not in failures:
        cold = _life(kinds[need.kind], answer["loaded"], left)
        if left:
            say(f"{mode}: the same with its compiled code in the cache")
            again = _ask(setting, cache, _request(found, need, mode, kinds=[need.kind], is_checked=False))
            told = again.get(need.kind, again)
            warm = None if "failure" in told else _life(told, again["loaded"], left)
    return Tried(
        mode=mode,
        failures=failures,
        cold=cold,
        warm=warm,
        answers={kind: _answered(each["errors"]) for kind, each in kinds.items() if "errors" in each},
        graph_breaks=tuple(kinds["inference"].get("graph_breaks", ())) if "inference" in kinds else (),
        **known,
    )


def starts(
    setting: Setting,
    found: Mapping[str, Any],
    need: Need,
    modes: Sequence[str],
    deadline: Second,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, tuple[Second, ...]]:
    """First answers in rounds, all modes and eager twice in each; the cache is as the need says.

    Raises:
        RecommendError: A mode failed that had worked before.
    """
    rounds: dict[str, list[Second]] = {mode: [] for mode in (*modes, NULL)}
    for number in range(STARTS):
        # Every other round in reverse: what drifts evenly cancels.
        order = list(rounds) if number % 2 == 0 else list(reversed(rounds))
        for arm in order:
            mode = EAGER if arm == NULL else arm
            say(f"first answers, round {number + 1} of {STARTS}: {mode}")
            cache = setting.cache(mode) if need.cache == "warm" else setting.workspace.folder / f"start-{number}-{arm}"
            answer = _ask(setting, cache, _request(found, need, mode, kinds=[need.kind], is_brief=True))
            told = answer.get("failure") or answer[need.kind].get("failure")
            if told:
                raise RecommendError(f"{mode} worked before and fails now: {told}. Run again.")
            rounds[arm].append(answer["loaded"] + answer[need.kind]["own"])
        if time.monotonic() > deadline:
            break
    return {arm: tuple(values) for arm, values in rounds.items()}


def _request(
    found: Mapping[str, Any],
    need: Need,
    mode: str,
    *,
    kinds: Sequence[str] | None = None,
    is_brief: bool = False,
    is_checked: bool = True,
) -> dict[str, Any]:
    sizes = day(need, found["shapes"], found["batch"])
    if need.kind == "training":
        # A training step on one row is refused by batch norm, and asked of nobody.
        several = [each for each in sizes if each.get(found["batch"], 2) > 1] or sizes
        steps = [dict(share.sizes) for share in need.traffic]
        steps += [each for each in several if each not in steps][:1]
    else:
        steps = [dict(found["shapes"]["full"])]
    return {
        "do": "life",
        "mode": mode,
        "dims": found["dims"],
        "kinds": kinds or _kinds(found, need),
        "day": sizes,
        "training_day": steps,
        "checked": {share.shape: share.sizes for share in need.traffic} | found["shapes"],
        "is_brief": is_brief,
        "is_checked": is_checked and not is_brief,
    }


def _kinds(found: Mapping[str, Any], need: Need) -> list[str]:
    """What is priced comes first: only one kind of call can be the first answer of a process."""
    if not found["has_loss"]:
        return ["inference"]
    return ["training", "inference"] if need.kind == "training" else ["inference", "training"]


def _life(record: Mapping[str, Any], common: Second, left: Byte) -> Life:
    return Life(
        common=common,
        own=float(record["own"]),
        calls=tuple(FirstCall(**call) for call in record["calls"]),
        compilations=int(record["compilations"]),
        resident=record.get("resident"),
        artifact=record.get("artifact_bytes"),
        cache=left,
    )


def _answered(errors: Mapping[str, Mapping[str, Any]]) -> Answered:
    """The worst of the shapes; a wrong one is worse than any."""
    shape, worst = max(errors.items(), key=lambda pair: (bool(pair[1]["wrong"]), pair[1]["error"]))
    wrong = f"{shape}: {worst['wrong']}" if worst["wrong"] else ""
    return Answered(error=float(worst["error"]), eager=float(worst["eager"]), by=str(worst["by"]), wrong=wrong)


def _ask(setting: Setting, cache: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Start a process, and wait for its answer; that it died is one too."""
    folder = setting.workspace.folder
    question, reply = folder / "request.json", folder / "answer.json"
    reply.unlink(missing_ok=True)
    shared = {"workload": setting.workload, "threads": setting.threads, "device": setting.device}
    question.write_text(json.dumps({**shared, **request, "started": time.time()}), encoding="utf-8")
    command = [sys.executable, "-m", "pricebench.recommend.life", str(question), str(reply)]
    cache.mkdir(parents=True, exist_ok=True)
    try:
        done = setting.workspace.run(command, folder=Path.cwd(), environment=setting.variables(cache), limit=LIFE_LIMIT)
    except subprocess.TimeoutExpired:
        return {"failure": f"it gave no answer within {LIFE_LIMIT:.0f} s"}
    if reply.is_file():
        answer: dict[str, Any] = json.loads(reply.read_text(encoding="utf-8"))
        return answer
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return {"failure": f"its process ended ({ending}): {lines[-1][:300] if lines else 'it printed nothing'}"}


def _size(folder: Path) -> Byte:
    """Bytes of the files in a folder."""
    return sum(
        (Path(root) / name).stat().st_size
        for root, _, names in os.walk(folder)
        for name in names
        if (Path(root) / name).is_file()
    )
