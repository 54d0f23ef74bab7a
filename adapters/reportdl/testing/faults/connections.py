"""Decides how a connection can fail before an answer begins: refused, dropped, deaf, silent, or no HTTP at all.

A table. Must never say a word of HTTP that a client could take for an answer.
"""

from __future__ import annotations

from typing import Final

from reportdl.testing.faults.fault import At, Ends, Fault
from reportdl.testing.raw_server import Answer, Then

__all__ = ["CONNECTIONS"]


def _said(data: bytes, then: Then) -> Answer:
    return Answer(data=data, then=then)


CONNECTIONS: Final = (
    Fault(name="nobody listens", at=At.LISTENER, play=lambda _: Answer()),
    Fault(name="closed before the request", at=At.CONNECTION, play=lambda _: _said(b"", Then.CUT)),
    Fault(name="reset before the request", at=At.CONNECTION, play=lambda _: _said(b"", Then.RESET)),
    Fault(name="accepted and ignored", at=At.CONNECTION, ends=Ends.AT_A_LIMIT, play=lambda _: _said(b"", Then.HOLD)),
    Fault(name="closed after the request", play=lambda _: _said(b"", Then.CUT)),
    Fault(name="reset after the request", play=lambda _: _said(b"", Then.RESET)),
    Fault(name="silence after the request", ends=Ends.AT_A_LIMIT, play=lambda _: _said(b"", Then.HOLD)),
    Fault(name="another protocol", play=lambda _: _said(b"SSH-2.0-OpenSSH_9.2\r\n", Then.CLOSE)),
    Fault(name="binary noise", play=lambda _: _said(bytes(range(256)) * 8, Then.CLOSE)),
    Fault(name="a body without a head", play=lambda good: _said(good.body[:4096], Then.CLOSE)),
)
"""Before the head."""
