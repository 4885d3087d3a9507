"""The OpenAPI document of the read API; the shapes of its answers come from the types that are answered."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import msgspec

from probes.observation import Observation
from scanner.drift import Change
from scanner.register import DATA_CLASSES
from scanner.run import EndpointResult, Run
from scanner.store import Period, Summary

_WINDOW: Final = (
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    },
    {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 10_000_000}},
)
_RUN: Final = {
    "name": "run",
    "in": "path",
    "required": True,
    "description": "The id of a run, its unique beginning, last, or last~1 for the one before.",
    "schema": {"type": "string"},
}
_SCANS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"classes": {"type": "array", "items": {"enum": list(DATA_CLASSES)}}},
    "additionalProperties": False,
}
_ERROR: Final = {
    "description": "What was wrong with the request",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    answered = (Run, EndpointResult, Observation, Summary, Period, Change)
    schemas, components = msgspec.json.schema_components(answered, ref_template="#/components/schemas/{name}")
    run, result, observation, summary, period, change = schemas
    token: dict[str, Any] = {"security": [{"token": []}]}
    body = {"required": False, **_json(_SCANS)}
    began = {"description": "It begins", **_json(_SCANS)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sarhad",
            "version": version("sarhad"),
            "description": "Where declared endpoints are, and on what evidence.",
        },
        "paths": {
            "/api/v1/runs": _get("Runs, newest first", _paged(summary)),
            "/api/v1/runs/{run}": _get("A run without endpoints and evidence", run, _RUN),
            "/api/v1/runs/{run}/endpoints": _get("Its verdicts", _paged(result), _RUN),
            "/api/v1/runs/{run}/observations": _get(
                "Its evidence", _paged(observation), _RUN, _query("endpoint"), **token
            ),
            "/api/v1/endpoints": _get(
                "The newest verdicts",
                _paged(result),
                *map(_query, ("endpoint", "provider", "data_class", "status")),
            ),
            "/api/v1/history": _get(
                "What was judged of an endpoint, newest first",
                _paged(period),
                _query("endpoint", required=True),
            ),
            "/api/v1/changes": _get(
                "What is different between two runs", _paged(change), _query("old"), _query("new")
            ),
            "/api/v1/scans": {
                "post": {
                    "summary": "Begin a scan of some classes, or of all",
                    "requestBody": body,
                    "responses": {"202": began, "default": _ERROR},
                    **token,
                }
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _get(summary: str, schema: dict[str, Any], *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    window = _WINDOW if "items" in schema.get("properties", {}) else ()
    return {
        "get": {
            "summary": summary,
            "parameters": [*parameters, *window],
            "responses": {"200": {"description": "Found", **_json(schema)}, "default": _ERROR},
            **more,
        }
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _paged(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": item},
            "total": {"type": ["integer", "null"]},
            "next": {"type": ["string", "null"]},
        },
        "required": ["items", "total", "next"],
    }


def _query(name: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}
