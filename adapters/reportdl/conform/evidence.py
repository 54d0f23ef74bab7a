"""Decides what is kept of one exchange with a server, and how it is shown as evidence: asked, answered, after how long.

Must never show a token or a credential: what is shown goes through a `Mask` that knows all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import quote, unquote

from reportdl_core.disposition import Disposition
from reportdl_core.envelope import Envelope, clean_message, read_envelope, refusal_of_message
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.http_head import Head

__all__ = ["Answer", "Mask"]

_SHORTEST: Final = 6
_SHOWN: Final = 160
_OF_OTHERS: Final = (408, 429, 502, 503, 504)


@dataclass(slots=True)
class Mask:
    """The secrets of one examination. Grows while it goes on; what is shown at its end hides them all.

    What has fewer than 6 characters is no secret, and would blot out common words.
    """

    secrets: set[str] = field(default_factory=set[str])

    def add(self, secret: str) -> None:
        """Hide this text, and the ways in which it may come back."""
        if len(secret) < _SHORTEST:
            return
        self.secrets |= {secret, unquote(secret), quote(secret, safe=""), quote(unquote(secret), safe="")}

    def hide(self, text: str) -> str:
        """The text without secrets; the longest first, since one may hold another."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request and what came of it.

    `asked` holds no query but the names of what stood in it. `head` is None where no answer came, and `lost` says
    why; `cut` says that the body was not read to its end on purpose. `body` is its first 64 KiB, `size` what was read
    of it in bytes. `began` and `ended` in seconds since the examination began.
    """

    number: int
    step: str
    asked: str
    head: Head | None
    body: bytes
    size: int
    began: float
    ended: float
    mask: Mask
    lost: str = ""
    cut: bool = False

    @property
    def code(self) -> int | None:
        """The status code; None where no answer came."""
        return None if self.head is None else self.head.status

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def told(self) -> bool:
        """Whether the endpoint answered, rather than a network, a proxy or a server that is busy."""
        return self.head is not None and self.head.status not in _OF_OTHERS

    @property
    def is_file(self) -> bool:
        """Whether this is a file rather than an envelope, by its headers (D4)."""
        return self.head is not None and self.head.is_file

    @property
    def envelope(self) -> Envelope | None:
        """The envelope; None for anything else."""
        if self.head is None or self.is_file:
            return None
        envelope = read_envelope(self.body)
        return envelope if isinstance(envelope, Envelope) else None

    @property
    def spelled(self) -> str:
        """The status letter by letter, which a client folds (D17); empty where there is none."""
        try:
            said: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        status = cast("dict[str, object]", said).get("status") if isinstance(said, dict) else None
        return status if isinstance(status, str) else ""

    @property
    def status(self) -> Status | None:
        """The status of a 200; None where there is none of the four, or another code."""
        envelope = self.envelope
        return envelope.status if envelope is not None and self.code == 200 else None

    @property
    def refusal(self) -> Refusal | None:
        """Which of the document's refusals the message is, whatever the code."""
        envelope = self.envelope
        return None if envelope is None else refusal_of_message(envelope.message)

    @property
    def disposition(self) -> Disposition | None:
        """Content-Disposition, if there is one."""
        return None if self.head is None else self.head.disposition

    def says(self, code: int, refusal: Refusal) -> bool:
        """Whether it is this refusal with this code."""
        return self.code == code and self.refusal is refusal

    @property
    def refused(self) -> bool:
        """Whether it says no: a code of 400 or more, or a 200 with ERROR."""
        return (self.code or 0) >= 400 or self.status is Status.ERROR

    @property
    def words(self) -> str:
        """What it says, in a few words: a code and a message, a status, a file, or no answer."""
        if self.head is None:
            return f"no answer ({self.lost})" if self.lost else "no answer"
        if self.is_file:
            return f"{self.code} with a file"
        envelope = self.envelope
        if envelope is None:
            return f"{self.code} with {clean_message(self.head.media_type) or 'an empty body'}"
        said = [self.spelled, envelope.message] if self.code == 200 else [envelope.message or self.spelled]
        return f"{self.code} {clean_message(self.mask.hide(', '.join(filter(None, said))))}".strip()

    @property
    def shown(self) -> str:
        """What came, as evidence."""
        if self.head is None:
            return self.words
        kind = self.head.media_type or "no content type"
        if self.is_file:
            name = self.head.first("content-disposition") or "no Content-Disposition"
            size = f"{self.size:,} bytes{' read' if self.cut else ''}"
            return f"{self.code} {kind}; {clean_message(self.mask.hide(name))}; {size}"
        text = clean_message(self.mask.hide(self.body[:2048].decode("utf-8", "replace")))
        body = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}\N{HORIZONTAL ELLIPSIS}"
        return f"{self.code} {kind}; {body or 'no body'}"
