"""Decides what a place for a file must be able to do, so that the exchange can hand it over whole or not at all (I10).

Types only. The exchange calls `open`, `write` any number of times, then exactly one of `publish`, `set_aside` and
`discard`; `discard` may follow any of them that raised. All may block; nothing is raised but OSError and NotKept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reportdl_core.errors import ReportdlError
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt

__all__ = ["NotKept", "Offer", "Sink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that the server is about to send, known from its headers alone (D4).

    `filename` is the server's suggestion, decoded but not cleaned (R25, D24); `length` in bytes, None where the
    server did not say.
    """

    job: Job
    filename: str | None
    content_type: str
    length: int | None


class NotKept(ReportdlError):
    """The file arrived whole and could not be published; `path` names what was kept of it, if anything (D44)."""

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Sink(Protocol):
    """Where one file goes. One sink serves one job; it may be opened again after `discard` (a second `get`, D21)."""

    def open(self, offer: Offer) -> None:
        """Make ready to write; nothing may be visible under the final name."""
        ...

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body, in order."""
        ...

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        """Make the bytes durable, then visible under the final name in one step."""
        ...

    def set_aside(self, reason: str) -> str | None:
        """Keep the bytes beside the target under `<name>.unverified` (D22, D34); return that path, or None."""
        ...

    def discard(self) -> None:
        """Remove what was written. Never raises."""
        ...
