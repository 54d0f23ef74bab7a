"""Decides how a job comes to each of its ends: one script of answers for every reason.

A `Download` of the core is played to the end that is asked for, under a virtual clock, so that its outcome is one that
a driver can be told. Must never make an outcome by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from reportdl.testing.answering import first, good
from reportdl_core.commands import Check, Command, Get, Init, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.download import Download
from reportdl_core.errors import Reason, Refusal
from reportdl_core.events import Event, FileNotKept, FormatsListed, Kept, Lost, Refused, Sent, Status, StatusReported
from reportdl_core.job import Job
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Expiry, Policy

__all__ = ["ended"]

_Say = Callable[[int, str], Event]


class _Script(NamedTuple):
    """What these commands are answered with, whenever they come; None for no answer. All else is answered well."""

    on: tuple[type[Command], ...]
    say: _Say | None
    policy: Policy = Policy()


def _refused(refusal: Refusal) -> _Say:
    return lambda number, message: Refused(number=number, refusal=refusal, message=message)


def _not_kept(why: Kept) -> _Say:
    return lambda number, message: FileNotKept(number=number, why=why, message=message, path="report.unverified")


def _lost(number: int, message: str) -> Event:
    return Lost(number=number, sent=Sent.UNKNOWN, message=message)


def _failed(number: int, message: str) -> Event:
    return StatusReported(number=number, status=Status.ERROR, message=message)


def _others(number: int, _message: str) -> Event:
    return FormatsListed(number=number, formats=("spreadsheet-by-mail",))


_ASKED: Final = (ListFormats, Init)
_AWAITED: Final = (Run, Check)
_SCRIPTS: Final = {
    Reason.DELIVERED: _Script((), None),
    Reason.GENERATION_FAILED: _Script(_AWAITED, _failed),
    Reason.EXPIRED: _Script(_AWAITED, None, Policy(expiry=Expiry.DOCUMENTED)),
    Reason.TIMED_OUT: _Script(_AWAITED, None, Policy(job_timeout=60.0)),
    Reason.CREDENTIALS: _Script((*_ASKED, RenewCredentials), _refused(Refusal.CREDENTIALS)),
    Reason.ACCESS_DENIED: _Script(_ASKED, _refused(Refusal.ELEMENT_NOT_ALLOWED)),
    Reason.NOT_FOUND: _Script(_ASKED, _refused(Refusal.ELEMENT_NOT_FOUND)),
    Reason.NOT_IMPLEMENTED: _Script(_ASKED, _refused(Refusal.NOT_IMPLEMENTED)),
    Reason.NO_DOWNLOADS: _Script(_ASKED, _refused(Refusal.NO_DOWNLOADS)),
    Reason.INVALID_FORMAT: _Script((ListFormats,), _others),
    Reason.ENDPOINT_MISSING: _Script(_ASKED, _refused(Refusal.ENDPOINT_MISSING)),
    Reason.REDIRECTED: _Script(_ASKED, _refused(Refusal.REDIRECTED)),
    Reason.REFUSED: _Script(_ASKED, _refused(Refusal.OTHER)),
    Reason.PROTOCOL: _Script(_ASKED, _refused(Refusal.UNREADABLE)),
    Reason.UNREACHABLE: _Script(_ASKED, _lost),
    Reason.SERVER_ERROR: _Script(_ASKED, _refused(Refusal.UNAVAILABLE)),
    Reason.TRANSFER_LOST: _Script((Get,), _lost),
    Reason.NOT_KEPT: _Script((Get,), _not_kept(Kept.FAILED)),
    Reason.UNVERIFIED: _Script((Get,), _not_kept(Kept.UNVERIFIED)),
}


def ended(reason: Reason, *, job: Job, message: str = "") -> Outcome:
    """How this job ends for this reason. `message` is what the server, the network or the disk said at last."""
    script, now = _SCRIPTS[reason], 0.0
    download = Download(job, policy=script.policy, now=now)
    while (outcome := download.outcome) is None:
        spoiled = [one for one in download.outstanding if isinstance(one, script.on)]
        others = [one for one in download.outstanding if not isinstance(one, (*script.on, Wait))]
        if spoiled and script.say is not None:
            event = script.say(spoiled[0].number, message)
        elif others:
            event = good(others[0], _ready, others[0].number)
        else:
            now, event = max(now, download.alarm[0]), download.alarm[1]
        download.receive(event, now=now)
    return outcome


def _ready(among: Sequence[Any]) -> Any:
    return Status.READY if Status.READY in among else first(among)
