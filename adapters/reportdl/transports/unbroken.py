"""Decides when an answer that the standard library has read is broken, for every library that stands on http.client.

http.client takes a head, a chunk's size or a trailer that breaks off for a whole one; here that is an error. Must
never read more, or differently, than http.client does.
"""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from typing import Any

__all__ = ["UnbrokenResponse"]


class UnbrokenResponse(HTTPResponse):
    """Put it into a connection as its `response_class`: a line without its end is an IncompleteRead (D21)."""

    def begin(self) -> None:
        """Read the head."""
        self.fp: Any = _Lines(self.fp)
        super().begin()


class _Lines:
    """A reader whose every line has an end."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._reader.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise IncompleteRead(b"")
        return line
