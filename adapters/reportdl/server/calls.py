"""Decides what is remembered of the calls that reached the server, so that a test can count them.

Counting at the server is how "one command is one request" is proven. A record holds the raw target with its session
token, so recording is for tests: `serve` does not record. Must never hold a credential.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["CallLog", "SeenCall", "shown"]

_SECRET: Final = frozenset({b"token", b"authorization", b"cookie", b"proxy-authorization"})
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """One call as it came.

    `state` is the endpoint's state word or the neighbour's name (`get_token`, `element`, ...). `target` is the raw
    path and query. `headers` are lower-case names with their values, credentials as `***`. `connection` numbers the
    TCP connection; `at` is seconds on a monotonic clock.
    """

    state: str
    method: str
    target: str = field(repr=False)
    headers: tuple[tuple[str, str], ...]
    connection: int
    at: float


class CallLog:
    """The calls in the order in which they came; any thread may read it while the server writes. Bounded."""

    def __init__(self) -> None:
        self._calls: deque[SeenCall] = deque(maxlen=_MOST)
        self._more = threading.Condition()

    def add(self, call: SeenCall) -> None:
        """Note one more."""
        with self._more:
            self._calls.append(call)
            self._more.notify_all()

    def clear(self) -> None:
        """Forget them."""
        with self._more:
            self._calls.clear()

    def all(self) -> tuple[SeenCall, ...]:
        """What came so far."""
        with self._more:
            return tuple(self._calls)

    def count(self, state: str) -> int:
        """How many calls of `state` came so far."""
        with self._more:
            return self._count(state)

    def wait_for(self, state: str, count: int, *, timeout: float = 10.0) -> None:
        """Return once `count` calls of `state` have come; raise TimeoutError after `timeout` seconds."""
        with self._more:
            if not self._more.wait_for(lambda: self._count(state) >= count, timeout):
                raise TimeoutError(f"{self._count(state)} calls of {state} instead of {count} after {timeout:g} s")

    def _count(self, state: str) -> int:
        return sum(call.state == state for call in self._calls)


def shown(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Headers as texts, without what they are worth to a thief."""
    return tuple(
        (name.decode("latin-1"), "***" if name in _SECRET else value.decode("latin-1")) for name, value in headers
    )
