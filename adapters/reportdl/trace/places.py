"""Decides what of a message may stand in a trace: no folder, no URL, no host; of a file its name.

Texts are written by the sinks, by the system and by the server, so they are read as texts. The same is left out of an
event and of what the core makes of it, so that a replay decides and ends as it did. Must never make a format key of
something that was none: a mark that no key holds stands for what was left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, assert_never, cast

from reportdl_core.commands import Command, Finish
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    LookedUp,
    Lost,
    Refused,
    RunFinished,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.outcome import Evidence, Outcome, Receipt

__all__ = ["MARK", "command_without_places", "event_without_places", "json_without_places", "without_places"]

MARK: Final = "\N{HORIZONTAL ELLIPSIS}"
"""Stands for what was left out."""

# What our own sinks say: their folder may hold spaces, and whatever else a text has between its parts.
_QUOTED: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_FRAMES: Final = (
    re.compile(r"^(cannot write into ).+(; nothing was kept: .*)$", re.DOTALL),
    re.compile(rf"^(cannot write to )(?:{_QUOTED})(: .*)$", re.DOTALL),
    re.compile(
        r"^().+( (?:could not be made durable|could not be written|is there and cannot be read): .*)$", re.DOTALL
    ),
    re.compile(r"^(.*; its [\d,]+ bytes are kept as ).+()$", re.DOTALL),
    re.compile(r"^(.*: there is no folder ).+()$", re.DOTALL),
)
# The system's only words with a separator in them.
_WORDS: Final = "Input/output"
_WORDS_APART: Final = "Input\0output"
_ANY_PLACE: Final = re.compile(r"\S*[\\/].*$", re.DOTALL)

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>]*")
_ROOT: Final = r"(?:~?/|~?\\|[A-Za-z]:[\\/])"
_QUOTED_PATH: Final = re.compile(rf"(?<!\w)(['\"])(?:{_ROOT})(?:(?!\1).)+\1")
# Up to the last separator of its clause: names have spaces.
_PATH: Final = re.compile(rf"(?<![\w.<{MARK}~\\/]){_ROOT}(?=\S)\S*(?:[^:;'\"]*[\\/]\S*)?")
_HOSTS: Final = (
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?![\w]|\.\d)"),
    re.compile(r"(?<![\w:.])\[?(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}\]?(?::\d+)?(?![\w:])"),
    re.compile(r"(?<![\w.-])[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+:\d{2,5}(?!\w)"),
    re.compile(r"(?<![\w.-])(?:[a-z0-9-]+\.){2,}[a-z]{2,}(?![\w-]|\.\w)"),
    re.compile(r"(?<=not valid for )'[^']*'"),  # OpenSSL, of a certificate
)


def without_places(text: str) -> str:
    """A text of anybody's without URLs, absolute paths and what looks like a host."""
    for frame in _FRAMES:
        text = frame.sub(rf"\1{MARK}\2", text)
    text = _URL.sub(MARK, text).replace(_WORDS, _WORDS_APART)
    text = _PATH.sub(_cut, _QUOTED_PATH.sub(rf"\1{MARK}\1", text)).replace(_WORDS_APART, _WORDS)
    for host in _HOSTS:
        text = host.sub(MARK, text)
    return text


def _cut(found: re.Match[str]) -> str:
    path = found[0]
    return MARK + path[len(path.rstrip(":;,.)")) :]


def _of_a_sink(text: str) -> str:
    """The same of what a sink says, which may be a caller's own: there a relative path is a folder too."""
    text = without_places(text).replace(_WORDS, _WORDS_APART)
    return _ANY_PLACE.sub(MARK, text).replace(_WORDS_APART, _WORDS)


def event_without_places(event: Event) -> Event:
    """The event as a trace has it."""
    match event:
        case FormatsListed():
            return replace(event, formats=_texts(event.formats))
        case StatusReported() | Refused() | Lost():
            return replace(event, message=without_places(event.message))
        case FileReceived():
            return replace(event, receipt=_receipt(event.receipt))
        case FileNotKept():
            return replace(event, message=_of_a_sink(event.message), path=_name(event.path))
        case TokenIssued() | RunFinished() | WaitElapsed() | CredentialsRenewed() | LookedUp() | Cancelled():
            return event
        case _:
            assert_never(event)


def command_without_places(command: Command) -> Command:
    """The command as a trace has it: an end tells what events said."""
    return replace(command, outcome=_outcome(command.outcome)) if isinstance(command, Finish) else command


def json_without_places(value: object) -> Any:
    """The JSON values of a snapshot as a trace has them."""
    if isinstance(value, str):
        return without_places(value)
    if isinstance(value, list):
        return [json_without_places(one) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: json_without_places(one) for name, one in cast("dict[str, object]", value).items()}
    return value


def _outcome(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        evidence=tuple(_evidence(one) for one in outcome.evidence),
        receipt=None if outcome.receipt is None else _receipt(outcome.receipt),
        alternatives=_texts(outcome.alternatives),
        kept=_name(outcome.kept),
    )


_OF_A_SINK: Final = frozenset(why.value for why in Kept)


def _evidence(evidence: Evidence) -> Evidence:
    said = _of_a_sink if evidence.answer in _OF_A_SINK else without_places
    return replace(evidence, message=said(evidence.message))


def _receipt(receipt: Receipt) -> Receipt:
    return replace(
        receipt,
        filename=_name(receipt.filename) or MARK,
        offered=_name(receipt.offered),
        content_type=without_places(receipt.content_type),
        warnings=_texts(receipt.warnings),
    )


def _texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(without_places(one) for one in texts)


def _name(path: str | None) -> str | None:
    """A file's own name: a server may offer one with its folders, of any system."""
    return None if path is None else re.split(r"[\\/]", path)[-1] or MARK
