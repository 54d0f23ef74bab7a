"""Decides which status lines a server can answer with instead of the right one.

A table. Must never be framed badly, nor hold a body that would be good.
"""

from __future__ import annotations

import json
from typing import Final

from reportdl.testing.canned import JSON
from reportdl.testing.faults.fault import Fault, Good, spoiled
from reportdl.testing.raw_server import Answer, message

__all__ = ["STATUSES"]

_HTML: Final = {"Content-Type": "text/html"}


def _page(status: int, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return message(status, {**_HTML, **named}, f"<h1>{status}</h1>".encode())


def _refused(status: int, text: str) -> bytes:
    return message(status, JSON, json.dumps({"status": "ERROR", "message": text}).encode())


def _always(name: str, data: bytes) -> Fault:
    return Fault(name=name, play=lambda _: Answer(data=data))


def _part(good: Good) -> bytes:
    size = len(good.body)
    return good.said(status=206, add={"Content-Range": f"bytes 0-{size - 1}/{size}"})


def _moved(good: Good, status: int, to: str) -> bytes:
    return good.said(status=status, add={"Location": to}, body=b"")


STATUSES: Final = (
    Fault(name="204", play=spoiled(lambda good: good.said(status=204, body=b"", length=-1))),
    Fault(name="206", play=spoiled(_part)),
    Fault(name="301 to http", play=spoiled(lambda good: _moved(good, 301, f"{good.elsewhere}/login"))),
    Fault(name="302 to another server", play=spoiled(lambda good: _moved(good, 302, f"{good.elsewhere}/login"))),
    Fault(name="307 to the same place", play=spoiled(lambda good: _moved(good, 307, "/base/again"))),
    Fault(name="304", play=spoiled(lambda good: good.said(status=304, body=b"", length=-1))),
    _always("400 Download failed", _refused(400, "Download failed")),
    _always("400 Invalid token", _refused(400, "Invalid token")),
    _always("400 without a word", _page(400)),
    _always("401", message(401, JSON, b'{"message": "Unauthorized"}')),
    _always("403", _refused(403, "Element not allowed")),
    _always("404", _refused(404, "Element not found")),
    _always("404 of somebody else", _page(404)),
    _always("405", _page(405)),
    _always("408", _page(408)),
    _always("412", _refused(412, "Session expired")),
    _always("418", _page(418)),
    _always("429", _page(429)),
    _always("429 with Retry-After", _page(429, Retry_After="0")),
    _always("500", _refused(500, "Server error")),
    _always("502", _page(502)),
    _always("503", _page(503)),
    _always("503 with Retry-After", _page(503, Retry_After="0")),
    _always("504", _page(504)),
)
"""What the status line says."""
