"""Decides how the endpoint is described to machines: OpenAPI 3.1, written by hand, since the rules are ours.

Describes what the document says and what this server adds; the tests compare it with what the server answers. Must
never be generated from the code: then it could not disagree with it.
"""

from __future__ import annotations

from typing import Any, Final

from reportdl.server.plain import Plain, json_said
from reportdl_core.formats import FORMATS

__all__ = ["DESCRIPTION", "described"]

_Object = dict[str, Any]


def _ref(name: str) -> _Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: _Object, text: str) -> _Object:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _text(**fields: _Object) -> _Object:
    return {"type": "object", "properties": fields, "required": [*fields]}


_STRING: Final[_Object] = {"type": "string"}
_FILES: Final[_Object] = {
    media: {"schema": {"type": "string", "format": "binary"}}
    for media in sorted({row.media_types[0] for row in FORMATS.values()})
}

_SCHEMAS: Final[_Object] = {
    "Envelope": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["OK", "READY", "IN PROGRESS", "ERROR"]},
            "formats": {"type": "array", "items": _STRING, "description": "`formats` only"},
            "token": {"type": "string", "description": "`init` only; URL-encoded, to be put into the query as it is"},
            "message": {"type": "string", "description": "error answers only"},
        },
    },
    "Unauthorized": _text(message={"const": "Unauthorized"}),
    "Issued": _text(token=_STRING, expires=_STRING),
    "Application": _text(application_id=_STRING, application_key=_STRING, user=_STRING),
}

_DENIED: Final[_Object] = {
    "401": _json(_ref("Unauthorized"), "No valid credential"),
    "412": _json(_ref("Envelope"), "The credential has ended: renew it"),
}


def _parameter(name: str, place: str, schema: _Object, text: str, required: str = "always") -> _Object:
    return {"name": name, "in": place, "schema": schema, "description": text, "required": required == "always"}


_ID: Final[_Object] = {"type": "integer", "minimum": 0}


_ISSUED_TOKEN: Final = "$response.body#/token"  # noqa: S105 - where it stands, not what it is
_SAME_TOKEN: Final = "$request.query.token"  # noqa: S105


def _then(state: str, text: str, **query: str) -> _Object:
    """The next step with a token; it is put into the query as it is (R13)."""
    same = {f"path.{name}": f"$request.path.{name}" for name in ("elementId", "dimensionId")}
    asked = {f"query.{name}": value for name, value in query.items()}
    parameters = {**same, "path.state": state, **asked}
    return {"operationId": "download", "description": text, "parameters": parameters}


_DOWNLOAD: Final[_Object] = {
    "operationId": "download",
    "summary": "One step of a download",
    "description": "Call the states in order: formats, init, run, check until READY, get.",
    "parameters": [
        _parameter("elementId", "path", _ID, "The id of an External Report"),
        _parameter("dimensionId", "path", _ID, "A dimension value id, 0 for an unsegmented element"),
        _parameter("state", "path", {"enum": ["formats", "init", "run", "check", "get"]}, "The step"),
        _parameter("token", "query", _STRING, "As `init` gave it; for run, check, get", "sometimes"),
        _parameter("format", "query", _STRING, "A key that `formats` listed; for run, get", "sometimes"),
    ],
    "responses": {
        "200": {
            "description": "An envelope, or from `get` the file as an attachment",
            "content": {"application/json": {"schema": _ref("Envelope")}, **_FILES},
            "links": {
                "run": _then("run", "After init: generate the file", token=_ISSUED_TOKEN, format="csv"),
                "check": _then("check", "After run: ask whether it is there", token=_SAME_TOKEN),
                "get": _then("get", "After run or check: fetch it", token=_SAME_TOKEN, format="csv"),
            },
        },
        "400": _json(
            _ref("Envelope"),
            "Invalid state; Invalid token; No downloads available; Invalid format; "
            "Not implemented for this Element Type; Download failed",
        ),
        **_DENIED,
        "403": _json(_ref("Envelope"), "Element not allowed"),
        "404": _json(_ref("Envelope"), "Element not found"),
        "405": _json(_ref("Envelope"), "Another method than GET; nothing was consumed"),
        "429": _json(_ref("Envelope"), "Too many sessions; Retry-After says when to come back"),
    },
}


def _listing(name: str, text: str, *parameters: _Object, **refused: str) -> _Object:
    """A neighbour. `refused` are its own refusals, such as `_404="No such element"`."""
    responses = {code.lstrip("_"): _json(_ref("Envelope"), why) for code, why in refused.items()}
    responses |= {"200": _json({"type": "object"}, text), **_DENIED}
    return {"get": {"operationId": name, "parameters": [*parameters], "responses": responses}}


_GET_TOKEN: Final[_Object] = {
    "post": {
        "operationId": "issue",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Application")}}},
        "responses": {
            "200": _json(_ref("Issued"), "A token for the user"),
            "400": _json(_ref("Envelope"), "Not a JSON object of the three fields"),
            "401": _json(_ref("Unauthorized"), "No such application id and key"),
            "408": _json(_ref("Envelope"), "The body did not come"),
        },
    },
    "get": {
        "operationId": "renew",
        "security": [{"token": []}, {}],
        "responses": {
            "200": _json(
                {"oneOf": [_ref("Issued"), {"type": "array", "maxItems": 0}]},
                "A new token; `[]` where no credential was sent",
            ),
            **_DENIED,
        },
    },
}

DESCRIPTION: Final[_Object] = {
    "openapi": "3.1.0",
    "info": {"title": "External Report download, reference endpoint", "version": "7.2.1"},
    "security": [{"token": []}, {"bearer": []}],
    "paths": {
        "/api/element/id/{elementId}/segment/{dimensionId}/download/state/{state}": {"get": _DOWNLOAD},
        "/api/get_token": _GET_TOKEN,
        "/api/element": _listing("elements", "The elements that the caller can list"),
        "/api/element_info": _listing(
            "element_info",
            "One element",
            _parameter("element", "query", _ID, "Its id"),
            _parameter("dimension_value", "query", _ID, "One of its segments", "sometimes"),
            _403="Element not allowed",
            _404="Element not found",
        ),
        "/api/dimension_value": _listing(
            "dimension_values",
            "The values of a dimension",
            _parameter("dimension", "query", _ID, "Its id"),
            _400="dimension is missing",
        ),
        "/api/data_source_plugin": _listing("plugins", "The source plugins"),
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "token": {"type": "apiKey", "in": "header", "name": "Token"},
            "bearer": {"type": "http", "scheme": "bearer"},
        },
    },
}


def described() -> Plain:
    """The description as an answer."""
    return json_said(DESCRIPTION)
