"""Load reports made by hand, whose answers are known."""

from __future__ import annotations

from pricebench.traffic.records import Latency, Probe, Purpose, Report, Server, Soak, Stage, Traffic, Trial

OURS, RIVAL = "pricebench-eager", "rival"


def server(name=OURS, *, is_ours=True, **facts):
    return Server(name=name, title=facts.pop("title", name), is_ours=is_ours, set_up="as it is", **facts)


def latency(p99=1e-3):
    return Latency(p50=p99 / 4, p90=p99 / 2, p99=p99, p999=p99 * 2, most=p99 * 3)


def probe(rate, *, name=OURS, held=True, purpose=Purpose.SEARCH, traffic=Traffic.ONE, **facts):
    """A probe of ten seconds; one that is not held answers late."""
    num = facts.pop("num", round(rate * 10))
    p99 = facts.pop("p99", 1e-3 if held else 1.0)
    return Probe(
        **{
            "server": name,
            "traffic": traffic,
            "purpose": purpose,
            "round": 1,
            "rate": float(rate),
            "seconds": 10.0,
            "num": num,
            "statuses": {"200": num},
            "num_checked": 10,
            "num_wrong": 0,
            "latency": latency(p99),
            "server_cpu": num * 1e-4,
            "client_cpu": 1.0,
            "others": 0.0,
            **facts,
        }
    )


def report(*probes, **facts):
    return Report(
        **{
            "started": "2026-11-25T12:00:00+00:00",
            "fingerprint": "aaaaaaaaaa",
            "machine": {"cpu": "Test CPU", "logical_cores": 2, "system": "Linux", "python": "3.11", "torch": "2.15.0"},
            "conditions": {
                "server_core": 0,
                "client_core": 1,
                "connections": 64,
                "step": 4.0,
                "confirm": 10.0,
                "commit": "abcdef12",
            },
            "servers": (server(), server(RIVAL, is_ours=False)),
            "probes": probes,
            "is_complete": True,
            **facts,
        }
    )


def whole(**facts):
    """A report with everything: ours holds 8,000, the rival 2,000."""
    probes = [
        probe(rate, name=name, purpose=purpose)
        for name, best in ((OURS, 8000), (RIVAL, 2000))
        for purpose, rate in ((Purpose.SEARCH, 500), (Purpose.CONFIRM, best), (Purpose.FIXED, 4000))
    ]
    return report(
        *probes,
        **{
            "stages": (Stage(name="HTTP", seconds=1e-5), Stage(name="model", seconds=3e-5)),
            "soak": soak([400.0] * 11),
            "hostile": (trial(),),
            "faults": (trial(what="kill -9", restarts=2),),
            **facts,
        },
    )


def soak(mib, **facts):
    """A minute between two readings."""
    return Soak(
        **{
            "server": OURS,
            "rate": 5600.0,
            "seconds": 60.0 * (len(mib) - 1),
            "statuses": {"200": 1000},
            "p99": (1e-3, 2e-3),
            "num_wrong": 0,
            "compilations": 0,
            "times": tuple(60.0 * minute for minute in range(len(mib))),
            "resident": tuple(round(each * 1024 * 1024) for each in mib),
            **facts,
        }
    )


def trial(what="our own list", **facts):
    return Trial(
        **{
            "what": what,
            "num": 100,
            "client": {"200": 60, "400": 40},
            "server": {"200": 60, "400": 40},
            "restarts": 0,
            **facts,
        }
    )
