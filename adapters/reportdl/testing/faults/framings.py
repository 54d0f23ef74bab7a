"""Decides how the end of a body can be wrong: under a length, under chunks, under the connection's end, or endless.

A table. Must never change what the body is, only how much of it comes and what is said of its end.
"""

from __future__ import annotations

from typing import Final

from reportdl.testing.canned import JSON, chunk
from reportdl.testing.faults.fault import Ends, Fault, Good, dripping, endless, spoiled
from reportdl.testing.raw_server import Answer, Then, message

__all__ = ["FRAMINGS"]

_END: Final = b"0\r\n\r\n"
_TRAILERS: Final = b"X-More: more\r\n" * 100
_TERABYTE: Final = 10**12
_OTHER: Final = message(200, JSON, b'{"status": "ERROR", "message": "meant for somebody else"}')


def _lengths(good: Good, *said: str) -> bytes:
    head, _, body = good.said(length=-1).partition(b"\r\n\r\n")
    lines = b"".join(f"\r\nContent-Length: {one}".encode() for one in said)
    return head + lines + b"\r\n\r\n" + body


def _own(good: Good) -> str:
    return str(len(good.body))


def _chunked(good: Good, body: bytes, coding: str = "chunked") -> bytes:
    return good.said(add={"Transfer-Encoding": coding}, body=body, length=-1)


def _most(good: Good) -> bytes:
    """All of the body but its end: what a broken line leaves."""
    return good.body[: -min(60, len(good.body) // 2)]


def _cut(good: Good) -> bytes:
    return good.said(body=_most(good), length=len(good.body))


def _open(good: Good) -> bytes:
    return good.said(length=-1)


_LENGTHS: Final = (
    Fault(
        name="a length, and no body", play=spoiled(lambda good: good.said(body=b"", length=len(good.body)), Then.CLOSE)
    ),
    Fault(name="short of its length", play=spoiled(_cut, Then.CLOSE)),
    Fault(name="short of its length by a byte", play=spoiled(lambda good: good.said()[:-1], Then.CLOSE)),
    Fault(name="short of its length, and a reset", play=spoiled(_cut, Then.RESET)),
    Fault(name="short of its length, and silence", ends=Ends.AT_A_LIMIT, play=spoiled(_cut, Then.HOLD)),
    Fault(name="longer than its length", play=spoiled(lambda good: good.said() + b"more of it" * 10, Then.CLOSE)),
    Fault(name="another answer after the answer", play=spoiled(lambda good: good.said() + _OTHER)),
    Fault(
        name="a length that is too small",
        play=spoiled(lambda good: _lengths(good, str(len(good.body) - 7)), Then.CLOSE),
    ),
    Fault(name="a length of zero", play=spoiled(lambda good: good.said(body=b""))),
    Fault(name="a negative length", play=spoiled(lambda good: _lengths(good, "-1"), Then.CLOSE)),
    Fault(name="a length that is no number", play=spoiled(lambda good: _lengths(good, "many"), Then.CLOSE)),
    Fault(name="a length of thirty digits", play=spoiled(lambda good: _lengths(good, "9" * 30), Then.CLOSE)),
    Fault(name="a length said twice", play=spoiled(lambda good: _lengths(good, _own(good), _own(good)))),
    Fault(name="two lengths that differ", play=spoiled(lambda good: _lengths(good, _own(good), "7"), Then.CLOSE)),
    Fault(name="a length with chunks", play=spoiled(lambda good: _both(good))),
    Fault(name="a dripping body", ends=Ends.AT_A_LIMIT, play=lambda good: _dripping(good)),
    Fault(
        name="a terabyte",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=good.said(body=b"", length=_TERABYTE), more=endless(b" " * 65_536)),
    ),
)


def _both(good: Good) -> bytes:
    body = chunk(good.body) + _END
    return good.said(add={"Transfer-Encoding": "chunked"}, body=body)


def _dripping(good: Good) -> Answer:
    return Answer(data=good.said(body=b"", length=len(good.body)), more=dripping(good.body))


_CHUNKS: Final = (
    Fault(name="chunks", play=spoiled(lambda good: _chunked(good, _pieces(good) + _END))),
    Fault(name="a chunk that breaks off", play=spoiled(lambda good: _chunked(good, chunk(good.body)[:-9]), Then.CLOSE)),
    Fault(name="chunks without their end", play=spoiled(lambda good: _chunked(good, _pieces(good)), Then.CLOSE)),
    Fault(
        name="chunks with half their end",
        play=spoiled(lambda good: _chunked(good, _pieces(good) + b"0\r\n"), Then.CLOSE),
    ),
    Fault(name="chunks, and a reset", play=spoiled(lambda good: _chunked(good, _pieces(good)), Then.RESET)),
    Fault(
        name="chunks, and silence",
        ends=Ends.AT_A_LIMIT,
        play=spoiled(lambda good: _chunked(good, _pieces(good)), Then.HOLD),
    ),
    Fault(
        name="a chunk's size that is no number",
        play=spoiled(lambda good: _chunked(good, b"many\r\n" + good.body + b"\r\n" + _END), Then.CLOSE),
    ),
    Fault(
        name="a negative chunk",
        play=spoiled(lambda good: _chunked(good, b"-5\r\n" + good.body + b"\r\n" + _END), Then.CLOSE),
    ),
    Fault(
        name="a chunk of sixteen exabytes",
        play=spoiled(lambda good: _chunked(good, b"fffffffffffffff0\r\n" + good.body), Then.CLOSE),
    ),
    Fault(
        name="an endless chunk extension",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=_chunked(good, b"5;x="), more=endless(b"y" * 16_384)),
    ),
    Fault(
        name="endless trailers",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=_chunked(good, _pieces(good) + b"0\r\n"), more=endless(_TRAILERS)),
    ),
    Fault(
        name="endless chunks",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=_chunked(good, b""), more=endless(chunk(b" " * 65_536))),
    ),
    Fault(
        name="a transfer coding that was not asked for",
        play=spoiled(lambda good: _chunked(good, _pieces(good) + _END, "gzip, chunked"), Then.CLOSE),
    ),
)


def _pieces(good: Good) -> bytes:
    size = max(5, len(good.body) // 5)
    return b"".join(chunk(good.body[at : at + size]) for at in range(0, len(good.body), size))


_ENDS: Final = (
    Fault(name="no length", play=spoiled(_open, Then.CLOSE)),
    Fault(name="no length, and no farewell", play=spoiled(_open, Then.CUT)),
    Fault(name="no length, broken off", play=spoiled(lambda good: good.said(body=_most(good), length=-1), Then.CLOSE)),
    Fault(name="no length, and a reset", play=spoiled(lambda good: good.said(body=_most(good), length=-1), Then.RESET)),
    Fault(
        name="no length, and silence",
        ends=Ends.AT_A_LIMIT,
        play=spoiled(lambda good: good.said(body=_most(good), length=-1), Then.HOLD),
    ),
    Fault(name="no length, and no body", play=spoiled(lambda good: good.said(body=b"", length=-1), Then.CLOSE)),
)

FRAMINGS: Final = (*_LENGTHS, *_CHUNKS, *_ENDS)
"""How a body ends."""
