"""The legal moves, what each answer means to each command, and what a refusal is called, restated as literals.

Must hold no logic beyond looking up: it is what the rest of the oracle, and whoever compares the core with it, reads.
"""

from __future__ import annotations

from tests.oracle.vocabulary import DOWNLOADS, Event

__all__ = ["MEANING", "MOVES", "REASON", "REFUSAL_ORDER", "TEXT", "is_valid", "may_move", "meaning", "row"]

# "The life of a session": nothing else moves (I1).
MOVES = frozenset(
    {
        ("INIT", "RUNNING"),
        ("RUNNING", "READY"),
        ("READY", "CONSUMED"),
        ("INIT", "ERROR"),
        ("RUNNING", "ERROR"),
        ("READY", "ERROR"),
        ("INIT", "EXPIRED"),
        ("RUNNING", "EXPIRED"),
        ("READY", "EXPIRED"),
    }
)

# "What each answer means": a row of the table, and what it says to each of the five commands.
# renew      renew, then the same again (D16)           repeat   the same again after a pause (D19)
# poll       `check` decides, after a pause             confirm  `check` decides whether that is final
# final      the session ends                           protocol it ends in a protocol error
# failed     Download failed, after a token (D41, D21)  regain   `check`, then one more `get` (D21)
# unreadable repeat; final after the second, but never while `run` is alive
_COLUMNS = DOWNLOADS
_TABLE = {
    "not sent": ("repeat", "repeat", "repeat", "repeat", "repeat"),
    "lost": ("repeat", "repeat", "poll", "repeat", "regain"),
    "busy": ("repeat", "repeat", "poll", "repeat", "repeat"),
    "credentials": ("renew", "renew", "renew", "renew", "renew"),
    "redirected": ("final", "final", "final", "final", "final"),
    "documented": ("final", "final", "final", "final", "final"),
    "download failed": ("protocol", "protocol", "confirm", "failed", "failed"),
    "other": ("final", "final", "confirm", "final", "final"),
    "status ERROR": ("final", "final", "confirm", "error", "error"),
    "status IN_PROGRESS": ("protocol", "protocol", "poll", "poll", "not yet"),
    "status READY": ("protocol", "protocol", "get", "get", "protocol"),
    "unreadable": ("protocol", "protocol", "poll", "unreadable", "protocol"),
    "success": ("init", "run", "get", "", "consumed"),
    "not kept": ("", "", "", "", "not kept"),
}
MEANING: dict[tuple[str, str], str] = {
    (name, kind): said
    for name, meanings in _TABLE.items()
    for kind, said in zip(_COLUMNS, meanings, strict=True)
    if said
}

_ROW_OF_REFUSAL = {
    "CREDENTIALS": "credentials",
    "REDIRECTED": "redirected",
    "ELEMENT_NOT_ALLOWED": "documented",
    "ELEMENT_NOT_FOUND": "documented",
    "INVALID_STATE": "documented",
    "INVALID_TOKEN": "documented",
    "INVALID_FORMAT": "documented",
    "NO_DOWNLOADS": "documented",
    "NOT_IMPLEMENTED": "documented",
    "DOWNLOAD_FAILED": "download failed",
    "ENDPOINT_MISSING": "documented",  # a 404 all the same
    "METHOD_NOT_ALLOWED": "other",  # any other 4xx
    "OTHER": "other",
    "BUSY": "busy",
    "UNAVAILABLE": "lost",
    "NO_ENVELOPE": "lost",
    "UNREADABLE": "unreadable",
}

# Answers that show beyond doubt that the server, and not something before it, has answered (D16's success, D19's valid
# answer). Of the other refusals no rule says it; a status that does not belong here is none.
_VALID = frozenset({"success", "status ERROR", "status IN_PROGRESS", "status READY", "not kept"})

# What an outcome may be called where the session ends for this refusal. Where the rules name no class, each that a
# reader of them would accept.
REASON: dict[str, frozenset[str]] = {
    "CREDENTIALS": frozenset({"CREDENTIALS"}),
    "REDIRECTED": frozenset({"REDIRECTED"}),  # D31
    "ELEMENT_NOT_ALLOWED": frozenset({"ACCESS_DENIED"}),  # R6, D27
    "ELEMENT_NOT_FOUND": frozenset({"NOT_FOUND"}),  # R5, D27
    "INVALID_STATE": frozenset({"PROTOCOL", "REFUSED", "ENDPOINT_MISSING"}),
    "INVALID_TOKEN": frozenset({"PROTOCOL", "REFUSED"}),
    "INVALID_FORMAT": frozenset({"INVALID_FORMAT"}),  # R10
    "NO_DOWNLOADS": frozenset({"NO_DOWNLOADS"}),  # R9
    "NOT_IMPLEMENTED": frozenset({"NOT_IMPLEMENTED"}),  # R3
    "ENDPOINT_MISSING": frozenset({"ENDPOINT_MISSING"}),  # D29
    "METHOD_NOT_ALLOWED": frozenset({"ENDPOINT_MISSING"}),  # D29
    "OTHER": frozenset({"REFUSED"}),
    "UNREADABLE": frozenset({"PROTOCOL"}),
    "DOWNLOAD_FAILED": frozenset({"PROTOCOL"}),  # to formats and init alone
}

# D15: the order in which the endpoint refuses.
REFUSAL_ORDER = (
    "CREDENTIALS",
    "INVALID_STATE",
    "ELEMENT_NOT_FOUND",
    "ELEMENT_NOT_ALLOWED",
    "NOT_IMPLEMENTED",
    "INVALID_TOKEN",
    "NO_DOWNLOADS",
    "INVALID_FORMAT",
    "DOWNLOAD_FAILED",
)

# The document's section 6: refusal to code and text.
TEXT: dict[str, tuple[int, str]] = {
    "INVALID_STATE": (400, "Invalid state"),
    "INVALID_TOKEN": (400, "Invalid token"),
    "NO_DOWNLOADS": (400, "No downloads available"),
    "INVALID_FORMAT": (400, "Invalid format"),
    "NOT_IMPLEMENTED": (400, "Not implemented for this Element Type"),
    "DOWNLOAD_FAILED": (400, "Download failed"),
    "ELEMENT_NOT_ALLOWED": (403, "Element not allowed"),
    "ELEMENT_NOT_FOUND": (404, "Element not found"),
}


def may_move(before: str, after: str) -> bool:
    """Whether the one step is legal; staying is not a move."""
    return before == after or (before, after) in MOVES


def row(kind: str, event: Event) -> str:
    """The row of the table that an answer to `kind` falls into."""
    if event.kind in {"FormatsListed", "TokenIssued", "RunFinished", "FileReceived"}:
        return "success"
    if event.kind == "Cancelled" or (event.kind == "Lost" and event.sent == "UNKNOWN"):
        return "lost"
    if event.kind == "Lost":
        return "not sent"
    if event.kind == "FileNotKept":
        return "not kept"
    if event.kind == "StatusReported":
        if event.status == "OK":
            return "success" if kind == "Run" else "unreadable"
        return f"status {event.status}"
    assert event.refusal is not None, event
    return _ROW_OF_REFUSAL[event.refusal]


def meaning(kind: str, event: Event) -> str:
    """What this answer says to a client that asked `kind`."""
    return MEANING[row(kind, event), kind]


def is_valid(kind: str, event: Event) -> bool:
    """Whether this answer is beyond doubt one valid answer (D19)."""
    name = row(kind, event)
    return name in _VALID and (kind, name) != ("Get", "status READY")
