"""Decides whether the bytes of a file are the whole file, and hands them to a sink: whole or not at all (I10).

Length, coding, end mark, media type, size: D22, D25, D34, D36. Must never publish a file on a doubt, and never turn
a failure to keep it into a loss, because a second `get` would find the token spent (D44).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from reportdl_core.coding import BadCoding, Decoder, decodable
from reportdl_core.commands import Get
from reportdl_core.envelope import masked
from reportdl_core.events import Event, FileNotKept, FileReceived, Kept, Lost, Sent
from reportdl_core.formats import TAIL, known
from reportdl_core.http_head import Framing, Head
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy
from reportdl_core.sink import NotKept, Offer, Sink

__all__ = ["Intake", "Progress"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the whole length, None where the server did not say it."""

# A sink may run out of disk, rights or memory; anything else it raises is a bug and must be seen.
_REFUSALS: Final = (OSError, NotKept, MemoryError)


@final
class Intake:
    """One file on its way from the wire to a sink. `finish` or `lost` ends it."""

    __slots__ = (
        "_decoder",
        "_failure",
        "_head",
        "_hidden",
        "_not_coded",
        "_policy",
        "_progress",
        "_received",
        "_sink",
        "_tail",
        "_written",
        "command",
    )

    def __init__(
        self,
        command: Get,
        head: Head,
        sink: Sink,
        policy: Policy,
        progress: Progress | None,
        *,
        hidden: tuple[str, ...] = (),
    ) -> None:
        self.command: Get = command
        self._hidden = hidden
        self._head, self._sink, self._policy, self._progress = head, sink, policy, progress
        self._decoder = Decoder(head.coding if decodable(head.coding) else "")
        self._failure: FileNotKept | None = None
        self._not_coded = ""
        self._tail = b""
        self._received = self._written = 0

    def open(self) -> bool:
        """Make the sink ready; False where the body need not be read."""
        head = self._head
        if head.length is not None and head.length > self._policy.max_bytes:
            return self._too_large()
        return self._opened()

    def _opened(self) -> bool:
        head = self._head
        name = None if head.disposition is None else head.disposition.filename
        offer = Offer(
            job=self.command.job,
            # Decoded first: a server that names the file after the token might encode it once more (D39).
            filename=None if name is None else masked(name, self._hidden),
            content_type=masked(head.first("content-type"), self._hidden),
            length=None if head.coding else head.length,
        )
        try:
            self._sink.open(offer)
        except _REFUSALS as error:
            return self._refused(error)
        return True

    def feed(self, data: bytes) -> bool:
        """Take the next bytes as they are on the wire; False where no more are wanted."""
        if self._failure is not None:
            return False
        self._received += len(data)
        try:
            for piece in self._decoder.feed(data):
                if not self._write(piece):
                    return False
        except BadCoding as error:
            raw = self._decoder.undecoded
            if raw is None:
                return self._set_aside(str(error))
            if not self._as_it_came(raw, f"it is said to be {self._head.coding}, and is not: this is what came"):
                return False
        if self._progress is not None:
            self._progress(self._received, self._head.length)
        return True

    def _write(self, piece: bytes) -> bool:
        self._written += len(piece)
        if self._written > self._policy.max_bytes:
            return self._too_large()
        if self._head.framing is Framing.CLOSE:
            self._tail = (self._tail + piece[-TAIL:])[-TAIL:]
        try:
            self._sink.write(piece)
        except _REFUSALS as error:
            return self._refused(error)
        return True

    def _as_it_came(self, raw: bytes, doubt: str) -> bool:
        """Nothing could be decoded: keep the bytes themselves, those that came and those that still come (D34)."""
        self._not_coded, self._decoder = doubt, Decoder("")
        if self._written:
            self._sink.discard()
            self._written = 0
            if not self._opened():
                return False
        return self._write(raw)

    def finish(self) -> Event:
        """The body ended as its framing says; what that means. Makes the file durable, so it may block."""
        head = self._head
        if self._failure is not None:
            return self._failure
        if head.length is not None and self._received != head.length:
            return self.lost(sent=Sent.UNKNOWN, message=f"{self._received} of {head.length} bytes came")
        warnings = self._warnings()
        if doubt := self._doubt(warnings):
            if self._failure is None:
                self._set_aside(doubt)
        else:
            try:
                return FileReceived(number=self.command.number, receipt=self._publish(warnings))
            except _REFUSALS as error:
                self._refused(error)
        return self.finish()

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The transfer broke off: nothing of it stays (D21), unless what ended it is that the file cannot be kept."""
        if self._failure is not None:
            return self._failure
        self._sink.discard()
        return Lost(number=self.command.number, sent=sent, message=message)

    def _warnings(self) -> tuple[str, ...]:
        expected = known(self.command.job.format)
        found = masked(self._head.media_type, self._hidden)
        if expected is None or found in expected.media_types or found == "application/octet-stream":
            return ()
        return (f"the server calls it {found or 'nothing'}, {expected.media_types[0]} was expected",)

    def _doubt(self, warnings: tuple[str, ...]) -> str:
        """Why these bytes cannot be called the file; empty where they can."""
        policy, expected = self._policy, known(self.command.job.format)
        if self._not_coded:
            return self._not_coded
        try:
            self._decoder.end()
        except BadCoding as error:
            if raw := self._decoder.undecoded:
                self._as_it_came(raw, str(error))
            return str(error)
        if not decodable(self._head.coding):
            return f"coded in a way that cannot be read here ({masked(self._head.coding, self._hidden)[:40]})"
        if not self._written and (expected is None or expected.ends is not None):
            return "the file is empty"
        if policy.strict and warnings:
            return warnings[0]
        if self._head.framing is Framing.CLOSE and not policy.allow_unverified:
            ends = None if expected is None else expected.ends
            if ends is None or not ends(self._tail):
                return "nothing proves that it is whole: no length came, and no end mark is there"
        return ""

    def _publish(self, warnings: tuple[str, ...]) -> Receipt:
        # A gzip checksum vouches for the whole as a length does.
        verified = self._head.framing is not Framing.CLOSE or self._head.coding in ("gzip", "x-gzip")
        return self._sink.publish(length_verified=verified, warnings=warnings)

    def _set_aside(self, doubt: str) -> bool:
        try:
            path = self._sink.set_aside(doubt)
        except _REFUSALS as error:
            return self._refused(error)
        self._failure = FileNotKept(number=self.command.number, why=Kept.UNVERIFIED, message=doubt, path=path)
        return False

    def _too_large(self) -> bool:
        self._sink.discard()
        message = f"the file is larger than max_bytes ({self._policy.max_bytes:,} bytes)"
        self._failure = FileNotKept(number=self.command.number, why=Kept.FAILED, message=message)
        return False

    def _refused(self, error: BaseException) -> bool:
        message, path = str(error) or type(error).__name__, None
        if isinstance(error, NotKept):
            message, path = error.message, error.path
        elif isinstance(error, OSError):
            message = error.strerror or message
        self._sink.discard()
        self._failure = FileNotKept(number=self.command.number, why=Kept.FAILED, message=message, path=path)
        return False
