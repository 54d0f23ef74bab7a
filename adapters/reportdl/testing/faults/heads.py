"""Decides how a head can be wrong: broken off, dripping, endless, ambiguous, or preceded by others.

A table. Must never spoil a body: where a head is whole, what follows it is good.
"""

from __future__ import annotations

from typing import Final

from reportdl.testing.faults.fault import Ends, Fault, Good, dripping, endless, spoiled
from reportdl.testing.raw_server import Answer, Then

__all__ = ["HEADS"]

_INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_PROCESSING: Final = b"HTTP/1.1 102 Processing\r\n\r\n"


def _head(good: Good) -> bytes:
    return good.said().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _line(good: Good, line: bytes) -> bytes:
    """The good answer with one more line, as its first header."""
    first, end, rest = good.said().partition(b"\r\n")
    return first + end + line + b"\r\n" + rest


def _large(good: Good) -> bytes:
    return good.said(add={f"X-Large-{number}": "x" * 8000 for number in range(10)})


HEADS: Final = (
    Fault(name="FIN in the status line", play=spoiled(lambda good: good.said()[:12], Then.CLOSE)),
    Fault(name="FIN in a header", play=spoiled(lambda good: _head(good)[:-9], Then.CLOSE)),
    Fault(name="FIN after a header", play=spoiled(lambda good: _head(good)[:-2], Then.CLOSE)),
    Fault(name="reset in a header", play=spoiled(lambda good: _head(good)[:-9], Then.RESET)),
    Fault(name="silence in a header", ends=Ends.AT_A_LIMIT, play=spoiled(lambda good: _head(good)[:-9], Then.HOLD)),
    Fault(name="a dripping head", ends=Ends.AT_A_LIMIT, play=lambda good: Answer(more=dripping(good.said()[:4096]))),
    Fault(
        name="endless headers",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=_head(good)[:-2], more=endless(b"X-More: more\r\n" * 100)),
    ),
    Fault(
        name="an endless header",
        ends=Ends.AT_A_LIMIT,
        play=lambda good: Answer(data=_head(good)[:-2] + b"X-Long: ", more=endless(b"x" * 16_384)),
    ),
    Fault(name="a head of 80 KB", play=spoiled(_large, Then.CLOSE)),
    Fault(name="a status that is no number", play=spoiled(lambda good: b"HTTP/1.1 OK 200\r\n" + _rest(good))),
    Fault(name="a status below 100", play=spoiled(lambda good: b"HTTP/1.1 20 OK\r\n" + _rest(good))),
    Fault(name="a line that is no header", play=spoiled(lambda good: _line(good, b"no colon here"))),
    Fault(name="a bare CR in a header", play=spoiled(lambda good: _line(good, b"X-One: 1\rX-Two: 2"))),
    Fault(name="a NUL in a header", play=spoiled(lambda good: _line(good, b"X-Nul: a\0b"))),
    Fault(
        name="a flood of 100 Continue",
        ends=Ends.AT_A_LIMIT,
        play=lambda _: Answer(more=endless(_INTERIM * 40)),
    ),
    Fault(
        name="100, 102 and 103 before the answer",
        play=spoiled(lambda good: _INTERIM + _PROCESSING + _HINTS + good.said()),
    ),
    Fault(
        name="101 Switching Protocols",
        play=spoiled(
            lambda good: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            Then.CLOSE,
        ),
    ),
)
"""Up to the empty line."""


def _rest(good: Good) -> bytes:
    return good.said().partition(b"\r\n")[2]
