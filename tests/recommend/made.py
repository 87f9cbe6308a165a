"""Evidence made by hand: what each mode's calls and starts take is known, and so is the answer."""

from __future__ import annotations

import random
from collections.abc import Mapping

from pricebench.paired.records import Block
from pricebench.recommend.evidence import Answered, Evidence, FirstCall, Life, Tried
from pricebench.recommend.need import Goal, Need, Share

SHAPES = {"full": {"batch": 64}, "residual": {"batch": 38}, "single": {"batch": 1}}
START = 2.0  # seconds of eager's first answer
EAGER_CALL = 1e-3
MACHINE = {
    "cpu": "made",
    "architecture": "x86_64",
    "logical_cores": 2,
    "system": "Linux",
    "python": "3.11",
    "torch": "2.15.0",
    "blas": "mkl",
    "threads": 1,
    "device": "cpu",
}
FACTS = {
    "name": "made",
    "shapes": SHAPES,
    "batch": "batch",
    "notes": [],
    "fingerprint": "0123456789",
    "machine": MACHINE,
    "parameters": 10,
}


def life(start: float = START, *, stall: float = 0.0, unseen: float = 0.0, cache: int = 0) -> Life:
    """A day that begins with one row, goes on to 64 and meets 53 rows last."""
    return Life(
        common=1.5,
        own=start - 1.5,
        calls=(
            FirstCall(sizes={"batch": 1}, first=start / 2, later=EAGER_CALL, compilations=1),
            FirstCall(sizes={"batch": 64}, first=stall + EAGER_CALL, later=EAGER_CALL, compilations=int(stall > 0)),
            FirstCall(sizes={"batch": 53}, first=unseen + EAGER_CALL, later=EAGER_CALL, compilations=int(unseen > 0)),
        ),
        compilations=1 + int(stall > 0) + int(unseen > 0),
        resident=500_000_000,
        artifact=1_000_000,
        cache=cache,
    )


def tried(mode: str, **changes: object) -> Tried:
    facts = {
        "mode": mode,
        "cold": life(),
        "answers": {"inference": Answered(error=1e-7, eager=1e-7, by="float64")},
        "deprecation": "deprecated" if mode == "torchscript" else None,
        "needs_python": mode != "torchscript",
        "needs_compiler": mode == "compile",
    }
    return Tried(**{**facts, **changes})


def blocks(
    ratios: Mapping[str, Mapping[str, float]],
    number: int = 8,
    noise: float = 0.002,
    seed: int = 0,
    kind: str = "inference",
) -> tuple[Block, ...]:
    """Blocks of shapes -> modes -> seconds over those of eager; every shape of eager takes a millisecond."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    made = []
    for place in range(number):
        seconds = {}
        for shape, of in ratios.items():
            arms = {"eager": 1.0, "null": 1.0, **of}
            seconds[f"{kind}[{shape}]"] = {
                arm: tuple(EAGER_CALL * ratio * (1 + chance.gauss(0, noise)) for _ in range(4))
                for arm, ratio in arms.items()
            }
        made.append(Block(number=place, seconds=seconds, calls=dict.fromkeys(seconds, 10)))
    return tuple(made)


def evidence(
    ratios: Mapping[str, Mapping[str, float]], lives: Mapping[str, Life] | None = None, **options: object
) -> Evidence:
    """With the four modes, those that the ratios name."""
    modes = ["eager", *dict.fromkeys(mode for of in ratios.values() for mode in of)]
    found = tuple(tried(mode, cold=(lives or {}).get(mode, life())) for mode in modes)
    return Evidence(tried=found, blocks=blocks(ratios, **options))


def need(**changes: object) -> Need:
    facts = {
        "goal": Goal.LATENCY,
        "traffic": (Share(shape="single", sizes={"batch": 1}, share=1.0),),
        "restarts_per_day": 10.0,
        "calls_per_day": 1_000_000.0,
    }
    return Need(**{**facts, **changes})
