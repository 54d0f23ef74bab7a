"""Decides how an answer is read that is small and never a file: gathered whole, up to a cap, then understood once.

The members of `Exchange` for requests beside the download endpoint. Must never retry, nor raise for what a server did.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from reportdl_core.coding import plain
from reportdl_core.commands import LookUp, RenewCredentials
from reportdl_core.envelope import read_object
from reportdl_core.events import Event, Lost, Sent
from reportdl_core.http_head import Head
from reportdl_core.policy import Policy
from reportdl_core.wire import Outgoing

__all__ = ["SmallAnswer", "said_in"]

C = TypeVar("C", LookUp, RenewCredentials)


class SmallAnswer(ABC, Generic[C]):
    """One request and its answer. `cap` is the longest body in bytes; a longer one counts as none."""

    __slots__ = ("_body", "_cap", "_head", "command", "outgoing", "policy")

    command: C
    outgoing: Outgoing
    policy: Policy

    own_connection = False
    blocking = False

    def __init__(self, command: C, outgoing: Outgoing, *, policy: Policy, cap: int) -> None:
        self.command, self.outgoing, self.policy = command, outgoing, policy
        self._cap = cap
        self._head: Head | None = None
        self._body = bytearray()

    @abstractmethod
    def _understood(self, head: Head, body: bytes) -> Event:
        """What the whole answer says; `body` is decoded, and empty where it was too long."""

    @property
    def connect_timeout(self) -> float:
        """Seconds for the connection to be made (D35)."""
        return self.policy.connect_timeout

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte after which the request is lost."""
        return self.policy.request_timeout

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Report status and headers; False where the body need not be read."""
        self._head = Head.of(status, headers)
        return not self._head.flaw

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; False where no more are wanted."""
        self._body += data[: self._cap + 1 - len(self._body)]
        return len(self._body) <= self._cap

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The answer will not come."""
        return Lost(number=self.command.number, sent=sent, message=message)

    def finish(self) -> Event:
        """The body ended as its framing says, or no more of it was wanted; what that means."""
        if self._head is None:
            return self.lost(sent=Sent.UNKNOWN, message="no answer")
        if self._head.flaw:
            return self.lost(sent=Sent.UNKNOWN, message=self._head.flaw)
        return self._understood(self._head, plain(bytes(self._body), self._head.coding, cap=self._cap))


def said_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that the body is; None for anything else."""
    try:
        return read_object(body)
    except ValueError:
        return None
