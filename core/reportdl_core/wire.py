"""Decides how commands become HTTP requests and HTTP answers become events: the client's half of the wire.

HTTP stands here and in `http_head`, `envelope`, `disposition`, `coding`, `intake`, `exchange`, and nowhere else. Must
never open a connection, add a credential (adapters do, at the last moment), or let a token out of a request's target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never
from urllib.parse import quote

from reportdl_core.commands import Check, Get, Init, ListFormats, Request, Run
from reportdl_core.envelope import (
    Envelope,
    Unreadable,
    clean_message,
    masked,
    read_envelope,
    refusal_of_message,
    spellings,
)
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Event,
    FormatsListed,
    Refused,
    RunFinished,
    Status,
    StatusReported,
    TokenIssued,
)
from reportdl_core.http_head import Head
from reportdl_core.secret import Secret

__all__ = ["Outgoing", "answer", "hidden_in", "outgoing", "plain_get", "query_token", "refused"]

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEX: Final = frozenset("0123456789ABCDEFabcdef")
_MAX_TOKEN: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request, relative to the server's base URL. `target` is path and query as they go on the wire.

    The target of run, check and get holds the token: never show it. `hidden` are the secrets in the body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    hidden: tuple[Secret, ...] = ()

    def __repr__(self) -> str:
        return f"Outgoing(method={self.method!r}, target={self.target.partition('?')[0]!r})"


def query_token(token: Secret) -> str:
    """The token as it stands in a query: verbatim where it is URL-encoded already, else encoded once (R13, D3)."""
    text = token.reveal()
    pieces = text.split("%")
    encoded = _UNRESERVED.issuperset(pieces[0]) and all(
        len(piece) >= 2 and _HEX.issuperset(piece[:2]) and _UNRESERVED.issuperset(piece[2:]) for piece in pieces[1:]
    )
    return text if encoded else quote(text, safe="")


def outgoing(command: Request) -> Outgoing:
    """The one HTTP request that carries out the command (R1, D23)."""
    match command:
        case ListFormats():
            return _request(command, "formats", "")
        case Init():
            return _request(command, "init", "")
        case Run():
            return _request(command, "run", f"?token={query_token(command.token)}&format={command.job.format}")
        case Check():
            return _request(command, "check", f"?token={query_token(command.token)}")
        case Get():
            return _request(command, "get", f"?token={query_token(command.token)}&format={command.job.format}")
        case _:
            assert_never(command)


def _request(command: Request, state: str, query: str) -> Outgoing:
    job = command.job
    path = f"/api/element/id/{job.element}/segment/{job.segment}/download/state/{state}"
    return plain_get(path + query, accept="*/*" if isinstance(command, Get) else "application/json")


def plain_get(target: str, *, accept: str = "application/json") -> Outgoing:
    """A GET of path and query, with the headers that every one of them has."""
    # identity: a length that counts coded bytes would verify nothing of the file (D34). no-cache: D23.
    headers = (("Accept", accept), ("Accept-Encoding", "identity"), ("Cache-Control", "no-cache"))
    return Outgoing(method="GET", target=target, headers=headers)


def answer(command: Request, head: Head, body: bytes, *, hidden: tuple[str, ...] = ()) -> Event:
    """What an answer that is not a file says; `body` is whole, or empty where it was too long (D26, D36).

    `hidden` are texts that must not come back in a message, beside the command's own token.
    """
    if head.status // 100 == 2:
        return _success(command, head, body, lambda: hidden + hidden_in(command))
    return refused(command.number, head, body, hidden=hidden + hidden_in(command))


def refused(number: int, head: Head, body: bytes, *, hidden: tuple[str, ...] = ()) -> Refused:
    """What an answer that is not 2xx says to the command `number`, with `hidden` texts masked."""
    refusal, message = _refusal(head, body, hidden)
    after = head.retry_after if refusal is Refusal.BUSY else None
    return Refused(number=number, refusal=refusal, message=message, code=head.status, retry_after=after)


def hidden_in(command: Request) -> tuple[str, ...]:
    """The spellings of a command's token: a server may echo what it was asked (D39). Longest first."""
    if isinstance(command, ListFormats | Init):
        return ()
    return spellings(command.token.reveal())


def _refusal(head: Head, body: bytes, hidden: tuple[str, ...]) -> tuple[Refusal, str]:
    status = head.status
    if status // 100 == 3:
        return Refusal.REDIRECTED, masked(f"points to {head.location_origin}", hidden)
    envelope = read_envelope(body, hidden=lambda: hidden)
    message = envelope.message if isinstance(envelope, Envelope) else ""
    named = refusal_of_message(message)
    match status:
        case 401 | 412:
            return Refusal.CREDENTIALS, message
        case 403:
            return Refusal.ELEMENT_NOT_ALLOWED, message
        case 404:
            found = named is Refusal.ELEMENT_NOT_FOUND
            return (Refusal.ELEMENT_NOT_FOUND if found else Refusal.ENDPOINT_MISSING), message
        case 405:
            return Refusal.METHOD_NOT_ALLOWED, message
        case 400:
            documented = named is not None and named not in _NOT_400
            return (named if documented and named is not None else Refusal.OTHER), message
        case 429:
            return Refusal.BUSY, message
        case 503 if head.retry_after is not None:
            return Refusal.BUSY, message
        case _ if status // 100 == 4 and status != 408:
            return Refusal.OTHER, message
        case _:
            return Refusal.UNAVAILABLE, message


_NOT_400: Final = frozenset({Refusal.ELEMENT_NOT_ALLOWED, Refusal.ELEMENT_NOT_FOUND})


def _success(command: Request, head: Head, body: bytes, hidden: Callable[[], tuple[str, ...]]) -> Event:
    envelope = Unreadable.NO_OBJECT if head.status == 206 else read_envelope(body, hidden=hidden)
    match envelope:
        case Unreadable.NO_OBJECT:
            return _unfit(command, head, Refusal.NO_ENVELOPE, masked(_described(head), hidden()))
        case Unreadable.AMBIGUOUS:
            return _unfit(command, head, Refusal.UNREADABLE, "the envelope says two things at once")
        case Envelope():
            return _said(command, head, envelope)
        case _:
            assert_never(envelope)


def _described(head: Head) -> str:
    kind = clean_message(head.media_type) or "no content type"
    return f"{head.status} with {kind} instead of a JSON object"


def _unfit(command: Request, head: Head, refusal: Refusal, message: str) -> Refused:
    # What the server said was shortened before our words were put around it: once more, as a whole (D36).
    return Refused(number=command.number, refusal=refusal, message=clean_message(message), code=head.status)


def _said(command: Request, head: Head, envelope: Envelope) -> Event:
    number, status = command.number, envelope.status
    if status is None:
        shown = clean_message(envelope.status_text)
        return _unfit(command, head, Refusal.UNREADABLE, f"unknown status {shown!r}" if shown else "no status")
    if status is Status.OK:
        match command:
            case ListFormats():
                if envelope.formats is None:
                    return _unfit(command, head, Refusal.UNREADABLE, "OK without formats")
                return FormatsListed(number=number, formats=envelope.formats)
            case Init():
                if (token := _token(envelope.token)) is None:
                    return _unfit(command, head, Refusal.UNREADABLE, "OK without a token that can be used")
                return TokenIssued(number=number, token=token)
            case Run():
                return RunFinished(number=number)
            case Check() | Get():
                pass
            case _:
                assert_never(command)
    if status is Status.ERROR and isinstance(command, ListFormats | Init):
        # Some servers answer 200 with the error in the body: before there is a token its message says which.
        named = refusal_of_message(envelope.message)
        if named is not None and named is not Refusal.DOWNLOAD_FAILED:
            return _unfit(command, head, named, envelope.message)
    return StatusReported(number=number, status=status, message=envelope.message)


def _token(value: object) -> Secret | None:
    """A token that can go into a query; control characters and white space are a protocol error (D3)."""
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_TOKEN:
        return None
    if not value.isprintable() or any(character.isspace() for character in value):
        return None
    return Secret(value)
