"""Decides how an end is named: from the answer that ended a session, its state, reason and evidence.

Pure functions. Evidence is bounded: what `run` said, and the last two failures. Must never hold a token.
"""

from __future__ import annotations

from typing import Final, NamedTuple, assert_never

from reportdl_core.answers import Answer, Failure
from reportdl_core.commands import Check, Command, Get, Run
from reportdl_core.errors import Reason, Refusal
from reportdl_core.events import Cancelled, FileNotKept, Lost, Refused, StatusReported
from reportdl_core.facts import Facts, Silence
from reportdl_core.lifecycle import Move
from reportdl_core.outcome import Evidence, Receipt

__all__ = ["Verdict", "final_verdict", "note", "silent_reason", "told"]


_LOST: Final = "lost"
_SILENT: Final = {
    Silence.NOTHING: Reason.UNREACHABLE,
    Silence.PAGES: Reason.ENDPOINT_MISSING,
    Silence.TROUBLE: Reason.SERVER_ERROR,
}


class Verdict(NamedTuple):
    """The move that ends a session, and why."""

    move: Move
    reason: Reason
    receipt: Receipt | None = None
    kept: str | None = None


_REASONS: Final[dict[Refusal, Reason]] = {
    Refusal.REDIRECTED: Reason.REDIRECTED,
    Refusal.ELEMENT_NOT_ALLOWED: Reason.ACCESS_DENIED,
    Refusal.ELEMENT_NOT_FOUND: Reason.NOT_FOUND,
    Refusal.INVALID_STATE: Reason.REFUSED,
    Refusal.INVALID_TOKEN: Reason.REFUSED,
    Refusal.INVALID_FORMAT: Reason.INVALID_FORMAT,
    Refusal.NO_DOWNLOADS: Reason.NO_DOWNLOADS,
    Refusal.NOT_IMPLEMENTED: Reason.NOT_IMPLEMENTED,
    Refusal.ENDPOINT_MISSING: Reason.ENDPOINT_MISSING,
    Refusal.METHOD_NOT_ALLOWED: Reason.ENDPOINT_MISSING,
    Refusal.OTHER: Reason.REFUSED,
}

# Refusals that say nothing of the file: access revoked (D27), an endpoint or an origin that is not the one (D29, D31).
_ELSEWHERE: Final = frozenset(
    {
        Reason.ACCESS_DENIED,
        Reason.NOT_FOUND,
        Reason.REDIRECTED,
        Reason.ENDPOINT_MISSING,
        Reason.NOT_IMPLEMENTED,
    }
)


def final_verdict(facts: Facts, command: Command, event: Failure, answer: Answer, *, expired: bool) -> Verdict:
    """The end that a final answer brings. After a lost `get` a refusal means that the file is lost (D21)."""
    reason = _REASONS[event.refusal] if isinstance(event, Refused) and event.refusal in _REASONS else None
    if facts.lost_gets and reason not in _ELSEWHERE:
        return Verdict(Move.FAIL, Reason.TRANSFER_LOST)
    if expired and (answer is Answer.DOWNLOAD_FAILED or _token_unknown(event)):
        return Verdict(Move.EXPIRE, Reason.EXPIRED)
    if answer is Answer.DOWNLOAD_FAILED:
        # R17 and R30 share one message: the token's age tells them apart (D41).
        return Verdict(Move.FAIL, Reason.GENERATION_FAILED)
    if answer is Answer.ERROR:
        generated = isinstance(command, Run | Check | Get)
        return Verdict(Move.FAIL, Reason.GENERATION_FAILED if generated else Reason.REFUSED)
    return Verdict(Move.FAIL, reason or Reason.REFUSED)


def _token_unknown(event: Failure) -> bool:
    # A server that forgets old sessions knows their tokens no more: after five minutes that is an expiry (D1).
    return isinstance(event, Refused) and event.refusal is Refusal.INVALID_TOKEN


def told(facts: Facts) -> tuple[Evidence, ...]:
    """What an outcome tells: what `run` said, and the last two failures (D5)."""
    first = () if facts.run_evidence is None or facts.run_evidence in facts.evidence else (facts.run_evidence,)
    return first + facts.evidence


def silent_reason(facts: Facts) -> Reason:
    """Why there was no valid answer for so long: nobody there, a page not ours (D29), a server in trouble."""
    return _SILENT[facts.silence]


def note(facts: Facts, command: Command, event: Failure | FileNotKept, now: float) -> None:
    """Keep a failure as evidence (D5, D41)."""
    answer, message = _said(event)
    evidence = Evidence(asked=type(command).__name__, answer=answer, message=message, age=now - facts.began)
    if isinstance(command, Run):
        facts.run_evidence = evidence
    facts.evidence = (*facts.evidence[-1:], evidence)
    if isinstance(event, Refused | StatusReported) and facts.silence is not Silence.TROUBLE:
        page = isinstance(event, Refused) and event.refusal is Refusal.NO_ENVELOPE
        facts.silence = Silence.PAGES if page else Silence.TROUBLE


def _said(event: Failure | FileNotKept) -> tuple[str, str]:
    match event:
        case StatusReported():
            return event.status.value, event.message
        case Refused():
            return event.refusal.value, event.message
        case Lost():
            return f"{_LOST}, {event.sent.value}", event.message
        case Cancelled():
            return f"{_LOST}, cancelled", ""
        case FileNotKept():
            return event.why.value, event.message
        case _:
            assert_never(event)
