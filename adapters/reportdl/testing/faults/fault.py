"""Decides what a fault is: a name, what it makes of a good answer, and where on the way it strikes.

Values only. Must never depend on which client is asked or how it answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, final

from reportdl.testing.raw_server import Answer, Then, message

__all__ = ["At", "Ends", "Fault", "Good", "dripping", "endless", "spoiled"]

_DRIP: Final = 0.15  # seconds between two bytes: never a stall, and never done
_BREATH: Final = 0.002  # seconds between two bursts of an endless answer: it should cost the client, not the machine


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """The answer that would have been right; a fault spoils it. `elsewhere` is the URL of a server not to be asked."""

    headers: dict[str, str]
    body: bytes
    status: int = 200
    elsewhere: str = ""

    def said(
        self,
        *,
        status: int | None = None,
        add: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        length: int | None = None,
    ) -> bytes:
        """Its bytes, with this changed. `length` is what Content-Length says, absent if negative."""
        return message(
            self.status if status is None else status,
            {**(self.headers if headers is None else headers), **(add or {})},
            self.body if body is None else body,
            length=length,
        )


class At(Enum):
    """Where a fault strikes."""

    LISTENER = "the connection is refused"
    CONNECTION = "the connection is accepted, and nothing of the request is read"
    ANSWER = "the request was read"


class Ends(Enum):
    """Who ends it."""

    BY_ITSELF = "the server"
    AT_A_LIMIT = "the client, when its patience is over (D35)"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to be wrong. `play` makes an answer of the good one; `name` says what happens."""

    name: str
    play: Callable[[Good], Answer] = field(repr=False)
    at: At = At.ANSWER
    ends: Ends = Ends.BY_ITSELF


def dripping(data: bytes) -> Callable[[], Iterable[bytes]]:
    """The bytes one by one, 150 ms apart."""

    def drops() -> Iterator[bytes]:
        for at in range(len(data)):
            yield data[at : at + 1]
            time.sleep(_DRIP)

    return drops


def endless(piece: bytes) -> Callable[[], Iterable[bytes]]:
    """The same bytes for as long as the client listens."""

    def pieces() -> Iterator[bytes]:
        while True:
            yield piece
            time.sleep(_BREATH)

    return pieces


def spoiled(make: Callable[[Good], bytes], then: Then = Then.KEEP) -> Callable[[Good], Answer]:
    """A `play` of bytes alone, and what follows them."""
    return lambda good: Answer(data=make(good), then=then)
