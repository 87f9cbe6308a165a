"""A house to try the server with."""

from __future__ import annotations

import json

HOUSE = {"income": 68_000, "house_age": 6, "rooms": 7, "bedrooms": 4, "population": 36_000}


def curl(address: str, *, has_token: bool = False) -> str:
    """A line that asks for its price.

    >>> curl("http://127.0.0.1:8600")[:57]
    "curl http://127.0.0.1:8600/v1/price -H 'content-type: app"
    """
    token = " -H 'authorization: Bearer TOKEN'" if has_token else ""
    return f"curl {address}/v1/price -H 'content-type: application/json'{token} -d '{json.dumps(HOUSE)}'"
