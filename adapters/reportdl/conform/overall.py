"""Decides what all answers together show: statuses, members, error bodies, cookies, redirects, waiting.

Looks at what the steps have gathered. Must never send anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from reportdl.conform.evidence import Answer
from reportdl.conform.findings import Findings
from reportdl_core.errors import Refusal

__all__ = ["overall"]

_BEYOND: Final = (401, 405, 412)  # the document has no text for these
_SAME: Final = 3  # exchanges shown of many that show the same
_OF_THE_ENDPOINT: Final = "/download/state/"


def overall(found: Findings, answers: Iterable[Answer]) -> None:
    """What stands on no single answer."""
    told = [answer for answer in answers if answer.head is not None and _OF_THE_ENDPOINT in answer.asked]
    said = [answer for answer in told if not answer.is_file]
    _statuses(found, said)
    _members(found, said)
    _errors(found, [answer for answer in said if (answer.code or 0) >= 400 and answer.code not in _BEYOND])
    cookies = [answer for answer in told if answer.head is not None and answer.head.all("set-cookie")]
    found.reading("D30", "sets cookies" if cookies else "sets no cookie", *cookies[:_SAME])
    for answer in told:
        if answer.head is not None and 300 <= answer.head.status < 400:
            found.reading("D31", f"redirects to {answer.head.location_origin}", answer)
        if answer.head is not None and answer.head.retry_after is not None:
            found.reading("D19", f"asks to wait {answer.head.retry_after:g} s", answer)
    stored = [one for one in said if one.head is not None and "no-store" in one.head.first("cache-control")]
    found.reading("D23", "no-store" if len(stored) == len(said) else "answers may be stored", *said[:1])
    good = [one for one in said if one.code == 200]
    kinds = sorted({one.head.media_type or "none" for one in good if one.head is not None})
    if kinds:
        found.reading("D4", f"envelopes are {', '.join(kinds)}", *good[:1])


def _statuses(found: Findings, said: list[Answer]) -> None:
    odd = [answer for answer in said if _odd(answer)]
    if odd:
        words = ", ".join(sorted({repr(answer.words) for answer in odd}))
        found.rule("R31", False, f"other statuses: {words}"[:160], *odd[:_SAME])
    elif said:
        found.rule("R31", True, f"{len(said)} envelopes", *said[:1])


def _odd(answer: Answer) -> bool:
    envelope = answer.envelope
    if envelope is None or envelope.status is None:
        return answer.code == 200
    return answer.spelled != envelope.status.value


def _object(answer: Answer) -> dict[str, Any]:
    try:
        value: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _members(found: Findings, said: list[Answer]) -> None:
    wrong = [answer for answer in said if _misplaced(answer)]
    why = "a member where it does not belong" if wrong else "each where it belongs"
    found.rule("R32", not wrong, why, *(wrong or said)[:_SAME])


def _misplaced(answer: Answer) -> bool:
    state = answer.asked.partition("?")[0].rpartition("/")[2].partition(" ")[0]
    members = _object(answer).keys()
    if "message" in members and not answer.refused:
        return True
    return ("formats" in members and state != "formats") or ("token" in members and state != "init")


def _errors(found: Findings, errors: list[Answer]) -> None:
    if not errors:
        return
    whole = [one for one in errors if one.refusal is not None and one.refusal is not Refusal.OTHER]
    kinds = sorted({one.head.media_type or "no content type" for one in errors if one.head is not None})
    all_of_them = "all" if len(whole) == len(errors) else f"{len(whole)} of {len(errors)}"
    found.reading("D26", f"{all_of_them} with the document's texts, as {', '.join(kinds)}", *errors[:_SAME])
