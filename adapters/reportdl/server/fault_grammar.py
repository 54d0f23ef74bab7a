"""Decides how a fault is written on a command line.

    STATE.KIND[=ARGUMENT[,ARGUMENT]][:TIMES][@PROBABILITY]

STATE is formats, init, run, check, get, or `*` for all five; or a neighbour: get_token, element, element_info,
dimension_value, data_source_plugin. TIMES is how many calls are hit;
without it, all. A kind that takes no argument is written `KIND=TIMES`. Arguments are percent-decoded, so that `,`
`:` and `@` can be part of one. Must never accept a text that means two things: anything else is InvalidFault.

    run.drop_after=0.2          dropped 0.2 s after the call, generation goes on
    check.status=503:1          one 503
    check.html=1                one login page
    *.retry_after=429,2:3       three times 429 with Retry-After: 2
    get.filename=..%2Fpasswd    a hostile name
    check.drop_before@0.1       one call in ten
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from reportdl.server import faults
from reportdl.server.faults import Effect, Fault, FaultBook
from reportdl_core.errors import ReportdlError

__all__ = ["KINDS", "InvalidFault", "Kind", "fault_book", "parse_fault"]


class InvalidFault(ReportdlError, ValueError):
    """A text that is not a fault; the message says what would be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One word of the grammar: how its arguments look, how many there are at least and at most, what they make."""

    shape: str
    least: int
    most: int
    make: Callable[..., Effect]


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86_400:
        raise ValueError("seconds must be between 0 and 86400")
    return value


def _natural(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
        raise ValueError(f"must be a whole number up to {most}")
    return int(text)


def _code(text: str, least: int, most: int) -> int:
    value = _natural(text, most)
    if value < least:
        raise ValueError(f"must be a status from {least} to {most}")
    return value


def _header(text: str) -> str:
    # A control character would be refused by the HTTP library in the middle of the answer.
    if not text or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise ValueError("must hold no control characters")
    return text


def _retry_after(code: str, seconds: str = "1") -> Effect:
    return faults.RetryAfter(code=_code(code, 400, 599), seconds=_natural(seconds, 86_400))


def _none(make: Callable[[], Effect]) -> Kind:
    return Kind(shape="", least=0, most=0, make=make)


def _one(shape: str, make: Callable[[str], Effect]) -> Kind:
    return Kind(shape=shape, least=1, most=1, make=make)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "drop_before": _none(faults.DropBefore),
        "status": _one("CODE", lambda text: faults.Status(code=_code(text, 200, 599))),
        "retry_after": Kind(shape="CODE[,SECONDS]", least=1, most=2, make=_retry_after),
        "html": _none(faults.Html),
        "redirect": _one("CODE", lambda text: faults.Redirect(code=_code(text, 300, 399))),
        "unauthorized": _none(faults.CredentialsUnknown),
        "session_expired": _none(faults.CredentialsExpired),
        "envelope": _none(faults.Envelope),
        "delay": _one("SECONDS", lambda text: faults.Delay(seconds=_seconds(text))),
        "drop_after": _one("SECONDS", lambda text: faults.DropAfter(seconds=_seconds(text))),
        "gateway_timeout": _one("SECONDS", lambda text: faults.GatewayTimeout(seconds=_seconds(text))),
        "expire_after": _one("SECONDS", lambda text: faults.ExpireAfter(seconds=_seconds(text))),
        "cookie_lock": _none(faults.CookieLock),
        "text_plain": _none(faults.TextPlain),
        "content_type": _one("TYPE", lambda text: faults.ContentType(value=_header(text))),
        "filename": _one("NAME", lambda text: faults.Filename(name=_header(text))),
        "no_disposition": _none(faults.NoDisposition),
        "cut_at": _one("BYTES", lambda text: faults.CutAt(size=_natural(text, 2**63 - 1))),
        "no_length": _none(faults.NoLength),
        "chunked": _none(faults.Chunked),
    }
)


def parse_fault(text: str) -> Fault:
    """The fault that `text` describes. Raises InvalidFault."""
    body, at, probability = text.partition("@")
    name, equals, value = body.partition("=")
    state, dot, word = name.partition(".")
    kind = KINDS.get(word)
    if not dot or kind is None:
        raise InvalidFault(f"{text!r:.80}: write STATE.KIND[=VALUE], KIND one of {', '.join(KINDS)}")
    arguments, times = _split(value, kind) if equals else ([], "")
    if not kind.least <= len(arguments) <= kind.most or (equals and not value):
        raise InvalidFault(f"{text!r:.80}: write {word}={kind.shape or 'TIMES'}{'[:TIMES]' if kind.shape else ''}")
    try:
        return Fault(
            state=state,
            effect=kind.make(*arguments),
            times=_natural(times, 10**9) if times else None,
            probability=float(probability) if at else 1.0,
        )
    except ValueError as error:
        raise InvalidFault(f"{text!r:.80}: {error}") from None


def _split(value: str, kind: Kind) -> tuple[list[str], str]:
    if kind.most == 0:
        return [], value
    arguments, colon, times = value.partition(":")
    if colon and not times:
        return [], ""
    return [unquote(argument) for argument in arguments.split(",")], times


def fault_book(given: FaultBook | Iterable[Fault | str]) -> FaultBook:
    """The faults given as values or as texts, in force. Raises InvalidFault."""
    if isinstance(given, FaultBook):
        return given
    return FaultBook(parse_fault(fault) if isinstance(fault, str) else fault for fault in given)
