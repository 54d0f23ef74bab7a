"""Decides how a core is copied in memory, so that an explorer can go two ways from one state.

A copy shares what never changes (messages, policies, secrets) and has its own of what does. Reaches into the core's
private parts, as no other file of the tests does: a snapshot would do as well, but costs fifty times as much, and
the endpoint has none. `test_copying` holds a copy against a snapshot. Must never add behaviour.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from reportdl_core import Download
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_register import Register
from reportdl_core.endpoint_session import Served
from reportdl_core.facts import Facts
from reportdl_core.guard import Guard
from reportdl_core.lifecycle import Cell
from reportdl_core.record import Record
from reportdl_core.session import Session

__all__ = ["copy_download", "copy_endpoint", "copy_session"]

_FACTS: Final = tuple(Facts.__slots__)
_SERVED: Final = tuple(Served.__slots__)


def copy_download(old: Download) -> Download:
    """The job as it is."""
    new = Download.__new__(Download)
    new.session, new.job, new.policy = copy_session(old.session), old.job, old.policy
    new._guard = Guard()
    new._restarts, new._evidence, new._outcome = old._restarts, old._evidence, old._outcome
    return new


def copy_session(old: Session) -> Session:
    """The session as it is."""
    new = Session.__new__(Session)
    new.job, new.policy, new.seed = old.job, old.policy, old.seed
    new._cell, new._guard, new._seen = Cell(old._cell.state), Guard(), old._seen
    new._run, new._other, new._outcome = old._run, old._other, old._outcome
    facts, was = Facts.__new__(Facts), old._record.facts
    for name in _FACTS:
        setattr(facts, name, getattr(was, name))
    new._record = Record(old.job, old.policy, old.seed, facts)
    new._record.token, new._record.verdict = old._record.token, old._record.verdict
    return new


def _copy_served(old: Served) -> Served:
    new = Served.__new__(Served)
    for name in _SERVED:
        setattr(new, name, getattr(old, name))
    new.cell, new.waiting = Cell(old.cell.state), list(old.waiting)
    return new


def copy_endpoint(old: Endpoint) -> Endpoint:
    """The endpoint with all its sessions."""
    new: Any = Endpoint.__new__(Endpoint)
    new.switches, new._guard, new._seen = old.switches, Guard(), old._seen
    new._held, new._sending = dict(old._held), dict(old._sending)
    was, register = old._register, Register.__new__(Register)
    parts: Any = register
    sessions = {number: _copy_served(session) for number, session in was._sessions.items()}
    parts._switches, parts._issued, parts._files = was._switches, was._issued, list(was._files)
    parts._sessions = sessions
    parts._by_digest = {session.digest: session for session in sessions.values()}
    parts._over = {number: sessions[number] for number in was._over}
    parts._live = Counter(was._live)
    new._register = register
    return new
