"""Decides what can stand in a body that is framed well: a coding, somebody else's page, JSON that lies.

A table. Must never break the framing: what is wrong is what was said.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from typing import Final

from reportdl.testing.canned import JSON
from reportdl.testing.faults.fault import Fault, Good, spoiled

__all__ = ["CONTENTS"]

_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_TEXT: Final = {"Content-Type": "text/plain"}


def _coded(good: Good, coding: str, body: bytes) -> bytes:
    return good.said(add={"Content-Encoding": coding}, body=body)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(8 * 1024 * 1024))


def _wrong_checksum(body: bytes) -> bytes:
    coded = bytearray(gzip.compress(body))
    coded[-8] ^= 0xFF
    return bytes(coded)


def _raw_deflate(body: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(body) + coder.flush()


def _enveloped(name: str, body: bytes, headers: dict[str, str] = JSON) -> Fault:
    return Fault(name=name, play=spoiled(lambda good: good.said(headers=headers, body=body)))


CONTENTS: Final = (
    Fault(name="gzip", play=spoiled(lambda good: _coded(good, "gzip", gzip.compress(good.body)))),
    Fault(name="deflate", play=spoiled(lambda good: _coded(good, "deflate", zlib.compress(good.body)))),
    Fault(
        name="deflate without its wrapper", play=spoiled(lambda good: _coded(good, "deflate", _raw_deflate(good.body)))
    ),
    Fault(name="a gzip bomb", play=spoiled(lambda good: _coded(good, "gzip", _bomb()))),
    Fault(
        name="gzip with a wrong checksum", play=spoiled(lambda good: _coded(good, "gzip", _wrong_checksum(good.body)))
    ),
    Fault(name="gzip that stops", play=spoiled(lambda good: _coded(good, "gzip", gzip.compress(good.body)[:-9]))),
    Fault(name="gzip said and not done", play=spoiled(lambda good: _coded(good, "gzip", good.body))),
    Fault(name="a coding that nobody asked for", play=spoiled(lambda good: _coded(good, "br", good.body))),
    Fault(
        name="gzip twice",
        play=spoiled(lambda good: _coded(good, "gzip, gzip", gzip.compress(gzip.compress(good.body)))),
    ),
    _enveloped("a page with 200", b"<!doctype html><title>Log in</title>", _HTML),
    _enveloped("an empty page with 200", b"", _HTML),
    _enveloped("JSON that is no object", b"[]"),
    _enveloped("somebody else's JSON", b'{"hello": "world"}'),
    _enveloped("JSON of a megabyte", b'{"status": "OK", "pad": "' + b"x" * 1_000_000 + b'"}'),
    _enveloped("JSON 100,000 deep", b'{"status":' + b'{"a":' * 11_000),
    _enveloped("two statuses", b'{"status": "READY", "status": "ERROR"}'),
    _enveloped("JSON that is not UTF-8", '{"status": "OK", "message": "é"}'.encode("latin-1")),
    _enveloped("JSON in UTF-16", '{"status": "OK"}'.encode("utf-16")),
    _enveloped("a status that is a number", b'{"status": 200}'),
    _enveloped("a status that nobody knows", b'{"status": "MAYBE"}'),
    _enveloped("a bare OK", b'{"status": "OK"}'),
    _enveloped("READY", b'{"status": "READY"}'),
    _enveloped("IN PROGRESS", b'{"status": "IN PROGRESS"}'),
    _enveloped("IN PROGRESS as plain text", b'{"status": "IN_PROGRESS"}', _TEXT),
    _enveloped("ERROR with 200", b'{"status": "ERROR", "message": "The tool said no"}'),
)
"""What a body holds."""
