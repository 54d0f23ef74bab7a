"""Decides how HTTP requests become calls of the endpoint, and its answers HTTP messages: the server's half of the wire.

A path is split before it is decoded and a token is decoded exactly once (D3). Error bodies hold the document's texts
and nothing of the request (D26, D40). Must never look at a session, and never show a token in a repr.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Final, assert_never
from urllib.parse import quote, unquote_to_bytes

from reportdl_core.disposition import format_disposition
from reportdl_core.endpoint_messages import Formats, Refuse, Reply, Report, StatusIs, Token
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.formats import known
from reportdl_core.job import integer
from reportdl_core.names import server_name

__all__ = ["SECURITY", "Headers", "Parsed", "file_headers", "parse", "response"]

Headers = tuple[tuple[str, str], ...]

SECURITY: Final[Headers] = (
    ("Cache-Control", "no-store"),  # D23
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
"""Stands on every answer, also on those that the endpoint is not asked for (D40)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a request asks for: the fields of `Called` that come over the wire.

    `element` and `segment` are None where the path has no integer there (D32). `token` and `format` are None where
    they are missing or malformed: not UTF-8, or given twice, since two readers could read two different ones.
    """

    element: int | None
    segment: int | None
    state: str
    token: str | None = field(repr=False)
    format: str | None


def parse(method: str, raw_path: str, raw_query: bytes) -> Parsed | Refuse:
    """What the request asks for; ENDPOINT_MISSING for another path, METHOD_NOT_ALLOWED for all but GET (R1, D23).

    `raw_path` and `raw_query` are as they came, still percent-encoded; never raises.
    """
    match raw_path.split("/"):
        case ["", "api", "element", "id", element, "segment", segment, "download", "state", state]:
            pass
        case _:
            return Refuse(refusal=Refusal.ENDPOINT_MISSING, message="Not found")
    if method != "GET":
        return Refuse(refusal=Refusal.METHOD_NOT_ALLOWED, message="Method not allowed")
    query = _fields(raw_query)
    return Parsed(
        element=_id(element),
        segment=_id(segment),
        state=_text(state.encode(errors="surrogatepass")) or "",
        token=query.get("token"),
        format=query.get("format"),
    )


def _text(raw: bytes) -> str | None:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def _id(raw: str) -> int | None:
    return integer(_text(raw.encode(errors="surrogatepass")))


def _fields(raw_query: bytes) -> dict[str | None, str | None]:
    """The query's fields, decoded once, `+` as a space as forms have it: a token's own `+` comes as %2B (D3)."""
    fields: dict[str | None, str | None] = {}
    for one in raw_query.replace(b"+", b" ").split(b"&"):
        name, _, value = one.partition(b"=")
        key = _text(name)
        fields[key] = None if key in fields else _text(value)
    return fields


def response(answer: Reply) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an answer in an envelope (R31, R32, D4, D26)."""
    match answer:
        case Formats():
            return _enveloped(200, {"status": Status.OK.value, "formats": list(answer.formats)})
        case Token():
            encoded = quote(answer.token.reveal().encode(errors="surrogatepass"), safe="")  # R12, R13
            return _enveloped(200, {"status": Status.OK.value, "token": encoded})
        case StatusIs():
            return _enveloped(200, _status(answer.status, answer.message))
        case Refuse():
            body = _status(Status.ERROR, answer.message or answer.refusal.value)
            return _enveloped(_code(answer.refusal), body, *_advice(answer))
        case _:
            assert_never(answer)


def _status(status: Status, message: str) -> dict[str, object]:
    return {"status": status.value, "message": message} if message else {"status": status.value}


def _enveloped(code: int, said: dict[str, object], *more: tuple[str, str]) -> tuple[int, Headers, bytes]:
    body = json.dumps(said, separators=(",", ":")).encode()
    length = ("Content-Length", str(len(body)))
    return code, (("Content-Type", "application/json"), length, *SECURITY, *more), body


def _advice(answer: Refuse) -> Headers:
    if answer.refusal is Refusal.METHOD_NOT_ALLOWED:
        return (("Allow", "GET"),)
    if answer.retry_after is not None:
        return (("Retry-After", str(math.ceil(answer.retry_after))),)  # whole seconds alone are valid there
    return ()


def _code(refusal: Refusal) -> int:
    match refusal:
        case Refusal.ELEMENT_NOT_ALLOWED:
            return 403
        case Refusal.ELEMENT_NOT_FOUND | Refusal.ENDPOINT_MISSING:
            return 404
        case Refusal.METHOD_NOT_ALLOWED:
            return 405
        case Refusal.CREDENTIALS:
            return 401
        case Refusal.BUSY:
            return 429
        case Refusal.UNAVAILABLE:
            return 503
        case (
            Refusal.INVALID_STATE
            | Refusal.INVALID_TOKEN
            | Refusal.INVALID_FORMAT
            | Refusal.NO_DOWNLOADS
            | Refusal.NOT_IMPLEMENTED
            | Refusal.DOWNLOAD_FAILED
            | Refusal.OTHER
        ):
            return 400
        case Refusal.REDIRECTED | Refusal.NO_ENVELOPE | Refusal.UNREADABLE:
            return 500  # what a client says of a server; an endpoint that says it is broken
        case _:
            assert_never(refusal)


def file_headers(report: Report, format: str, length: int) -> Headers:
    """The headers of a file of `length` bytes: its registered type, its name, its length (R24, R25, D4, D22, D25).

    `format` is spelled as SendFile has it. A format that the table does not know is sent as octets, its key as
    the extension as far as it has letters and digits (R11).
    """
    row = known(format)
    extension = "".join(filter(str.isalnum, format.lower())) if row is None else row.extension
    name = server_name(report.name, extension, element=report.element)
    return (
        ("Content-Type", "application/octet-stream" if row is None else row.media_types[0]),
        ("Content-Disposition", format_disposition(name)),
        ("Content-Length", str(length)),
        *SECURITY,
    )
