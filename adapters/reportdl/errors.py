"""Decides how a failed job is told to people and programs: one exception class for each kind of end.

The message says what happened, what was kept and whether trying again can help. Must never show a token, a
credential or a URL's query: it is built from the outcome alone, which holds none.
"""

from __future__ import annotations

from typing import Final, Never

from reportdl_core.errors import InvalidJob, LocalProtocolError, Reason, ReportdlError
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Outcome

__all__ = [
    "AccessDenied",
    "CredentialsRefused",
    "DownloadError",
    "EndpointMissing",
    "FileNotKeptError",
    "FormatNotOffered",
    "GenerationFailed",
    "InvalidJob",
    "LocalProtocolError",
    "NotDownloadable",
    "ReportNotFound",
    "ReportdlError",
    "ServerError",
    "ServerProtocolError",
    "SessionExpired",
    "TimedOut",
    "TransferLost",
    "Unreachable",
    "UnverifiedFile",
    "describe",
    "exception_for",
    "raise_for",
]


class DownloadError(ReportdlError):
    """A job that did not end with its file.

    `outcome` holds everything, `job` what was asked for; `retryable` says whether trying again can help.
    """

    def __init__(self, outcome: Outcome, job: Job) -> None:
        super().__init__(describe(outcome, job))
        self.outcome = outcome
        self.job = job

    def __reduce__(self) -> tuple[type[DownloadError], tuple[Outcome, Job]]:
        return type(self), (self.outcome, self.job)  # an error comes back whole from another process

    @property
    def retryable(self) -> bool:
        """Whether doing the whole job again can help."""
        return self.outcome.retryable


class GenerationFailed(DownloadError):
    """The source BI tool could not make the file (R22, R30)."""


class CredentialsRefused(DownloadError):
    """The server refused the credential, and it could not be renewed (D16)."""


class AccessDenied(DownloadError):
    """The user may not see this report (R6)."""


class ReportNotFound(DownloadError):
    """There is no such element and segment (R5)."""


class NotDownloadable(DownloadError):
    """The element is not an External Report (R3), or its plugin offers no download (R9)."""


class FormatNotOffered(DownloadError):
    """The report does not offer this format (R10); `alternatives` are those it does."""

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The formats that the report offers, as far as the server would say."""
        return self.outcome.alternatives


class EndpointMissing(DownloadError):
    """The server has no such endpoint: older than 7.2.1, or the base URL is wrong (D29)."""


class SessionExpired(DownloadError):
    """The session's five minutes were over (R15, D1)."""


class TimedOut(DownloadError):
    """The job's own deadline came (I8)."""


class Unreachable(DownloadError):
    """Nobody answered for too long (D19)."""


class ServerError(DownloadError):
    """The server answered nothing but errors for too long (D19)."""


class ServerProtocolError(DownloadError):
    """The server said something that the document does not allow, or refused for a reason of its own (D17, D31)."""


class TransferLost(DownloadError):
    """The file was on its way and is lost for good: the server gives it once (R27, D21)."""


class FileNotKeptError(DownloadError):
    """The file came whole and could not be kept here (D44)."""


class UnverifiedFile(DownloadError):
    """A body came of which nothing proves that it is the whole file; it is kept aside (D22)."""


_CLASSES: Final[dict[Reason, type[DownloadError]]] = {
    Reason.GENERATION_FAILED: GenerationFailed,
    Reason.EXPIRED: SessionExpired,
    Reason.TIMED_OUT: TimedOut,
    Reason.CREDENTIALS: CredentialsRefused,
    Reason.ACCESS_DENIED: AccessDenied,
    Reason.NOT_FOUND: ReportNotFound,
    Reason.NOT_IMPLEMENTED: NotDownloadable,
    Reason.NO_DOWNLOADS: NotDownloadable,
    Reason.INVALID_FORMAT: FormatNotOffered,
    Reason.ENDPOINT_MISSING: EndpointMissing,
    Reason.REDIRECTED: ServerProtocolError,
    Reason.REFUSED: ServerProtocolError,
    Reason.PROTOCOL: ServerProtocolError,
    Reason.UNREACHABLE: Unreachable,
    Reason.SERVER_ERROR: ServerError,
    Reason.TRANSFER_LOST: TransferLost,
    Reason.NOT_KEPT: FileNotKeptError,
    Reason.UNVERIFIED: UnverifiedFile,
}


# The endpoint's own words for what was asked, which people know from the document.
_STATES: Final = {
    "ListFormats": "formats",
    "Init": "init",
    "Run": "run",
    "Check": "check",
    "Get": "get",
    "RenewCredentials": "get_token",
    "LookUp": "list",
}


def exception_for(reason: Reason) -> type[DownloadError]:
    """The class that a failed outcome with this reason is raised as. KeyError for DELIVERED, which is no failure."""
    return _CLASSES[reason]


def raise_for(outcome: Outcome, job: Job) -> Never:
    """Raise the exception that belongs to a failed outcome."""
    raise exception_for(outcome.reason)(outcome, job)


def describe(outcome: Outcome, job: Job) -> str:
    """What happened, what was kept, whether trying again can help: up to three sentences in one line."""
    parts = [_happened(outcome, job)]
    if outcome.kept:
        parts.append(f"What came is kept as {outcome.kept}.")
    parts.append(_advice(outcome, job))
    return " ".join(part for part in parts if part)


def _happened(outcome: Outcome, job: Job) -> str:
    report = f"element {job.element}" + (f", segment {job.segment}" if job.segment else "")
    said = _last_words(outcome)
    match outcome.reason:
        case Reason.GENERATION_FAILED:
            return f"The server could not generate {job.format} of {report}{said}."
        case Reason.EXPIRED if outcome.ended_in is State.RUNNING and not outcome.run_unproven:
            return (
                f"The session's 5 minutes ended while {job.format} of {report} was being generated{said}: the server "
                "discards such a file, although it allows generation 30 minutes (R16 against R19, decision D1)."
            )
        case Reason.EXPIRED:
            return f"The session for {report} expired before the file was fetched{said}."
        case Reason.TIMED_OUT:
            return f"{report.capitalize()} was not done within the job's time limit{said}."
        case Reason.CREDENTIALS:
            return f"The server refused the credential{said}."
        case Reason.ACCESS_DENIED:
            return f"No access to {report}{said}."
        case Reason.NOT_FOUND:
            return f"There is no {report} on the server{said}."
        case Reason.NOT_IMPLEMENTED:
            return f"{report.capitalize()} is not an External Report; only those can be downloaded{said}."
        case Reason.NO_DOWNLOADS:
            return f"{report.capitalize()} offers no downloads{said}."
        case Reason.INVALID_FORMAT:
            offered = f"; it offers {', '.join(outcome.alternatives)}" if outcome.alternatives else ""
            return f"{report.capitalize()} does not offer {job.format}{offered}."
        case Reason.ENDPOINT_MISSING:
            return "The server has no download endpoint: it needs version 7.2.1 or later, or the base URL is wrong."
        case Reason.REDIRECTED:
            return f"The server answered with a redirect, which is never followed{said}."
        case Reason.REFUSED:
            return f"The server refused the request{said}."
        case Reason.PROTOCOL:
            return f"The server's answer does not follow the protocol{said}."
        case Reason.UNREACHABLE:
            return f"The server cannot be reached{said}."
        case Reason.SERVER_ERROR:
            return f"The server answered nothing but errors{said}."
        case Reason.TRANSFER_LOST:
            return f"The connection broke while the file of {report} came, and the server gives it only once{said}."
        case Reason.NOT_KEPT:
            return f"The file of {report} came and could not be kept here{said}."
        case Reason.UNVERIFIED:
            return f"The file of {report} came, but is not known to be whole{said}."
        case Reason.DELIVERED:
            return f"The file of {report} was delivered."


def _last_words(outcome: Outcome) -> str:
    if not outcome.evidence:
        return ""
    last = outcome.evidence[-1]
    words = last.message or last.answer
    return f" ({_STATES.get(last.asked, last.asked)}: {words})" if words else ""


def _advice(outcome: Outcome, job: Job) -> str:
    match outcome.reason:
        case Reason.NOT_FOUND if not job.segment:
            # R5 says the same of an unknown element and of one that has no value 0 of its dimension.
            return "If this report has segments, one of them has to be named."
        case Reason.UNVERIFIED:
            return "Look at it; allow_unverified would have published it."
        case Reason.NOT_KEPT:
            return "Make room or rights there, then start again; the report will be generated anew."
        case Reason.EXPIRED if not outcome.retryable:
            return "Trying again would generate and expire again: ask for a longer token life on the server."
        case _ if outcome.retryable:
            return "Trying again can help."
        case _:
            return ""
