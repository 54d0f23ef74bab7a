"""Decides what a server says to somebody who wants a download: its clock, the credential, the endpoint, one report.

Three harmless questions. Must never start a session, nor generate anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from reportdl.conform.evidence import Answer
from reportdl.conform.probe import Probe
from reportdl.credentials import ApplicationKey, Bearer, Credentials
from reportdl.doctor.results import Health, Place, Result
from reportdl_core.envelope import clean_message
from reportdl_core.errors import Refusal
from reportdl_core.job import Job

__all__ = ["asking"]

_NOWHERE: Final = 999_999_999
_SKEW: Final = 60.0  # seconds between two clocks that are worth a word
_REFUSED: Final = (401, 412)


def asking(probe: Probe, credentials: Credentials | None, job: Job | None) -> Iterator[Result]:
    """The server's answers. Without credentials it is asked all the same, as nobody."""
    path = f"/api/element/id/{_NOWHERE}/segment/0/download/state/formats"
    sent = datetime.now(UTC)
    answer = probe.ask(path, anonymous=credentials is None)
    if answer.head is None:
        yield _result(
            "answer", Place.NETWORK, Health.BAD, answer.words, "look at what is bad above, or try again later"
        )
        return
    yield _clock(answer, sent)
    if credentials is not None:
        yield _credential(answer, credentials)
    yield _endpoint(answer)
    if job is not None and credentials is not None and answer.code not in _REFUSED:
        report = f"/api/element/id/{job.element}/segment/{job.segment}/download/state/formats"
        yield _report(probe.ask(report), job)


def _result(name: str, place: Place, health: Health, said: str, advice: str = "") -> Result:
    return Result(name=name, place=place, health=health, said=said, advice=advice)


def _clock(answer: Answer, sent: datetime) -> Result:
    assert answer.head is not None
    try:
        theirs = parsedate_to_datetime(answer.head.first("date"))
        theirs = theirs if theirs.tzinfo is not None else theirs.replace(tzinfo=UTC)  # `-0000`, or no zone at all
    except (ValueError, OverflowError):
        return _result("clock", Place.INSTALLATION, Health.SKIPPED, "the server does not say what time it is")
    # A Date has whole seconds, and was written at some time between the question and the answer.
    skew = (sent - theirs).total_seconds()
    if -_SKEW <= skew <= _SKEW:
        return _result("clock", Place.INSTALLATION, Health.GOOD, f"within {max(abs(skew), 1):.0f} s of the server's")
    side = "ahead of" if skew > 0 else "behind"
    said = f"{abs(skew):.0f} s {side} the server's"
    return _result(
        "clock",
        Place.INSTALLATION,
        Health.DOUBTFUL,
        said,
        "set this machine's clock; certificates and logs depend on it",
    )


def _credential(answer: Answer, credentials: Credentials) -> Result:
    kind = type(credentials).__name__
    if answer.code not in _REFUSED:
        return _result("credentials", Place.CREDENTIALS, Health.GOOD, f"a {_KINDS.get(kind, kind)} that is accepted")
    said = f"a {_KINDS.get(kind, kind)} that is refused: {answer.words}"
    match credentials:
        case ApplicationKey():
            advice = "check REPORTDL_APPLICATION_ID, REPORTDL_APPLICATION_KEY and REPORTDL_USER"
        case Bearer():
            advice = "it may have expired, or be one from /api/get_token: then leave out --bearer"
        case _:
            advice = (
                "it lives minutes only: get a new one, or give an application key; with --bearer for a personal one"
            )
    return _result("credentials", Place.CREDENTIALS, Health.BAD, said, advice)


_KINDS: Final = {
    "Token": "token of /api/get_token",
    "Bearer": "personal API token",
    "ApplicationKey": "application key",
}


def _endpoint(answer: Answer) -> Result:
    assert answer.head is not None
    code = answer.head.status
    if answer.refusal is Refusal.ELEMENT_NOT_FOUND or (code == 200 and answer.envelope is not None):
        return _result("endpoint", Place.SERVER, Health.GOOD, "there, as documented for 7.2.1 and later")
    if code in _REFUSED:
        return _result("endpoint", Place.SERVER, Health.SKIPPED, "not known without a credential that is accepted")
    if 300 <= code < 400:
        said = f"{code}, a redirect to {answer.head.location_origin}"
        return _result(
            "endpoint", Place.SERVER, Health.BAD, said, "use that address as --url: redirects are never followed"
        )
    if code >= 500:
        return _result("endpoint", Place.SERVER, Health.BAD, answer.words, "the server is in trouble: try again later")
    if code in (404, 405) or answer.envelope is None:
        advice = "the server is older than 7.2.1, or the base URL is wrong: it is what stands before /api"
        return _result("endpoint", Place.SERVER, Health.BAD, f"not there: {answer.words}", advice)
    said = f"there, with another answer than documented: {answer.words}"
    return _result(
        "endpoint", Place.SERVER, Health.DOUBTFUL, said, "`reportdl conform ELEMENT` shows what else differs"
    )


def _report(answer: Answer, job: Job) -> Result:
    name = f"element {job.element}"
    envelope = answer.envelope
    if answer.code == 200 and envelope is not None and envelope.formats:
        return _result(name, Place.SERVER, Health.GOOD, f"offers {clean_message(', '.join(envelope.formats))}")
    advice = {
        Refusal.ELEMENT_NOT_FOUND: "check the number and --segment",
        Refusal.ELEMENT_NOT_ALLOWED: "ask for view access to it",
        Refusal.NOT_IMPLEMENTED: "only External Reports can be downloaded",
        Refusal.NO_DOWNLOADS: "its source plugin offers no downloads: ask who looks after it",
    }
    said = "ask whoever runs the server" if answer.refusal is None else advice.get(answer.refusal, "")
    return _result(name, Place.SERVER, Health.BAD, answer.words, said)
