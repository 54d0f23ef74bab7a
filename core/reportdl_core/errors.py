"""Decides what can go wrong, as types: reasons why a session ended, refusals by a server, misuse by a caller.

Nothing here is raised by `receive`: what a server did wrong is a value in the outcome. `LocalProtocolError` is
the one exception of the core, for callers who break its contract. Must never hold a token or a credential.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["InvalidJob", "LocalProtocolError", "Reason", "Refusal", "ReportdlError"]


class ReportdlError(Exception):
    """The base of every exception that reportdl raises."""


class LocalProtocolError(ReportdlError):
    """The caller broke the core's contract; nothing moved (D37)."""


class InvalidJob(ReportdlError, ValueError):
    """A job that cannot be asked for: an id that is not an integer (D32), a format key that is not one."""


class Refusal(Enum):
    """What a server said instead of doing what it was asked. The wire's codes are gone by now."""

    CREDENTIALS = "credentials"  # 401, 412 (D16)
    REDIRECTED = "redirected"  # 3xx, never followed (D31)
    ELEMENT_NOT_ALLOWED = "Element not allowed"  # R6
    ELEMENT_NOT_FOUND = "Element not found"  # R5
    INVALID_STATE = "Invalid state"  # R2
    INVALID_TOKEN = "Invalid token"  # R14  # noqa: S105
    INVALID_FORMAT = "Invalid format"  # R10
    NO_DOWNLOADS = "No downloads available"  # R9
    NOT_IMPLEMENTED = "Not implemented for this Element Type"  # R3
    DOWNLOAD_FAILED = "Download failed"  # R17, R30
    ENDPOINT_MISSING = "endpoint missing"  # 404 without the document's body (D29)
    METHOD_NOT_ALLOWED = "method not allowed"  # 405 (D29)
    OTHER = "other"  # any other 4xx; 400 with no or an unknown message
    BUSY = "busy"  # 429; 503 with Retry-After
    UNAVAILABLE = "unavailable"  # 408, 5xx
    NO_ENVELOPE = "no envelope"  # HTML, or a body that is not a JSON object (D26)
    UNREADABLE = "unreadable"  # an object without the fields this answer must have; an unknown status (D17)

    def __repr__(self) -> str:
        return f"Refusal.{self.name}"


class Reason(Enum):
    """Why a session ended. `outcome.retryable` says whether trying again can help."""

    DELIVERED = "delivered"
    GENERATION_FAILED = "generation failed"
    EXPIRED = "expired"
    TIMED_OUT = "timed out"
    CREDENTIALS = "credentials"
    ACCESS_DENIED = "access denied"
    NOT_FOUND = "not found"
    NOT_IMPLEMENTED = "not implemented"
    NO_DOWNLOADS = "no downloads"
    INVALID_FORMAT = "invalid format"
    ENDPOINT_MISSING = "endpoint missing"
    REDIRECTED = "redirected"
    REFUSED = "refused"
    PROTOCOL = "protocol error"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server error"
    TRANSFER_LOST = "transfer lost"
    NOT_KEPT = "not kept"
    UNVERIFIED = "unverified"

    def __repr__(self) -> str:
        return f"Reason.{self.name}"
