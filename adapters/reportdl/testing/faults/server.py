"""Decides what the fault server knows: a small endpoint on raw sockets, right in all but the one answer to be spoiled.

It keeps a session for each token, so that a second `run` or a second whole file is counted where it counts: here.
Must never be kinder to a client than a real server: unknown and spent tokens are refused.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from difflib import get_close_matches
from types import TracebackType
from typing import Final, Self, final

from reportdl.testing.canned import FILE, JSON, PDF
from reportdl.testing.faults import FAULTS
from reportdl.testing.faults.fault import At, Fault, Good
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then

__all__ = ["STATES", "FaultServer"]

STATES: Final = ("formats", "init", "run", "check", "get")
_DEAF: Final = 0.1  # seconds that a port refuses: a client tries a few times
_BEFORE: Final = {"init": "formats", "run": "init", "check": "run", "get": "run"}


@dataclass(slots=True)
class _Session:
    runs: int = 0
    files: int = 0


@final
class FaultServer:
    """An endpoint whose first `times` answers to `on` are spoiled by a fault of `FAULTS`; None means all of them.

    A fault that strikes before the request is read hits the first connection that is made once the state before `on`
    was answered. Where `on` is check, `run` is answered 504, so that a client has to check. `file` is what it delivers;
    None for a PDF. One instance serves once.
    Raises ValueError for a fault or a state that there is not.
    """

    def __init__(
        self,
        fault: str,
        *,
        on: str,
        times: int | None = 1,
        tls: ssl.SSLContext | None = None,
        elsewhere: str = "http://203.0.113.1",
        file: bytes | None = None,
        headers: dict[str, str] = FILE,
    ) -> None:
        self._fault, self._on = _known(fault), on
        if on not in STATES:
            raise ValueError(f"no such state: {on!r}")
        self._left: float = float("inf") if times is None else times
        self._elsewhere, self._file = elsewhere, PDF if file is None else file
        self._headers = headers
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._armed = on == "formats"
        self._deafness: list[threading.Timer] = []
        self._server = RawServer(self._answer, tls=tls, greet=self._greet)
        self.url: Final = self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        with self._lock:
            self._deafen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._deafness:
            timer.cancel()
        self._server.__exit__(kind, error, trace)

    @property
    def seen(self) -> tuple[Seen, ...]:
        """Every request that was read so far, byte for byte."""
        return self._server.seen

    @property
    def states(self) -> list[str]:
        """The state word of every request that was read so far."""
        return self._server.states

    @property
    def runs(self) -> tuple[int, ...]:
        """How often each token was run, in the order in which they were issued."""
        with self._lock:
            return tuple(session.runs for session in self._sessions.values())

    @property
    def files(self) -> tuple[int, ...]:
        """How many whole files each token was given that nobody spoiled."""
        with self._lock:
            return tuple(session.files for session in self._sessions.values())

    def all_left(self, *, timeout: float) -> bool:
        """Whether the client has let go of every connection, or does so within `timeout` seconds."""
        return self._server.all_left(timeout=timeout)

    # -- what it says -------------------------------------------------------------------------------------------

    def _answer(self, seen: Seen) -> Answer:
        with self._lock:
            state = seen.state
            strikes = self._fault.at is At.ANSWER and state == self._on and self._left > 0
            good = self._good(state, seen, spoiled=strikes)
            if strikes:
                self._left -= 1
                return self._fault.play(good)
            if self._fault.at is At.ANSWER:
                return Answer(data=good.said())
            if state == _BEFORE.get(self._on):
                self._armed = True
                self._deafen()
            # The next request shall have to make a connection: that is where it is to be struck.
            return Answer(data=good.said(add={"Connection": "close"}), then=Then.CLOSE)

    def _greet(self) -> Answer | None:
        with self._lock:
            if self._fault.at is not At.CONNECTION or not self._armed or self._left <= 0:
                return None
            self._left -= 1
            return self._fault.play(Good(headers={}, body=b""))

    def _deafen(self) -> None:
        if self._fault.at is At.LISTENER and self._armed and self._left > 0:
            self._server.deafen()
            self._armed = False
            if self._left < float("inf"):
                timer = threading.Timer(_DEAF, self._server.listen)
                timer.daemon = True
                self._deafness.append(timer)
                timer.start()

    def _good(self, state: str, seen: Seen, *, spoiled: bool) -> Good:
        if state == "formats":
            return self._said(200, status="OK", formats=["image", "pdf", "csv"])
        if state == "init":
            # Encoded, with both spellings of hex: a token must come back byte for byte (R13).
            token = f"t0k%2F{len(self._sessions) + 1}%3d~s3cr3t"
            self._sessions[token] = _Session()
            return self._said(200, status="OK", token=token)
        session = self._sessions.get(_token(seen))
        if session is None:
            return self._said(400, status="ERROR", message="Invalid token")
        if session.files:
            return self._said(400, status="ERROR", message="Download failed")
        if state == "run":
            session.runs += 1
            lost = self._on == "check"
            return (
                Good(status=504, headers={}, body=b"", elsewhere=self._elsewhere)
                if lost
                else self._said(200, status="OK")
            )
        if not session.runs:
            return self._said(200, status="IN PROGRESS")
        if state == "check":
            return self._said(200, status="READY")
        session.files += not spoiled
        return Good(headers=dict(self._headers), body=self._file, elsewhere=self._elsewhere)

    def _said(self, code: int, **envelope: object) -> Good:
        return Good(status=code, headers=dict(JSON), body=json.dumps(envelope).encode(), elsewhere=self._elsewhere)


def _token(seen: Seen) -> str:
    query = seen.target.partition(b"?")[2].decode("latin-1")
    return next((value for name, _, value in (part.partition("=") for part in query.split("&")) if name == "token"), "")


def _known(name: str) -> Fault:
    if (fault := FAULTS.get(name)) is None:
        near = get_close_matches(name, FAULTS, n=3)
        raise ValueError(f"no such fault: {name!r}" + (f"; near: {', '.join(near)}" if near else ""))
    return fault
