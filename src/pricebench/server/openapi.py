"""What the server can be asked, as an OpenAPI document, and as a page that loads nothing from anywhere else."""

from __future__ import annotations

import html
from functools import cache
from importlib.metadata import version
from typing import Any

from pricebench.data import FEATURES, QUANTITIES
from pricebench.server import metrics, tables
from pricebench.server.answers import ARROW, Answer, as_json
from pricebench.server.example import HOUSE, curl
from pricebench.server.requests import Request
from pricebench.server.service import Service

_PAGE_TYPE = b"text/html; charset=utf-8"
# Nothing but the page's own style, not even by mistake.
_PAGE_HEADERS = ((b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),)
_MODEL = "house-prices"


async def document(service: Service, request: Request) -> Answer:  # noqa: ARG001 - the signature of every endpoint
    """`GET /openapi.json`."""
    return Answer(as_json(specification(has_token=bool(service.token), most_rows=service.limits.rows)))


async def page(service: Service, request: Request) -> Answer:  # noqa: ARG001
    """`GET /docs`."""
    body = _page(has_token=bool(service.token), most_rows=service.limits.rows)
    return Answer(body, content_type=_PAGE_TYPE, headers=_PAGE_HEADERS)


@cache
def specification(*, has_token: bool, most_rows: int) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        has_token: Whether requests must bring one.
        most_rows: In a request.
    """
    house = {
        "type": "object",
        "additionalProperties": False,
        "required": list(FEATURES),
        "properties": {
            quantity.name: {
                "type": "number",
                "description": quantity.unit,
                ("minimum" if quantity.is_minimum_allowed else "exclusiveMinimum"): quantity.minimum,
            }
            for quantity in QUANTITIES[: len(FEATURES)]
        },
        "example": HOUSE,
    }
    price_range = {
        "type": ["object", "null"],
        "description": "Between these dollars lie 9 of 10 such houses; null where nobody knows.",
        "required": ["low", "high"],
        "properties": {"low": {"type": "number"}, "high": {"type": "number"}},
    }
    warnings = {
        "type": "array",
        "items": {"type": "string"},
        "description": "A sentence for each value beyond what training saw.",
    }
    priced = {"price": {"type": "number", "description": "USD"}, "range": price_range, "warnings": warnings}
    model = {"model": {"type": "string", "description": "Digest of the model that answered."}}
    no_range = {"no_range": {"type": "string", "description": "Why there is no range."}}
    schemas: dict[str, Any] = {
        "House": house,
        "Houses": {
            "type": "object",
            "additionalProperties": False,
            "required": ["houses"],
            "properties": {"houses": {"type": "array", "minItems": 1, "maxItems": most_rows, "items": _ref("House")}},
        },
        "Price": {
            "type": "object",
            "required": [*priced, "model"],
            "properties": priced | model | no_range,
        },
        "Prices": {
            "type": "object",
            "required": ["houses", "model"],
            "properties": {
                "houses": {
                    "type": "array",
                    "items": {"type": "object", "required": list(priced), "properties": priced},
                },
            }
            | model
            | no_range,
        },
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "Inference": _inference(),
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "pricebench", "version": version("pricebench"), "description": "Prices of houses."},
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {"schemas": schemas},
    }
    if has_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _paths() -> dict[str, Any]:
    table = {"schema": {"type": "string", "format": "binary"}}
    csv, arrow = tables.CSV_TYPE.decode(), ARROW.decode()
    version_of = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    paths: dict[str, Any] = {
        "/v1/price": {
            "post": {
                "summary": "The price of a house, or of many: dollars, a range, warnings.",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"oneOf": [_ref("House"), _ref("Houses")]}},
                        csv: table | {"example": f"{','.join(FEATURES)}\n{','.join(map(str, HOUSE.values()))}\n"},
                        arrow: table,
                    },
                },
                "responses": _responses(
                    "Prices, in the kind that was sent.",
                    _json({"oneOf": [_ref("Price"), _ref("Prices")]}) | {csv: table, arrow: table},
                    400,
                    401,
                    408,
                    413,
                    415,
                    422,
                    500,
                    503,
                    504,
                ),
            }
        },
        "/health/live": _get("Whether the server runs.", is_open=True),
        "/health/ready": _get("Whether the model is loaded and checked.", 503, is_open=True),
        "/metrics": _get("Counts, for Prometheus.", kind=metrics.CONTENT_TYPE.partition(b";")[0].decode()),
        "/openapi.json": _get("This document."),
        "/docs": _get("This document as a page.", kind="text/html"),
        "/v2": _get("Open Inference Protocol: the server."),
        "/v2/health/live": _get("Open Inference Protocol: whether the server runs.", is_open=True),
        "/v2/health/ready": _get("Open Inference Protocol: whether the model is ready.", 503, is_open=True),
    }
    for path, parameters in ((f"/v2/models/{_MODEL}", []), (f"/v2/models/{_MODEL}/versions/{{version}}", [version_of])):
        statuses = (404, 503) if parameters else (503,)
        for action, summary in (("", "the model"), ("/ready", "whether the model is ready")):
            paths[path + action] = _get(f"Open Inference Protocol: {summary}.", *statuses)
        paths[f"{path}/infer"] = {
            "post": {
                "summary": "Open Inference Protocol: prices as a tensor.",
                "requestBody": {"required": True, "content": _json(_ref("Inference"))},
                "responses": _responses(
                    "Prices.", _json({"type": "object"}), 400, 401, 404, 408, 413, 415, 422, 500, 503, 504
                ),
            }
        }
        for item in (paths[path], paths[f"{path}/ready"], paths[f"{path}/infer"]):
            if parameters:
                item["parameters"] = parameters
    return paths


def _get(summary: str, *statuses: int, kind: str = "application/json", is_open: bool = False) -> dict[str, Any]:
    schema = {"type": "object" if kind == "application/json" else "string"}
    statuses = statuses if is_open else (401, *statuses)
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": _responses(summary, {kind: {"schema": schema}}, *statuses),
    }
    if is_open:
        operation["security"] = []
    return {"get": operation}


_MEANINGS = {
    400: "The body is malformed.",
    401: "The token is missing or wrong.",
    404: "No such model.",
    408: "The request did not arrive in time.",
    413: "Too many bytes, or too many houses.",
    415: "Another content type, or a compressed body.",
    421: "Another host was asked for than this one.",
    422: "A field is wrong; the error names row, field and value.",
    500: "The server's fault.",
    503: "Not ready, too many waiting, or the worker that had the request died.",
    504: "No price within the deadline.",
}


def _responses(fine: str, content: dict[str, Any], *statuses: int) -> dict[str, Any]:
    # Any request may name another host.
    errors = {
        str(each): {"description": _MEANINGS[each], "content": _json({"type": "object"})}
        for each in sorted({*statuses, 421})
    }
    return {"200": {"description": fine, "content": content}} | errors


def _inference() -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "number"}}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"const": "features"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
            "datatype": {"enum": ["FP64", "FP32", "INT64", "INT32"]},
            "parameters": {"type": "object"},
            "data": {"anyOf": [numbers, {"type": "array", "items": numbers}]},
        },
    }
    values = list(HOUSE.values())
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        },
        "example": {"inputs": [{"name": "features", "shape": [1, len(values)], "datatype": "FP64", "data": values}]},
    }


# ---- the page ------------------------------------------------------------------------------------------------------

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow-x:auto;padding:.8rem;background:#8882}"
    "td,th{text-align:left;vertical-align:top;padding:.1rem .8rem .1rem 0}h2{margin-top:2.2rem;font-size:1.1rem}"
)


@cache
def _page(*, has_token: bool, most_rows: int) -> bytes:
    found = specification(has_token=has_token, most_rows=most_rows)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>pricebench</title><style>{_STYLE}</style><h1>pricebench {html.escape(found['info']['version'])}</h1>",
        "<p>For programs: <a href=/openapi.json>/openapi.json</a>.</p>",
        "<p>Every request needs the header <code>Authorization: Bearer TOKEN</code>, but those for health.</p>"
        if has_token
        else "",
        "<h2>A house</h2><table>",
        *(
            f"<tr><td><code>{quantity.name}</code><td>{html.escape(quantity.expectation)}"
            for quantity in QUANTITIES[: len(FEATURES)]
        ),
        "</table>",
    ]
    for path, item in found["paths"].items():
        for method, operation in ((name, item[name]) for name in ("get", "post") if name in item):
            parts.append(
                f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}"
            )
            if path == "/v1/price":
                parts.append(f"<pre>{html.escape(curl('http://127.0.0.1:8600', has_token=has_token))}</pre>")
            parts.append("<table>")
            parts += [
                f"<tr><td>{status}<td>{html.escape(answer['description'])}"
                for status, answer in operation["responses"].items()
            ]
            parts.append("</table>")
    return "".join(parts).encode()
