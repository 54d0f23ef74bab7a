"""Decides which sessions the server's end knows: found by token, counted against the caps, filed by deadline.

Of a token it keeps the SHA-256 alone (D39). Must never move a state: it says whose time has come, not what follows.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import math
from collections import Counter
from collections.abc import Iterator
from typing import Final

from reportdl_core.endpoint_session import Served
from reportdl_core.secret import Secret
from reportdl_core.switches import Switches

__all__ = ["Register"]

_SLACK: Final = 64


def _digest(token: str) -> bytes:
    # Whatever came over the wire must hash: a lone surrogate is a token that nobody was given.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Register:
    """The sessions of one endpoint."""

    def __init__(self, switches: Switches) -> None:
        self._switches: Final = switches
        self._sessions: Final[dict[int, Served]] = {}
        self._by_digest: Final[dict[bytes, Served]] = {}
        self._over: Final[dict[int, Served]] = {}  # in the order of their ends
        self._live: Final[Counter[str]] = Counter()
        self._files: Final[list[tuple[float, int]]] = []  # a heap; an entry that is not `filed` any more is void
        self._issued = 0

    def __iter__(self) -> Iterator[Served]:
        return iter(self._sessions.values())

    def __getitem__(self, number: int) -> Served:
        return self._sessions[number]

    def get(self, number: int) -> Served | None:
        """The session with this number; None where it was forgotten or never was."""
        return self._sessions.get(number)

    def issued(self, number: int) -> bool:
        """Whether there has ever been a session with this number."""
        return 1 <= number <= self._issued

    def taken(self, token: Secret) -> bool:
        """Whether a session that is still known has this token."""
        return _digest(token.reveal()) in self._by_digest

    def full(self, user: str) -> bool:
        """Whether the caps on live sessions, of one user and in all, leave no room (D36)."""
        live = len(self._sessions) - len(self._over)
        return live >= self._switches.live_in_all or self._live[user] >= self._switches.live_per_user

    def open(self, token: Secret, *, user: str, element: int, segment: int, now: float) -> Served:
        """A new session in INIT, bound to its user, element and segment (R12, R15)."""
        self._issued += 1
        session = Served(
            number=self._issued,
            user=user,
            element=element,
            segment=segment,
            digest=_digest(token.reveal()),
            began=now,
            expires=now + self._switches.ttl,
        )
        self._sessions[session.number] = self._by_digest[session.digest] = session
        self._live[user] += 1
        self.settle(session)
        return session

    def find(self, token: str | None, *, user: str, element: int, segment: int) -> Served | None:
        """The session of this token; None alike for a missing, unknown or foreign one (R14, D13, D14)."""
        if not token:
            return None
        digest = _digest(token)
        session = self._by_digest.get(digest)
        # Nobody can aim at a digest, so the look-up tells nothing; the comparison takes the same time always (D3).
        if session is None or not hmac.compare_digest(session.digest, digest):
            return None
        return session if (session.user, session.element, session.segment) == (user, element, segment) else None

    def settle(self, session: Served) -> None:
        """Take note of what has changed in a session: file it anew, count it as live no longer."""
        if session.over() and session.number not in self._over:
            self._over[session.number] = session
            self._live[session.user] -= 1
            if not self._live[session.user]:
                del self._live[session.user]
            if len(self._over) > self._switches.remembered:
                self.forget(next(iter(self._over.values())))
        due = session.due(self._switches)
        if due < session.filed:
            self._file(session, due)

    def forget(self, session: Served) -> None:
        """Know a session that is over no longer: its token is unknown from now on (D36)."""
        del self._sessions[session.number], self._by_digest[session.digest], self._over[session.number]
        if len(self._files) > 2 * len(self._sessions) + _SLACK:
            self._rebuild()

    def alarm(self) -> float | None:
        """The earliest deadline of all; None where there is none."""
        while self._files:
            when, number = self._files[0]
            session = self._sessions.get(number)
            if session is not None and when == session.filed == session.due(self._switches):
                return when
            heapq.heappop(self._files)
            if session is not None and when == session.filed:
                self._file(session, session.due(self._switches))
        return None

    def overdue(self, now: float) -> Served | None:
        """The session whose deadline came first, if it has come: now >= deadline."""
        when = self.alarm()
        return None if when is None or now < when else self._sessions[self._files[0][1]]

    def _file(self, session: Served, due: float) -> None:
        session.filed = due
        if due < math.inf:
            heapq.heappush(self._files, (due, session.number))

    def _rebuild(self) -> None:
        # Void entries would otherwise stay until their time: under load, more of them than of sessions.
        self._files.clear()
        for session in self._sessions.values():
            self._file(session, session.due(self._switches))
