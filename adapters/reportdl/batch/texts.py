"""Decides how the bytes of a jobs file become numbered lines: its encoding, by BOM and by trial, lazily.

UTF-8 with or without BOM, UTF-16 with one, and what an older spreadsheet wrote, a line at a time. Must never hold more
than one line, nor more than a bounded one.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from reportdl_core.errors import ReportdlError

__all__ = ["InputUnusable", "can_be_read_again", "lines_of"]

_LONGEST: Final = 1024 * 1024
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class InputUnusable(ReportdlError, ValueError):
    """A list of jobs that cannot be used as a whole; nothing was asked for."""


def can_be_read_again(path: str) -> bool:
    """Whether a list is there a second time: not what came by stdin (`-`) or a pipe, such as `<(...)`."""
    return path != "-" and (not os.path.exists(path) or os.path.isfile(path) or os.path.isdir(path))


def lines_of(path: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1, with their line ends; `-` is stdin. Raises InputUnusable."""
    try:
        if path == "-":
            if sys.stdin is None:  # its number may be another file's by now
                raise InputUnusable("stdin is closed, so that there are no jobs to read")
            # Apart from sys.stdin, whose lock a thread that waits for a line would hold when the interpreter ends.
            with open(0, "rb", closefd=False) as file:
                yield from _lines(file)
        else:
            with open(path, "rb") as file:
                yield from _lines(file)
    except OSError as error:
        raise InputUnusable(f"cannot read the jobs in {path!r}: {error.strerror or error}") from error


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    reader = cast("io.BufferedReader", file)  # what `open` and stdin give
    encoding = _MARKS.get(reader.peek(2)[:2])
    if encoding is not None:
        reader.read(2)
        wide = codecs.getreader(encoding)(reader, "replace")
        yield from _numbered(iter(lambda: wide.readline(_LONGEST), ""))
        return
    yield from _numbered(_decoded(reader))


def _numbered(texts: Iterator[str]) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(texts, 1):
        if len(text) >= _LONGEST:
            raise InputUnusable(f"line {number} is longer than a mebibyte: this is no list of jobs")
        if text.strip():
            yield number, text


def _decoded(reader: BinaryIO) -> Iterator[str]:
    kept, first = b"", True
    while True:
        raw = reader.readline(_LONGEST)
        more = len(raw) == _LONGEST and not raw.endswith(b"\n")
        raw, first = kept + (raw.removeprefix(codecs.BOM_UTF8) if first else raw), False
        if not raw:
            return
        # A file of old Macs' line ends is one line to Python: what is cut off its end goes on in the next piece.
        end = (raw.rfind(b"\r") + 1) if more else 0
        raw, kept = (raw[:end], raw[end:]) if end else (raw, b"")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", "replace")  # what Excel writes where nobody chose UTF-8
        yield from (f"{line}\n" for line in text.rstrip("\r\n").replace("\r\n", "\n").replace("\r", "\n").split("\n"))
