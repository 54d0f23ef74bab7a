"""Decides what an answer's status line and headers say, before a byte of its body is read (D4).

Must never read a body, and never raise for what a server wrote into a header.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reportdl_core.disposition import Disposition, parse_disposition

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Framing", "Head"]

_LONGEST: Final = 64 * 1024  # bytes of all headers (D36)
_ENVELOPES: Final = frozenset({"", "application/json", "text/json", "text/plain", "text/html", "application/xhtml+xml"})


class Framing(Enum):
    """How the end of a body is known."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "the connection's end"  # proves nothing (D22)
    BROKEN = "lengths that contradict each other, or a coding that nobody asked for"


@dataclass(frozen=True)
class Head:
    """Status and headers; names are matched in any case. Values are texts as a transport gives them (ISO-8859-1)."""

    # No slots: what is read out of the headers is asked for several times in one answer, and kept.
    status: int
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[str, str]]) -> Head:
        """From any iterable of pairs."""
        return cls(status, tuple([(name.lower(), value) for name, value in headers]))

    @cached_property
    def _named(self) -> dict[str, list[str]]:
        named: dict[str, list[str]] = {}
        for name, value in self.headers:
            named.setdefault(name, []).append(value)
        return named

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order."""
        return tuple(self._named.get(name, ()))

    def first(self, name: str) -> str:
        """The first value of a header, or an empty text."""
        values = self._named.get(name)
        return values[0] if values else ""

    @cached_property
    def media_type(self) -> str:
        """The type and subtype, in lower case, without parameters."""
        return self.first("content-type").partition(";")[0].strip().lower()

    @cached_property
    def disposition(self) -> Disposition | None:
        """Content-Disposition, if there is one."""
        value = self.first("content-disposition")
        return parse_disposition(value) if value else None

    @property
    def is_file(self) -> bool:
        """Whether a 200 on `get` is the file rather than an envelope: from the headers, never from the body (D4)."""
        if self.status != 200:
            return False
        disposition = self.disposition
        if disposition is not None and disposition.type == "attachment":
            return True
        return self.media_type not in _ENVELOPES and not self.media_type.endswith("+json")

    @cached_property
    def flaw(self) -> str:
        """Why no answer can be read after this head, whatever stands in it; empty where one can (D21, D36)."""
        if self.status < 200:
            return "an interim answer instead of one"
        if sum([len(name) + len(value) + 4 for name, value in self.headers]) > _LONGEST:
            return f"more than {_LONGEST // 1024} KiB of headers"
        return Framing.BROKEN.value if self.framing is Framing.BROKEN else ""

    @cached_property
    def framing(self) -> Framing:
        """How the body's end will be known. HTTP libraries differ in what they make of two ways at once: no way."""
        codings = [part.lower() for part in self._parts("transfer-encoding")]
        lengths = self._lengths
        if codings and not {"", "identity"}.issuperset(codings):
            return Framing.CHUNKED if codings == ["chunked"] and not lengths else Framing.BROKEN
        if not lengths:
            return Framing.CLOSE
        sound = len(lengths) == 1 and all(text.isascii() and text.isdigit() and len(text) < 19 for text in lengths)
        return Framing.LENGTH if sound else Framing.BROKEN

    @cached_property
    def length(self) -> int | None:
        """The body's length in bytes as it is on the wire, where the framing is a length."""
        return int(next(iter(self._lengths))) if self.framing is Framing.LENGTH else None

    @cached_property
    def _lengths(self) -> frozenset[str]:
        return frozenset(self._parts("content-length"))

    def _parts(self, name: str) -> list[str]:
        return [part.strip() for value in self._named.get(name, ()) for part in value.split(",")]

    @cached_property
    def coding(self) -> str:
        """The content coding, in lower case; empty for identity (D34)."""
        coding = ",".join(self.all("content-encoding")).strip().lower()
        return "" if coding == "identity" else coding

    @property
    def retry_after(self) -> float | None:
        """Retry-After in seconds from the answer: a number, or a date less the answer's own Date (D19)."""
        text = self.first("retry-after").strip()
        if text.isascii() and text.isdigit():
            return float(text[:10])
        wanted, sent = _date(text), _date(self.first("date"))
        return max(0.0, (wanted - sent).total_seconds()) if wanted is not None and sent is not None else None

    @property
    def location_origin(self) -> str:
        """Where a redirect points: scheme and host alone, since a path or query could hold a token (D31)."""
        try:
            parts = urlsplit(self.first("location"))
            shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "the same origin"
        except ValueError:
            return "an unreadable address"
        return shown if shown.isprintable() and len(shown) <= 200 else "an unreadable address"


def _date(text: str) -> datetime | None:
    # The one form that HTTP still sends, "Sun, 06 Nov 1994 08:49:37 GMT"; the library's parser would load sockets.
    match text.replace(":", " ").split():
        case [_, day, month, year, hour, minute, second, "GMT"] if month in _MONTHS:
            parts = (year, _MONTHS[month], day, hour, minute, second)
        case _:
            return None
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    from datetime import UTC, datetime  # for the few answers that say a date: it takes as long as all of this module

    try:
        return datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], min(numbers[5], 59), tzinfo=UTC)
    except ValueError:
        return None


_MONTHS: Final = {
    name: str(number)
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
