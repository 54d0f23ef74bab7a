"""Decides how a short answer looks that is not the core's: credentials, neighbours, and faults of proxies.

Every answer of this server, whoever made it, carries the security headers (D40). Must never echo what a caller sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from reportdl.server.accounts import NoCredentials, SessionExpired, Unauthorized
from reportdl.server.faults import (
    CredentialsExpired,
    CredentialsUnknown,
    DropBefore,
    Envelope,
    Html,
    Instead,
    Redirect,
    RetryAfter,
    Status,
)
from reportdl_core.wire_endpoint import SECURITY

__all__ = ["GATEWAY_TIMEOUT", "Plain", "denied", "error_said", "instead", "json_said", "wrong_method"]

_ELSEWHERE: Final = "https://elsewhere.invalid/login"
_LOGIN: Final = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"
_GATEWAY: Final = b"<html><head><title>504 Gateway Time-out</title></head><body>504 Gateway Time-out</body></html>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """One whole answer: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _plain(status: int, body: bytes, *headers: tuple[str, str]) -> Plain:
    return Plain(status=status, headers=(*headers, ("Content-Length", str(len(body))), *SECURITY), body=body)


def json_said(value: object, *, status: int = 200) -> Plain:
    """`value` as JSON."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return _plain(status, body, ("Content-Type", "application/json"))


def error_said(status: int, message: str) -> Plain:
    """An error envelope (R31, R32)."""
    return json_said({"status": "ERROR", "message": message}, status=status)


def wrong_method(allowed: Sequence[str]) -> Plain:
    """405; nothing was consumed (D23)."""
    body = b'{"status":"ERROR","message":"Method not allowed"}'
    return _plain(405, body, ("Allow", ", ".join(allowed)), ("Content-Type", "application/json"))


def denied(identity: NoCredentials | Unauthorized | SessionExpired) -> Plain:
    """401 or 412, worded as the real server words them (D16)."""
    match identity:
        case NoCredentials() | Unauthorized():
            return json_said({"message": "Unauthorized"}, status=401)
        case SessionExpired():
            return error_said(412, "Session expired")
        case _:
            assert_never(identity)


GATEWAY_TIMEOUT: Final = _plain(504, _GATEWAY, ("Content-Type", "text/html; charset=utf-8"))


def instead(effect: Instead) -> Plain | DropBefore:
    """What is answered in the endpoint's place."""
    match effect:
        case DropBefore():
            return effect
        case Status(code=code):
            return _plain(code, b"")
        case RetryAfter(code=code, seconds=seconds):
            return _plain(code, b"", ("Retry-After", str(seconds)))
        case Html():
            return _plain(200, _LOGIN, ("Content-Type", "text/html; charset=utf-8"))
        case Redirect(code=code):
            return _plain(code, b"", ("Location", _ELSEWHERE))
        case CredentialsUnknown():
            return denied(Unauthorized())
        case CredentialsExpired():
            return denied(SessionExpired())
        case Envelope():
            return _plain(200, b'{"status":"IN PROGRESS"}', ("Content-Type", "text/plain; charset=utf-8"))
        case _:
            assert_never(effect)
