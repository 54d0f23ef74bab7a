"""Decides what a server says with which nothing is wrong, byte by byte, for the contracts to spoil.

Constants. Must never depend on what a transport does.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from reportdl.testing.raw_server import Answer, Seen, message
from reportdl.testing.stage import TOKEN

__all__ = [
    "CHECKING",
    "FILE",
    "ISSUED",
    "JSON",
    "LISTED",
    "OK",
    "PDF",
    "RENEWED",
    "WAKE",
    "WHOLE",
    "chunk",
    "good_answer",
    "setting",
]

JSON: Final = {"Content-Type": "application/json"}
FILE: Final = {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="Sales.pdf"'}
PDF: Final = b"%PDF-1.7\n" + bytes(range(256)) * 1200 + b"\n%%EOF\n"
WAKE: Final = 0.5  # seconds for a cancelled request to let go of its connection

OK: Final = Answer(data=message(200, JSON, b'{"status": "OK"}'))
CHECKING: Final = Answer(data=message(200, JSON, b'{"status": "IN PROGRESS"}'))
ISSUED: Final = Answer(data=message(200, JSON, json.dumps({"status": "OK", "token": TOKEN}).encode()))
LISTED: Final = Answer(data=message(200, JSON, b'{"status": "OK", "formats": ["image", "pdf"]}'))
RENEWED: Final = Answer(data=message(200, JSON, b'{"token": "n3w", "expires": "soon"}'))
WHOLE: Final = Answer(data=message(200, FILE, PDF))

_GOOD: Final = {"formats": LISTED, "init": ISSUED, "run": OK, "check": CHECKING, "get": WHOLE, "get_token": RENEWED}


def good_answer(seen: Seen) -> Answer:
    """What a server says with which nothing is wrong."""
    return _GOOD[seen.state]


def setting(answer: Answer, *cookies: str) -> Answer:
    """The same answer, which sets these cookies: each in a line of its own."""
    status, _, rest = answer.data.partition(b"\r\n")
    lines = b"".join(f"Set-Cookie: {cookie}\r\n".encode("latin-1") for cookie in cookies)
    return replace(answer, data=status + b"\r\n" + lines + rest)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
