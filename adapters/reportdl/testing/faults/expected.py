"""Decides what must become of a job for every fault in every state: written down from the rules, not from a run.

A row is a fault, a cell is one of the words below, and a word says it all: how the job ends, what was asked in which
order, what lies in the folder. The same for every transport. Must never be changed to fit what a transport does: what
differs there is a `Deviation`, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, final

from reportdl.testing.faults.server import STATES
from reportdl_core.errors import Reason

__all__ = ["EXPECTED", "Deviation", "Row", "Word"]


class Word(Enum):
    """What becomes of a job whose one answer is spoiled."""

    SAME = "as if nothing had been"
    SURPLUS = "as if nothing had been, unless what stands behind comes when the next request has the connection"
    SHORT = "taken for as long as its length says"
    AGAIN = "asked again after a pause"
    POLL = "`check` decides, `run` is not asked again"
    FETCH = "`check`, then `get` once more"
    UNSEEN = "asked again, seen once: it is proven that nothing was sent"
    ALIKE = "lost without a trace, asked again"
    BLIND = (
        "`run` never arrived, and nothing proves it: polled until the five minutes, or here the job's time, are over"
    )
    CREDENTIALS = "ends: credentials"
    DENIED = "ends: access denied"
    ABSENT = "ends: not found"
    MISSING = "ends: no such endpoint"
    MOVED = "ends: redirected"
    REFUSED = "ends: refused"
    PROTOCOL = "ends: protocol error"
    FAILED = "ends: generation failed"
    ASIDE = "ends: unverified, kept as .unverified"
    LARGE = "ends: larger than max_bytes, nothing kept"

    def __repr__(self) -> str:
        return f"Word.{self.name}"


W = Word
Words = tuple[Word, Word, Word, Word, Word]

# The rows of the rules' answer table, one word for each state: formats, init, run, check, get.
_SAME: Final[Words] = (W.SAME, W.SAME, W.SAME, W.SAME, W.SAME)
_SURPLUS: Final[Words] = (W.SURPLUS, W.SURPLUS, W.SURPLUS, W.SURPLUS, W.SURPLUS)
_UNSEEN: Final[Words] = (W.UNSEEN, W.UNSEEN, W.UNSEEN, W.UNSEEN, W.UNSEEN)
_LOST: Final[Words] = (W.AGAIN, W.AGAIN, W.POLL, W.AGAIN, W.FETCH)
_BUSY: Final[Words] = (W.AGAIN, W.AGAIN, W.POLL, W.AGAIN, W.AGAIN)
_OTHER: Final[Words] = (W.REFUSED, W.REFUSED, W.POLL, W.REFUSED, W.REFUSED)
_UNREADABLE: Final[Words] = (W.PROTOCOL, W.PROTOCOL, W.POLL, W.AGAIN, W.PROTOCOL)
_WAITING: Final[Words] = (W.PROTOCOL, W.PROTOCOL, W.POLL, W.AGAIN, W.FETCH)


def _all(word: Word) -> Words:
    return (word, word, word, word, word)


def _get(words: Words, word: Word) -> Words:
    return (*words[:4], word)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: the words for its five states, the rules they come from, and how a job ends that meets it for ever.

    `tls` stands where TLS proves more than plain text can. `unheard` is the reason given once a state that is asked
    again has had no valid answer for too long; `raced` is the other one, where luck decides what comes before a reset.
    """

    words: tuple[Word, ...]
    rules: tuple[str, ...]
    unheard: Reason = Reason.UNREACHABLE
    raced: Reason | None = None
    tls: tuple[Word, ...] | None = None

    def word(self, state: str, scheme: str) -> Word:
        """The cell. `scheme` is http or https."""
        words = self.tls if self.tls is not None and scheme == "https" else self.words
        return words[STATES.index(state)]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """What a transport does instead, by state, and why that cannot be helped.

    `unheard` is the reason given after too long, by scheme, where that is another one as well; with `raced` the table's
    own is as good: it is luck how much comes before a reset.
    """

    words: Mapping[str, Word]
    why: str
    unheard: Mapping[str, Reason] = field(default_factory=dict[str, Reason])
    raced: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("http", "https")


def _row(words: Words, rules: str, unheard: Reason = Reason.UNREACHABLE, *, tls: Words | None = None) -> Row:
    return Row(words=words, rules=tuple(rules.split()), unheard=unheard, tls=tls)


# A connection that fails before the request is read: the client has sent it by then, or may have, and cannot know.
_ALIKE: Final[Words] = (W.ALIKE, W.ALIKE, W.BLIND, W.ALIKE, W.ALIKE)
_NO_ENVELOPE: Final = Reason.ENDPOINT_MISSING  # a page that is not ours, for too long (D29)
_TROUBLE: Final = Reason.SERVER_ERROR


EXPECTED: Final[Mapping[str, Row]] = {
    # Before the answer. TLS proves that a request never left where its handshake failed (I3).
    "nobody listens": _row(_UNSEEN, "I3 D19"),
    "closed before the request": _row(_ALIKE, "I3 D19 D21", tls=_UNSEEN),
    "reset before the request": _row(_ALIKE, "I3 D19 D21", tls=_UNSEEN),
    "accepted and ignored": _row(_ALIKE, "D35", tls=_UNSEEN),
    "closed after the request": _row(_LOST, "I3 D6 D21"),
    "reset after the request": _row(_LOST, "I3 D6 D21"),
    "silence after the request": _row(_LOST, "D35"),
    "another protocol": _row(_LOST, "I11"),
    "binary noise": _row(_LOST, "I11"),
    "a body without a head": _row(_LOST, "I11 D4"),
    # The head.
    "FIN in the status line": _row(_LOST, "I10 D21"),
    "FIN in a header": _row(_LOST, "I10 D21"),
    "FIN after a header": _row(_LOST, "I10 D21"),
    "reset in a header": _row(_LOST, "I10 D21"),
    "silence in a header": _row(_LOST, "D35"),
    "a dripping head": _row(_LOST, "D35"),
    "endless headers": _row(_LOST, "D36"),
    "an endless header": _row(_LOST, "D36"),
    "a head of 80 KB": _row(_LOST, "D36"),
    "a status that is no number": _row(_LOST, "I11"),
    "a status below 100": _row(_LOST, "I11"),
    "a line that is no header": _row(_LOST, "I11"),
    "a bare CR in a header": _row(_LOST, "I11"),
    "a NUL in a header": _row(_LOST, "I11"),
    "a flood of 100 Continue": _row(_LOST, "D35"),
    "100, 102 and 103 before the answer": _row(_SAME, "R1"),
    "101 Switching Protocols": _row(_LOST, "I11"),
    # The framing: a length.
    "a length, and no body": _row(_LOST, "I10 D21"),
    "short of its length": _row(_LOST, "I10 D21"),
    "short of its length by a byte": _row(_LOST, "I10 D21"),
    "short of its length, and a reset": _row(_LOST, "I10 D21"),
    "short of its length, and silence": _row(_LOST, "D35 D21"),
    # What follows an answer is not the answer to what is asked next, whoever it was meant for.
    "longer than its length": _row(_SURPLUS, "I10"),
    "another answer after the answer": _row(_SURPLUS, "I7 I10"),
    # Envelopes are broken JSON by then; of a file the length is the proof, and the surplus is none of it.
    "a length that is too small": _row(_get(_LOST, W.SHORT), "D26 I10", _NO_ENVELOPE),
    "a length of zero": _row(_get(_LOST, W.ASIDE), "D26 D22", _NO_ENVELOPE),
    "a negative length": _row(_LOST, "I10 D21"),
    "a length that is no number": _row(_LOST, "I10 D21"),
    "a length of thirty digits": _row(_LOST, "I10 D21"),
    "a length said twice": _row(_SAME, "R24"),
    "two lengths that differ": _row(_LOST, "I10 D21"),
    "a length with chunks": _row(_LOST, "I10 D21"),
    "a dripping body": _row(_LOST, "D35"),
    "a terabyte": _row(_get(_LOST, W.LARGE), "D36", _NO_ENVELOPE),
    # The framing: chunks.
    "chunks": _row(_SAME, "R24"),
    "a chunk that breaks off": _row(_LOST, "I10 D21"),
    "chunks without their end": _row(_LOST, "I10 D21"),
    "chunks with half their end": _row(_LOST, "I10 D21"),
    "chunks, and a reset": _row(_LOST, "I10 D21"),
    "chunks, and silence": _row(_LOST, "D35 D21"),
    "a chunk's size that is no number": _row(_LOST, "I10 D21"),
    "a negative chunk": _row(_LOST, "I10 D21"),
    "a chunk of sixteen exabytes": _row(_LOST, "I10 D21"),
    "an endless chunk extension": _row(_LOST, "D35 D36"),
    "endless trailers": _row(_LOST, "D35 D36"),
    "endless chunks": _row(_get(_LOST, W.LARGE), "D36", _NO_ENVELOPE),
    "a transfer coding that was not asked for": _row(_LOST, "I10 D21"),
    # The framing: the connection's end, which proves nothing. An envelope is whole where its JSON is.
    "no length": _row(_SAME, "D22"),
    "no length, and no farewell": _row(_SAME, "D22"),
    "no length, broken off": _row(_get(_LOST, W.ASIDE), "D22 D26", _NO_ENVELOPE),
    "no length, and a reset": _row(_LOST, "D21"),
    "no length, and silence": _row(_LOST, "D35 D21"),
    "no length, and no body": _row(_get(_LOST, W.ASIDE), "D22 D26", _NO_ENVELOPE),
    # The content: codings.
    "gzip": _row(_SAME, "D34"),
    "deflate": _row(_SAME, "D34"),
    "deflate without its wrapper": _row(_SAME, "D34"),
    "a gzip bomb": _row(_get(_LOST, W.LARGE), "D34 D36", _NO_ENVELOPE),
    "gzip with a wrong checksum": _row(_get(_LOST, W.ASIDE), "D34", _NO_ENVELOPE),
    "gzip that stops": _row(_get(_LOST, W.ASIDE), "D34", _NO_ENVELOPE),
    "gzip said and not done": _row(_get(_LOST, W.ASIDE), "D34", _NO_ENVELOPE),
    "a coding that nobody asked for": _row(_get(_LOST, W.ASIDE), "D34", _NO_ENVELOPE),
    "gzip twice": _row(_get(_LOST, W.ASIDE), "D34", _NO_ENVELOPE),
    # The content: envelopes, and what is none. On `get` none of them is a file (D4).
    "a page with 200": _row(_LOST, "D4 D26 D29", _NO_ENVELOPE),
    "an empty page with 200": _row(_LOST, "D4 D26 D29", _NO_ENVELOPE),
    "JSON that is no object": _row(_LOST, "D26", _NO_ENVELOPE),
    "somebody else's JSON": _row(_UNREADABLE, "D26", Reason.PROTOCOL),
    "JSON of a megabyte": _row(_LOST, "D36", _NO_ENVELOPE),
    "JSON 100,000 deep": _row(_LOST, "D36", _NO_ENVELOPE),
    "two statuses": _row(_UNREADABLE, "D36", Reason.PROTOCOL),
    "JSON that is not UTF-8": _row(_LOST, "D36", _NO_ENVELOPE),
    "JSON in UTF-16": _row(_LOST, "D36", _NO_ENVELOPE),
    "a status that is a number": _row(_UNREADABLE, "R31", Reason.PROTOCOL),
    "a status that nobody knows": _row(_UNREADABLE, "D17 R31", Reason.PROTOCOL),
    "a bare OK": _row((W.PROTOCOL, W.PROTOCOL, W.SAME, W.AGAIN, W.PROTOCOL), "R8 R12 R18 R21", Reason.PROTOCOL),
    "READY": _row((W.PROTOCOL, W.PROTOCOL, W.SAME, W.SAME, W.PROTOCOL), "R21 R24"),
    "IN PROGRESS": _row(_WAITING, "R26 D42", Reason.TIMED_OUT),
    "IN PROGRESS as plain text": _row(_WAITING, "R26 D4 D17 D42", Reason.TIMED_OUT),
    "ERROR with 200": _row((W.REFUSED, W.REFUSED, W.POLL, W.FAILED, W.FAILED), "R22 R23 D5 D6"),
    # The status.
    "204": _row(_LOST, "D26", _NO_ENVELOPE),
    "206": _row(_LOST, "D23", _NO_ENVELOPE),
    "301 to http": _row(_all(W.MOVED), "D31 D33"),
    "302 to another server": _row(_all(W.MOVED), "D31"),
    "307 to the same place": _row(_all(W.MOVED), "D31"),
    "304": _row(_all(W.MOVED), "D31"),
    "400 Download failed": _row((W.PROTOCOL, W.PROTOCOL, W.POLL, W.FAILED, W.FAILED), "R30 D5 D6 D41"),
    "400 Invalid token": _row(_all(W.REFUSED), "R14"),
    "400 without a word": _row(_OTHER, "D26"),
    "401": _row(_all(W.CREDENTIALS), "D16"),
    "403": _row(_all(W.DENIED), "R6 D27"),
    "404": _row(_all(W.ABSENT), "R5 D27"),
    "404 of somebody else": _row(_all(W.MISSING), "D29"),
    "405": _row((W.MISSING, W.MISSING, W.POLL, W.MISSING, W.MISSING), "D29"),
    "408": _row(_LOST, "D6 D21", _TROUBLE),
    "412": _row(_all(W.CREDENTIALS), "D16"),
    "418": _row(_OTHER, "D26"),
    "429": _row(_BUSY, "D19", Reason.TIMED_OUT),
    "429 with Retry-After": _row(_BUSY, "D19", Reason.TIMED_OUT),
    "500": _row(_LOST, "D6 D21", _TROUBLE),
    "502": _row(_LOST, "D6 D21", _TROUBLE),
    "503": _row(_LOST, "D6 D21", _TROUBLE),
    "503 with Retry-After": _row(_BUSY, "D19", Reason.TIMED_OUT),
    "504": _row(_LOST, "D6 D7 D21", _TROUBLE),
}
"""Every fault's row."""
