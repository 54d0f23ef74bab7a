"""Decides when an answer that the standard library has read is broken, for every library that stands on http.client.

http.client takes a head, a chunk's size or a trailer that breaks off for a whole one; here that is an error. It also
hands every head to a parser of e-mail, which takes a sixth of a small request's time: a plain head is read here. Must
never read more, or differently, than http.client does.
"""

from __future__ import annotations

import re
from http.client import CONTINUE, HTTPException, HTTPMessage, HTTPResponse, IncompleteRead, LineTooLong, UnknownProtocol
from http.client import parse_headers as by_email
from io import BytesIO
from typing import Any, Final

__all__ = ["UnbrokenResponse"]

_LONGEST, _MOST = 65536, 100  # http.client's own limits: bytes of a line, lines of a head
# Anything else, such as a folded line, is left to the parser of e-mail.
_PLAIN: Final = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r\n)*\r\n")
_VERSIONS: Final = {"HTTP/1.1": 11, "HTTP/1.0": 10, "HTTP/0.9": 10}


class UnbrokenResponse(HTTPResponse):
    """Put it into a connection as its `response_class`: a line without its end is an IncompleteRead (D21)."""

    def begin(self) -> None:
        """Read the head."""
        if getattr(self, "headers", None) is not None:  # begun already
            return
        lines: Any = _Lines(self.fp)
        self.fp: Any = lines
        version, status, reason = self._read_status()  # type: ignore[attr-defined]
        while status == CONTINUE:
            _block(lines)
            version, status, reason = self._read_status()  # type: ignore[attr-defined]
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = _VERSIONS.get(version) or _later(version)
        self.headers = self.msg = _message(_block(lines))
        self._frame()
        if not self.chunked:
            self.fp = lines.reader  # no line follows

    def _frame(self) -> None:
        """How the body will end."""
        get = self.headers.get
        self.chunked = (get("transfer-encoding") or "").lower() == "chunked"
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.reader.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise IncompleteRead(b"")
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
