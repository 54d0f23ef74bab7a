"""Decides what every step of an examination does again and again: a token, a run that is waited for, a check.

Must never judge: what an answer means for a rule, the steps say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from reportdl.conform.evidence import Answer
from reportdl.conform.findings import Findings
from reportdl.conform.probe import Pending, Probe
from reportdl.credentials import Credentials
from reportdl_core.events import Status
from reportdl_core.secret import Secret
from reportdl_core.wire import query_token

__all__ = ["Elements", "Lab", "NoToken", "Ran"]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class NoToken(Exception):
    """`init` gave none, so that a step cannot begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Other elements that an examination may use, if they are named."""

    denied: int | None = None
    other_type: int | None = None
    no_downloads: int | None = None
    other: int | None = None
    failing: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run and how it came out: its own answer, and the first `check` that no longer said IN PROGRESS."""

    token: Secret
    answer: Answer
    last: Answer

    @property
    def ready(self) -> bool:
        """Whether the file is there."""
        return self.last.status is Status.READY


@final
@dataclass(slots=True, kw_only=True)
class Lab:
    """What the steps share. `ttl` is how long a token should live, `patience` how long a generation is waited for."""

    probe: Probe
    found: Findings
    element: int
    segment: int
    format: str
    elements: Elements
    ttl: float
    patience: float
    other_credentials: Credentials | None = None
    formats: tuple[str, ...] = ()
    sleep: Callable[[float], None] = time.sleep
    pending: list[Pending] = field(default_factory=list[Pending])

    def path(self, state: str, *, element: int | str | None = None, segment: int | str | None = None) -> str:
        """The endpoint's path for a state (R1)."""
        of = self.element if element is None else element
        part = self.segment if segment is None else segment
        return f"/api/element/id/{of}/segment/{part}/download/state/{state}"

    def ask(self, state: str, token: Secret | None = None, *, format: str | None = None) -> Answer:
        """One call of the endpoint, on the element examined."""
        return self.probe.ask(self.path(state), query=_query(token, format))

    def on(self, element: int, state: str, token: Secret | None = None, *, format: str | None = None) -> Answer:
        """The same on another element, without a segment."""
        return self.probe.ask(self.path(state, element=element, segment=0), query=_query(token, format))

    def token(self, element: int | None = None) -> Secret:
        """A new token. Raises NoToken."""
        answer = self.ask("init") if element is None else self.on(element, "init")
        envelope = answer.envelope
        if envelope is None or not isinstance(envelope.token, str) or not envelope.token:
            raise NoToken(answer.words)
        self.probe.mask.add(envelope.token)
        return Secret(envelope.token)

    def start(self, token: Secret, *, format: str | None = None, element: int | None = None) -> Pending:
        """Send `run` on a connection of its own, and go on."""
        path = self.path("run") if element is None else self.path("run", element=element, segment=0)
        pending = self.probe.begin(path, query=_query(token, format or self.format), alone=True)
        self.pending.append(pending)
        return pending

    def get(self, token: Secret, *, only_head: bool = False, unread: bool = False) -> Pending:
        """Send `get`, and go on."""
        query = _query(token, self.format)
        alone = only_head or unread
        pending = self.probe.begin(self.path("get"), query=query, alone=alone, only_head=only_head, unread=unread)
        self.pending.append(pending)
        return pending

    def settled(self, token: Secret, *, element: int | None = None, within: float | None = None) -> Answer:
        """`check` until it says something else than IN PROGRESS; the last answer, whatever it is."""
        until, pause = self.probe.now() + (self.patience if within is None else within), _FIRST_PAUSE
        while True:
            answer = self.ask("check", token) if element is None else self.on(element, "check", token)
            # An answer that is lost or a 5xx says nothing of the generation.
            waits = answer.status is Status.IN_PROGRESS or answer.code is None or answer.code >= 500
            if not waits or self.probe.now() + pause > until:
                return answer
            self.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def ran(self, *, element: int | None = None, format: str | None = None) -> Ran:
        """A new token, a run, and its end. Raises NoToken."""
        token = self.token(element)
        answer = self.start(token, element=element, format=format).answer(self.patience)
        # What was refused will not come.
        within = self.patience if answer.status is Status.OK or not answer.told else 0.0
        return Ran(token=token, answer=answer, last=self.settled(token, element=element, within=within))

    def close(self) -> None:
        """End what is still under way."""
        for pending in self.pending:
            if not pending.over():
                pending.drop()


def _query(token: Secret | None, format: str | None) -> tuple[tuple[str, str], ...]:
    held = () if token is None else (("token", query_token(token)),)
    return held if format is None else (*held, ("format", format))
