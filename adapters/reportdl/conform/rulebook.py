"""Decides what each rule and each decision is called here in a few words, and what it takes to see it from outside.

The IDs are those that code and tests cite. What a client does by itself can be seen of no server, and is said to be so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["RULEBOOK", "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One rule. `needs` says what it takes to see it, for whoever has not."""

    rule: str
    title: str
    needs: str = "no answer showed it"


_CLIENT: Final = "the client's own: no server shows it"
_LONG: Final = "needs a generation that takes that long"


def _by(step: str) -> str:
    return f"--step {step}"


_TEXTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("R1", "one endpoint, GET only", ""),
    ("R2", "an unknown state is 400 Invalid state", ""),
    ("R3", "an element of another type is 400 Not implemented", "--other-type ELEMENT"),
    ("R4", "dimensionId is a value id, 0 without segments", ""),
    ("R5", "no such element is 404 Element not found", ""),
    ("R6", "no view access is 403 Element not allowed", "--denied ELEMENT"),
    ("R7", "format keys and their extensions", ""),
    ("R8", "formats answers OK and the keys", ""),
    ("R9", "no capabilities is 400 No downloads available", "--no-downloads ELEMENT"),
    ("R10", "a format not offered is 400 Invalid format", _by("run-refusals")),
    ("R11", "formats differ by report", "--no-downloads ELEMENT, or another report"),
    ("R12", "init issues a token bound to its user", ""),
    ("R13", "the token goes into the query as it came", ""),
    ("R14", "a missing or malformed token is 400 Invalid token", ""),
    ("R15", "a session lives five minutes from init", _by("expiry")),
    ("R16", "a file is discarded if the token ends before run", f"{_by('expiry-ready')}, on a slow report"),
    ("R17", "an expired token is 400 Download failed", _by("expiry")),
    ("R18", "run answers OK", _by("generation")),
    ("R19", "run may take 30 minutes", _LONG),
    ("R20", "check is answered while run goes on", _by("generation")),
    ("R21", "check says IN PROGRESS, READY or ERROR", ""),
    ("R22", "after a failed run, check and get say ERROR", "--failing ELEMENT"),
    ("R23", "no get after ERROR", _CLIENT),
    ("R24", "get answers the file as an attachment", _by("generation")),
    ("R25", "the file is named <element-name>.<extension>", _by("generation")),
    ("R26", "get before the file says IN PROGRESS", ""),
    ("R27", "a session gives one file", _by("generation")),
    ("R28", "a consumed token is an error", _by("generation")),
    ("R29", "init begins again", _by("generation")),
    ("R30", "a failed generation is 400 Download failed", "--failing ELEMENT"),
    ("R31", "status is one of four", ""),
    ("R32", "formats, token and message where they belong", ""),
    ("D1", "what five minutes bound", f"{_by('expiry')} or {_by('expiry-ready')}"),
    ("D2", "expiry while the file is sent", "needs a transfer that outlasts the token"),
    ("D3", "how the token is encoded", ""),
    ("D4", "how files and envelopes are told apart", _by("generation")),
    ("D5", "what check and get say of a failed run", "--failing ELEMENT"),
    ("D6", "what run itself answers", f"{_by('generation')}, --failing ELEMENT"),
    ("D7", "whether a dropped run is aborted", _by("dropped-run")),
    ("D8", "what a second run does", _by("second-run")),
    ("D9", "get with another format than run's", _by("second-run")),
    ("D10", "run without a format", _by("run-refusals")),
    ("D11", "how format keys are spelled", ""),
    ("D12", "whether formats must be asked first", ""),
    ("D13", "a token of another user, or of nobody", "--other-token-file FILE"),
    ("D14", "a token on another element", "--other-element ELEMENT"),
    ("D15", "which refusal comes first", ""),
    ("D16", "what a missing credential answers", ""),
    ("D17", "how IN PROGRESS is spelled", ""),
    ("D18", "what check says before run", ""),
    ("D19", "Retry-After", "no answer asked to wait"),
    ("D20", "which error a consumed token is", _by("generation")),
    ("D21", "whether a broken get spends the file", _by("broken-get")),
    ("D22", "how the end of a file is known", _by("generation")),
    ("D23", "other methods, and caching", ""),
    ("D24", "how a file's name is written", _by("generation")),
    ("D25", "which media type a file has", _by("generation")),
    ("D26", "what the body of an error is", ""),
    ("D27", "access revoked inside a session", "needs an administrator"),
    ("D28", "the longest generation", "no generation was cut short"),
    ("D29", "servers without the endpoint", ""),
    ("D30", "cookies", ""),
    ("D31", "redirects", "no answer was one"),
    ("D32", "ids that are no numbers", ""),
    ("D33", "https", _CLIENT),
    ("D34", "content coding", ""),
    ("D35", "deadlines of requests", _CLIENT),
    ("D36", "caps on sizes and sessions", "not tried: it would be an attack"),
    ("D37", "one session, two threads", _CLIENT),
    ("D38", "cancellation", _CLIENT),
    ("D39", "tokens at rest", _CLIENT),
    ("D40", "security headers", ""),
    ("D41", "whether an expiry can be told from a failure", f"{_by('expiry')} with --failing ELEMENT"),
    ("D42", "get after run's OK", _by("generation")),
    ("D43", "a job taken up again", _CLIENT),
    ("D44", "a file that cannot be kept", _CLIENT),
)

RULEBOOK: Final[tuple[Entry, ...]] = tuple(
    Entry(rule=rule, title=title, needs=needs or "no answer showed it") for rule, title, needs in _TEXTS
)
"""Every documented rule and every decision, in their order."""
