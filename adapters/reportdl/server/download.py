"""Decides the order of things in one call of the download endpoint: faults, credentials, the core, the answer.

The five states share one path (R1). Method and path are read by the core's `wire_endpoint` from the raw target, so
that a token is decoded exactly once (D3). A caller that goes away while its `run` is held is reported, not waited
for (D7). Must never judge a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final, assert_never
from weakref import WeakValueDictionary

from starlette.types import Message, Receive, Scope, Send

from reportdl.server.accounts import Caller, SessionExpired
from reportdl.server.connection import connection_of
from reportdl.server.delivery import Broken, Delivery, Sent, Whole
from reportdl.server.faults import (
    Answered,
    CookieLock,
    Delay,
    DropAfter,
    DropBefore,
    ExpireAfter,
    GatewayTimeout,
    Timing,
)
from reportdl.server.plain import GATEWAY_TIMEOUT, Plain, denied, instead
from reportdl.server.service import Service, gone
from reportdl.server.session_loop import Answering, OpenFile, fresh_token
from reportdl_core.endpoint_messages import Answer, Called, FileSent, Refuse, Reply, SendBroken
from reportdl_core.wire_endpoint import Parsed, file_headers, parse, response

__all__ = ["PREFIX", "DownloadEndpoint"]

PREFIX: Final = b"/api/element/id/"
_COOKIE: Final = "reportdl_session"

Late = DropAfter | GatewayTimeout | ExpireAfter


def _plain(reply: Reply) -> Plain:
    status, headers, body = response(reply)
    return Plain(status=status, headers=headers, body=body)


class DownloadEndpoint:
    """An ASGI application for everything under PREFIX."""

    def __init__(self, service: Service) -> None:
        self._service: Final = service
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        connection = connection_of(scope)
        asked = parse(scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"])
        state = asked.state if isinstance(asked, Parsed) else ""
        self._service.note(scope, connection, state)
        timings, effect = self._service.faults.before(state)
        if any(isinstance(timing, CookieLock) for timing in timings):
            send = _with_cookie(send, _cookie(scope) or secrets.token_hex(8))
        out = Delivery(send=send, connection=connection, stall=self._service.stall)
        async with self._turn(scope, timings):
            await asyncio.sleep(sum(timing.seconds for timing in timings if isinstance(timing, Delay)))
            if effect is not None:
                await _send(out, instead(effect))
            elif isinstance(asked, Refuse):
                await _send(out, _plain(asked))
            else:
                await self._serve(asked, scope, receive, out, _late(timings))

    async def _serve(self, asked: Parsed, scope: Scope, receive: Receive, out: Delivery, late: Late | None) -> None:
        identity = self._service.identify(scope)
        if not isinstance(identity, Caller):
            await _send(out, denied(identity))
            return
        number = self._service.sessions.number()
        future = self._service.sessions.call(self._called(number, identity.user, asked))
        answering = await self._awaited(number, future, late, receive)
        match answering:
            case OpenFile():
                await self._send_file(asked.state, answering, out)
            case Answer(answer=reply):
                shapes = self._service.faults.after(asked.state, Answered.ENVELOPE)
                await out.plain(_plain(reply), shapes)
            case Plain() | DropBefore():
                await _send(out, answering)
            case _:
                assert_never(answering)

    def _called(self, number: int, user: str, asked: Parsed) -> Called:
        return Called(
            number=number,
            user=user,
            element=asked.element,
            segment=asked.segment,
            state=asked.state,
            token=asked.token,
            format=asked.format,
            report=self._service.catalog.find(user=user, element=asked.element, segment=asked.segment),
            fresh_token=fresh_token(),
        )

    async def _awaited(
        self, number: int, future: asyncio.Future[Answering], late: Late | None, receive: Receive
    ) -> Answering | Plain | DropBefore:
        """The endpoint's answer, or what is said in its place because it came too late or for nobody."""
        leaving = asyncio.ensure_future(gone(receive))
        answered = False
        try:
            await asyncio.wait(
                _either(future, leaving, late), timeout=_patience(late), return_when=asyncio.FIRST_COMPLETED
            )
            answered = future.done() and not future.cancelled() and not isinstance(late, DropAfter)
        finally:
            leaving.cancel()
            if not answered:
                self._service.sessions.withdraw(number, future)
        return future.result() if answered else _too_late(late)

    async def _send_file(self, state: str, answering: OpenFile, out: Delivery) -> None:
        command = answering.command
        sent: Sent = Broken(sent=0)
        try:
            headers = file_headers(command.report, command.format, answering.length)
            shapes = self._service.faults.after(state, Answered.FILE)
            sent = await out.file(headers, answering.file, answering.length, shapes)
        finally:
            answering.file.close()
            match sent:
                case Whole():
                    self._service.sessions.tell(FileSent(number=command.number))
                case Broken(sent=size):
                    self._service.sessions.tell(SendBroken(number=command.number, sent=size))
                case _:
                    assert_never(sent)

    def _turn(
        self, scope: Scope, timings: Iterable[Timing]
    ) -> contextlib.AbstractAsyncContextManager[object, bool | None]:
        cookie = _cookie(scope)
        if cookie is None or not any(isinstance(timing, CookieLock) for timing in timings):
            return contextlib.nullcontext()
        turn = self._turns.get(cookie) or asyncio.Lock()
        self._turns[cookie] = turn
        return turn


async def _send(out: Delivery, answer: Plain | DropBefore) -> None:
    if isinstance(answer, Plain):
        await out.plain(answer)
    else:
        await out.cut()


def _late(timings: Iterable[Timing]) -> Late | None:
    return next((timing for timing in timings if isinstance(timing, (DropAfter, GatewayTimeout, ExpireAfter))), None)


def _either(
    future: asyncio.Future[Answering], leaving: asyncio.Task[None], late: Late | None
) -> tuple[asyncio.Future[Answering] | asyncio.Task[None], ...]:
    # A connection that is to be dropped is dropped on time, even though the answer is there.
    return (leaving,) if isinstance(late, DropAfter) else (future, leaving)


def _patience(late: Late | None) -> float | None:
    return None if late is None else late.seconds


def _too_late(late: Late | None) -> Plain | DropBefore:
    match late:
        case GatewayTimeout():
            return GATEWAY_TIMEOUT
        case ExpireAfter():
            return denied(SessionExpired())
        case DropAfter() | None:
            return DropBefore()
        case _:
            assert_never(late)


def _cookie(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie":
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(value.decode("latin-1")).get(_COOKIE)
                return None if morsel is None else morsel.value
    return None


def _with_cookie(send: Send, value: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            cookie = (b"set-cookie", f"{_COOKIE}={value}; Path=/; HttpOnly".encode("latin-1"))
            message = {**message, "headers": [*message["headers"], cookie]}
        await send(message)

    return sending
