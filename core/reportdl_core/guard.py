"""Decides that one session has one caller at a time: a second one is refused and nothing moves (D37).

Without a lock and without threads: taking the last item of a list is one step, in CPython with and without the
global lock. Must never wait.
"""

from __future__ import annotations

from reportdl_core.errors import LocalProtocolError

__all__ = ["Guard"]


class Guard:
    """A context manager that one caller holds at a time; the next one gets LocalProtocolError."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys = [None]

    def __enter__(self) -> None:
        try:
            self._keys.pop()
        except IndexError:
            raise LocalProtocolError("two callers in one session: it has one driver at a time") from None

    def __exit__(self, *exc_info: object) -> None:
        self._keys.append(None)
