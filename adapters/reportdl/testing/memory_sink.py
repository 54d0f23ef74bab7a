"""Decides how a test sees what became of a file: a sink that keeps everything in memory and insists on the order.

Must never forgive a caller: a write after the end, or two ends, is an AssertionError.
"""

from __future__ import annotations

from hashlib import sha256
from typing import final

from reportdl_core.outcome import Receipt
from reportdl_core.sink import Offer

__all__ = ["MemorySink"]


@final
class MemorySink:
    """`published` and `aside` hold what was, `offer` is the last one; `open_now` says whether a file is half here."""

    def __init__(self) -> None:
        self.offer: Offer | None = None
        self.published: bytes | None = None
        self.aside: bytes | None = None
        self._data: bytearray | None = None

    @property
    def open_now(self) -> bool:
        """Whether something was begun and neither published, set aside nor discarded."""
        return self._data is not None

    def open(self, offer: Offer) -> None:
        """Begin."""
        assert self._data is None, "opened twice"
        assert self.published is None, "opened after a file was published"
        self.offer, self._data = offer, bytearray()

    def write(self, data: bytes) -> None:
        """Take bytes."""
        assert self._data is not None, "written to while it was not open"
        self._data += data

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        """Publish."""
        assert self._data is not None, "published while it was not open"
        assert self.offer is not None
        self.published, self._data = bytes(self._data), None
        return Receipt(
            path=None,
            filename=self.offer.filename or "file",
            content_type=self.offer.content_type,
            size=len(self.published),
            sha256=sha256(self.published).hexdigest(),
            length_verified=length_verified,
            offered=self.offer.filename,
            warnings=warnings,
        )

    def set_aside(self, reason: str) -> str | None:
        """Set aside."""
        assert self._data is not None, "set aside while it was not open"
        self.aside, self._data = bytes(self._data), None
        return "memory.unverified"

    def discard(self) -> None:
        """Forget what is half here; what was published stays."""
        self._data = None

    def close(self) -> None:
        """The same, as a client does at the end of a call."""
        self.discard()
