"""Decides which refusal a call gets first, and what a call that gets none has asked for (D15).

Credentials have been checked before. What is left, in order: Invalid state, 404, 403, Not implemented, Invalid token,
No downloads, Invalid format; `Download failed` depends on the session's state and comes last, elsewhere. Must never
change a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from reportdl_core.endpoint_messages import Called, Kind, Report
from reportdl_core.endpoint_register import Register
from reportdl_core.endpoint_session import Served
from reportdl_core.errors import Refusal
from reportdl_core.switches import FormatKeys

__all__ = ["AskCheck", "AskFormats", "AskGet", "AskInit", "AskRun", "Asked", "admit", "spelled"]


class _Wanted(Enum):
    FORMATS = "formats"
    INIT = "init"
    RUN = "run"
    CHECK = "check"
    GET = "get"


_WANTED: Final = {one.value: one for one in _Wanted}  # R2: spelled exactly so


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFormats:
    """`formats` of a report that has some (R8)."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class AskInit:
    """A token for a report that has formats (R12)."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRun:
    """The session's file, in a format that the report offers and no other run of it has contradicted (R18, D8)."""

    session: Served
    report: Report
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCheck:
    """How the session stands (R21)."""

    session: Served


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGet:
    """The session's file, in the format of its `run`, if there was one (R24, D9)."""

    session: Served
    report: Report
    format: str


Asked = AskFormats | AskInit | AskRun | AskCheck | AskGet


def admit(call: Called, register: Register, keys: FormatKeys) -> Asked | Refusal:
    """The first refusal that applies, else what is asked for. Each call is judged anew (D27)."""
    wanted, report = _WANTED.get(call.state), call.report
    if wanted is None:
        return Refusal.INVALID_STATE
    if report is None or call.element is None or call.segment is None:
        return Refusal.ELEMENT_NOT_FOUND
    if not report.allowed:
        return Refusal.ELEMENT_NOT_ALLOWED
    if report.kind is not Kind.EXTERNAL_REPORT:
        return Refusal.NOT_IMPLEMENTED
    # `formats` and `init` take no token: one that comes with them all the same is not looked at.
    session = register.find(call.token, user=call.user, element=call.element, segment=call.segment)
    match wanted:
        case _Wanted.FORMATS:
            return AskFormats(report=report) if report.formats else Refusal.NO_DOWNLOADS
        case _Wanted.INIT:
            return AskInit(report=report) if report.formats else Refusal.NO_DOWNLOADS
        case _Wanted.RUN:
            return Refusal.INVALID_TOKEN if session is None else _run(call.format, report, session, keys)
        case _Wanted.CHECK:
            return Refusal.INVALID_TOKEN if session is None else AskCheck(session=session)
        case _Wanted.GET:
            return Refusal.INVALID_TOKEN if session is None else _get(call.format, report, session, keys)
        case _:
            assert_never(wanted)


def _run(asked: str | None, report: Report, session: Served, keys: FormatKeys) -> Asked | Refusal:
    if not report.formats:
        return Refusal.NO_DOWNLOADS  # R9 holds on `run` too, since the report may have changed (D12)
    key = _offered(asked, report.formats, keys)
    if key is None or session.format not in (None, key):
        return Refusal.INVALID_FORMAT
    return AskRun(session=session, report=report, format=key)


def _get(asked: str | None, report: Report, session: Served, keys: FormatKeys) -> Asked | Refusal:
    # After `run` its own format counts alone: a file that exists is not lost because a plugin dropped the format.
    formats = report.formats if session.format is None else (session.format,)
    key = _offered(asked, formats, keys)
    if key is None:
        return Refusal.INVALID_FORMAT
    return AskGet(session=session, report=report, format=key)


def spelled(key: str, keys: FormatKeys) -> str:
    """A plugin's key as `formats` lists it (D11)."""
    return key.upper() if keys is FormatKeys.CAPABILITY else key.lower()


def _offered(asked: str | None, formats: tuple[str, ...], keys: FormatKeys) -> str | None:
    """The plugin's own spelling of the format asked for; None where it is missing or not offered (R10, D10)."""
    if asked is None:
        return None
    wanted = asked.lower() if keys is FormatKeys.FOLDED else asked
    return next((key for key in formats if spelled(key, keys) == wanted), None)
