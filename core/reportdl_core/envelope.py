"""Decides what a JSON envelope says: status, formats, token, message (R31, R32), and which words are the document's.

Must never trust a body: it may be huge, deep, not UTF-8, HTML, or say the same thing twice (D26, D36).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Never
from urllib.parse import quote, unquote

from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.formats import FORMATS

__all__ = [
    "Envelope",
    "Unreadable",
    "clean_message",
    "masked",
    "read_envelope",
    "read_object",
    "refusal_of_message",
    "shown_message",
    "spellings",
    "telling",
]

_LONGEST: Final = 300
_WORD: Final = 8  # characters


_DOCUMENTED: Final[dict[str, Refusal]] = {
    refusal.value.casefold(): refusal
    for refusal in (
        Refusal.INVALID_STATE,
        Refusal.INVALID_TOKEN,
        Refusal.NO_DOWNLOADS,
        Refusal.INVALID_FORMAT,
        Refusal.NOT_IMPLEMENTED,
        Refusal.DOWNLOAD_FAILED,
        Refusal.ELEMENT_NOT_ALLOWED,
        Refusal.ELEMENT_NOT_FOUND,
    )
}
_STATUSES: Final = {status.value.replace(" ", ""): status for status in Status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One envelope. `status` is None where it is missing or unknown; `status_text` is then what stood there."""

    status: Status | None
    status_text: str
    formats: tuple[str, ...] | None
    token: object
    message: str

    def __repr__(self) -> str:
        return f"Envelope(status={self.status!r})"  # the token must not show


class Unreadable(Enum):
    """Why a body is no envelope."""

    NO_OBJECT = "not a JSON object"
    AMBIGUOUS = "`status` stands twice"


class _Twice(ValueError):
    pass


def read_envelope(body: bytes, *, hidden: Callable[[], tuple[str, ...]] = tuple) -> Envelope | Unreadable:
    """What the body says, with the texts that `hidden` gives masked in what people will read. Never raises."""
    try:
        said = read_object(body)
    except _Twice:
        return Unreadable.AMBIGUOUS
    if said is None:
        return Unreadable.NO_OBJECT
    text, message, formats, token = said.get("status"), said.get("message"), said.get("formats"), said.get("token")
    status_text = text if isinstance(text, str) else ""
    status = _status(status_text)

    def secrets() -> tuple[str, ...]:
        # What `init` answers may show its own token again in what people read.
        return hidden() + (spellings(token) if isinstance(token, str) else ())

    return Envelope(
        status=status,
        status_text=masked(status_text, secrets()) if status is None else status.value,
        formats=_formats(formats, secrets),
        token=token,
        message=shown_message(message, hidden=secrets()) if isinstance(message, str) else "",
    )


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that the body is, or None. Raises ValueError alone, where `status` stands twice."""
    try:
        said: object = _DECODER.decode(body.decode("utf-8-sig"))
    except _Twice:
        raise
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    said = dict(pairs)
    if len(said) < len(pairs) and sum(1 for name, _ in pairs if name == "status") > 1:
        raise _Twice
    return said


def _no_constant(name: str) -> Never:
    raise ValueError(name)  # NaN and Infinity are not JSON


# Made once: `json.loads` makes a new one for every text that it reads in other ways than its own.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


def _status(text: str) -> Status | None:
    # Case, `_`, `-` and spaces are folded (D17). ASCII only, so that no other letter folds onto ours.
    return _STATUSES.get(text.upper().translate(_DROPPED)) if text.isascii() and len(text) <= 40 else None


_DROPPED: Final = {ord(character): None for character in "_- \t\r\n"}


def _formats(value: object, hidden: Callable[[], tuple[str, ...]]) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    keys: list[object] = value  # pyright: ignore[reportUnknownVariableType]
    if len(keys) > 1000 or not all(isinstance(key, str) for key in keys):
        return None
    texts = [key for key in keys if isinstance(key, str)]
    if all(key in FORMATS for key in texts):
        return tuple(texts)
    secrets = hidden()
    return tuple(key if key in FORMATS else clean_message(masked(key, secrets)) for key in texts)


def spellings(token: str) -> tuple[str, ...]:
    """How a server may write a token that it has issued or was sent (R13). Longest first."""
    quoted = quote(token, safe="", errors="replace")  # an envelope may hold what is no text
    return tuple(sorted({token, quoted, unquote(token)}, key=len, reverse=True))


def telling(texts: Iterable[str]) -> tuple[str, ...]:
    """Those of the texts that are secrets to be masked: what is shorter may be a part of any word or name."""
    return tuple(text for text in texts if len(text) >= _WORD)


def shown_message(text: str, *, hidden: tuple[str, ...]) -> str:
    """A server's message as it may be shown: without secrets (D39), in one short line; the document's own as it is."""
    line = clean_message(text)
    # Masked before it is shortened: half a token is one too many.
    return line if refusal_of_message(line) is not None else clean_message(masked(text, hidden))


def masked(text: str, hidden: tuple[str, ...]) -> str:
    """The text without secrets that a server has echoed (D39); media types come in lower case."""
    for secret in filter(None, hidden):
        text = text.replace(secret, "***").replace(secret.lower(), "***")
    return text


def clean_message(text: str) -> str:
    """The text in one line of at most 300 characters, without control or bidi characters (D36)."""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * _LONGEST])
    line = " ".join(kept.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def refusal_of_message(message: str) -> Refusal | None:
    """Which documented refusal the message is: trimmed, in any case, with or without a full stop (D26)."""
    return _DOCUMENTED.get(message.strip().rstrip(".").casefold())
