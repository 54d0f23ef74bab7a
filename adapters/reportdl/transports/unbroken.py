"""Decides when an answer that the standard library has read is broken, for every library that stands on http.client.

http.client takes a head, a chunk's size or a trailer that breaks off for a whole one, forgets every header after a
line that is none, starts a new header at a bare CR, reads lines without a bound, and returns `103 Early Hints` as the
answer, so that the next request on the connection gets this one's. Here these are errors, and interim answers are
passed over. It also hands every head to a parser of e-mail, which takes a sixth of a small request's time: a plain
head is read here. What is sound must never be read differently than http.client does.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead, LineTooLong, UnknownProtocol
from http.client import parse_headers as by_email
from io import BytesIO
from typing import Any, Final

from reportdl.transports.arrived import arrived

__all__ = ["UnbrokenResponse"]

_LONGEST, _MOST = 65536, 100  # http.client's own limits: bytes of a line (here of all heads too, D36), lines of a head
# Sound, but with lines that are folded or end in LF alone: left to the parser of e-mail. Anything else is no head.
_PLAIN: Final = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r\n)*\r\n")
_SOUND: Final = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r?\n(?:[ \t][^\r\n\0]*\r?\n)*)*\r?\n")
_VERSIONS: Final = {"HTTP/1.1": 11, "HTTP/1.0": 10, "HTTP/0.9": 10}


class UnbrokenResponse(HTTPResponse):
    """Put it into a connection as its `response_class`. What is broken raises an HTTPException (D21, I11)."""

    status: int
    reason: str
    version: int
    headers: HTTPMessage
    msg: HTTPMessage
    chunked: bool
    chunk_left: int | None
    will_close: bool

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = arrived(self.fp, sock)

    def begin(self) -> None:
        """Read the head."""
        if getattr(self, "headers", None) is not None:  # begun already
            return
        lines: Any = _Lines(self.fp)
        self.fp = lines
        version, status, reason = self._line()
        while 100 <= status < 200 and status != 101:  # 101 is no interim answer: we asked for no other protocol
            _block(lines)
            version, status, reason = self._line()
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = _VERSIONS.get(version) or _later(version)
        self.headers = self.msg = _message(_block(lines))
        self._frame()
        if not self.chunked:
            self.fp = lines.reader  # no line follows
        lines.left = None

    def _line(self) -> tuple[str, int, str]:
        connection: Any = self
        version, status, reason = connection._read_status()
        return str(version), int(status), str(reason)

    def _frame(self) -> None:
        """How the body will end."""
        get = self.headers.get
        # http.client keeps the white space behind a value, and so would take chunks for a body that the close ends.
        self.chunked = (get("transfer-encoding") or "").strip().lower() == "chunked"
        self.chunk_left = None
        self.will_close = self._check_close()  # type: ignore[attr-defined]
        self.length = None if self.chunked else _length(get("content-length"))
        if self.status in (204, 304) or 100 <= self.status < 200 or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length = 0
        if not self.chunked and self.length is None:
            self.will_close = True


class _Lines:
    """A reader whose every line has an end."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.left: int | None = _LONGEST  # bytes of heads that may still come; None behind them

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.reader.readline(_LONGEST if limit < 0 else limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise IncompleteRead(b"")
        if self.left is not None:
            self.left -= len(line)
            if self.left < 0:
                raise LineTooLong("heads")
        return line


def _later(version: str) -> int:
    if not version.startswith("HTTP/1."):
        raise UnknownProtocol(version)
    return 11


def _block(lines: _Lines) -> bytes:
    """The header lines with the empty one that ends them."""
    found: list[bytes] = []
    while not found or found[-1] not in (b"\r\n", b"\n"):
        line = lines.readline(_LONGEST + 1)
        if len(line) > _LONGEST:
            raise LineTooLong("header line")
        found.append(line)
        if len(found) > _MOST:
            raise HTTPException(f"got more than {_MOST} headers")
    return b"".join(found)


def _message(block: bytes) -> HTTPMessage:
    if _PLAIN.fullmatch(block) is None:
        if _SOUND.fullmatch(block) is None:
            raise HTTPException("a line that is no header")
        return by_email(BytesIO(block))
    message = HTTPMessage()
    for line in block.decode("iso-8859-1").split("\r\n")[:-2]:
        name, _, value = line.partition(":")
        message.set_raw(name, value.lstrip(" \t"))
    return message


def _length(said: str | None) -> int | None:
    try:
        length = int(said or "")
    except ValueError:
        return None
    return length if length >= 0 else None
