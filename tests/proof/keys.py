"""Decides what of the core's state makes a difference to what may follow: times relative to now, numbers as ranks.

Left out: what only tells a person how it came (evidence, messages), a clock's reading, a count that without growth and
jitter changes nothing. The explorer checks by trial that nothing else is forgotten. Must never change what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from reportdl_core import Check, Download, Init, Reason, Secret
from reportdl_core.endpoint_session import Served
from reportdl_core.facts import RunPhase
from reportdl_core.lifecycle import FINAL
from reportdl_core.session import Session

__all__ = ["download_key", "served_key", "session_key"]

_ASKED: Final = (Init, Check)  # what the moment of their sending makes a difference for
_LONG: Final = 8.0
"""Longer than anything that the small clock counts: what is longer ago is long ago."""


def _called(reason: Reason) -> Reason:
    """What a silence is called, its last answer says, and nothing else asks for that (D19, D29)."""
    return Reason.UNREACHABLE if reason in (Reason.SERVER_ERROR, Reason.ENDPOINT_MISSING) else reason


def session_key(session: Session, now: float, *, name: Callable[[Secret | None], int], early: float) -> Hashable:
    """A session. `name` is the number of a token; older than `early` is old, for a `run`."""
    if session.outcome is not None:
        ended = session.outcome
        return session.state, _called(ended.reason), ended.run_unproven, ended.unheld
    facts = session._record.facts
    run, other = session._run, session._other
    sent = facts.run_sent if facts.run is RunPhase.ALIVE else None
    return (
        session.state,
        name(session.token),
        facts.end - now,
        max(facts.due - now, 0.0),
        max(facts.quiet_since - now, -_LONG),
        None if facts.token_from is None else max(facts.token_from - now, -_LONG),
        None if sent is None else min(now - sent, early + 1.0),
        now - facts.other_sent if isinstance(other, _ASKED) and facts.other_sent is not None else None,
        None if facts.held_until is None or facts.held_until <= now else facts.held_until - now,
        facts.formats is not None,  # how they are spelled is carried along, and nothing is compared with it
        facts.run,
        facts.step,
        facts.renewal,
        run is not None and run.number > facts.renewed,
        other is not None and other.number > facts.renewed,
        min(facts.run_refusals, 1),
        min(facts.early_errors, 1),
        min(facts.odd_checks, 1),
        min(facts.lost_gets, 2),
        (facts.ready, facts.heard, facts.kept_on, facts.naming, facts.run_unproven, facts.unheld),
        None if run is None else run.deadline - now,
        None if other is None else (type(other), other.deadline - now),
    )


def download_key(download: Download, now: float, *, name: Callable[[Secret | None], int], early: float) -> Hashable:
    """A job: its session, and how often it began again for what."""
    if download.outcome is not None:
        return (
            download.state,
            _called(download.outcome.reason),
            tuple(sorted(cause.value for cause in download.restarts)),
        )
    session = session_key(download.session, now, name=name, early=early)
    return session, tuple(sorted(cause.value for cause in download.restarts))


def served_key(served: Served, now: float, *, calls: Callable[[int], int], oldest: float) -> Hashable:
    """One session of the endpoint. `calls` ranks its open calls; what is longer ago than `oldest` is long ago.

    While a file is being sent the session does not end (D2), so that its times would go back for ever.
    """
    return (
        served.cell.state,
        None if served.cell.state in FINAL else max(served.began - now, -oldest),  # no token slides beyond an age
        max(served.expires - now, -oldest),
        max(served.run_until - now, -oldest),
        served.format,
        tuple(map(calls, served.waiting)),
        None if served.sending is None else calls(served.sending),
        served.how,
        None if served.ended is None else max(served.ended - now, -oldest),
    )
