"""Decides the order of things in one call of the download endpoint: faults, credentials, the core, the answer.

The five states share one path (R1). Method and path are read by the core's `wire_endpoint` from the raw target, so
that a token is decoded exactly once (D3). A caller that goes away while its `run` is held is reported, not waited
for (D7). Must never judge a session.
"""

from __future__ import annotations

import asyncio
from typing import Final, assert_never

from starlette.types import Receive, Scope, Send

from reportdl.server.accounts import Caller
from reportdl.server.connection import connection_of
from reportdl.server.delivery import Broken, Delivery, Sent, Whole
from reportdl.server.faults import Answered, DropAfter, Late
from reportdl.server.lateness import Fate, gone, with_cookie
from reportdl.server.plain import Plain, denied
from reportdl.server.service import Service
from reportdl.server.session_loop import Answering, OpenFile, fresh_token
from reportdl_core.endpoint_messages import Answer, Called, FileSent, Refuse, Reply, SendBroken
from reportdl_core.wire_endpoint import Parsed, file_headers, parse, response

__all__ = ["PREFIX", "DownloadEndpoint"]

PREFIX: Final = b"/api/element/id/"


def _plain(reply: Reply) -> Plain:
    status, headers, body = response(reply)
    return Plain(status=status, headers=headers, body=body)


class DownloadEndpoint:
    """An ASGI application for everything under PREFIX."""

    def __init__(self, service: Service) -> None:
        self._service: Final = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        connection = connection_of(scope)
        asked = parse(scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"])
        state = asked.state if isinstance(asked, Parsed) else ""
        self._service.note(scope, connection, state)
        fate = Fate(self._service.faults, state)
        sending = with_cookie(send, scope, fate.timings)
        out = Delivery(send=sending, connection=connection, stall=self._service.stall)
        async with self._service.turns.of(scope, fate.timings):
            await fate.reached()
            if fate.effect is not None:
                await fate.instead(fate.effect, receive, out)
            elif isinstance(asked, Refuse):
                await fate.at_once(_plain(asked), receive, out)
            else:
                await self._serve(asked, scope, receive, out, fate)

    async def _serve(self, asked: Parsed, scope: Scope, receive: Receive, out: Delivery, fate: Fate) -> None:
        identity = self._service.identify(scope)
        if not isinstance(identity, Caller):
            await fate.at_once(denied(identity), receive, out)
            return
        number = self._service.sessions.number()
        future = self._service.sessions.call(self._called(number, identity.user, asked))
        answering = await self._awaited(number, future, fate, receive)
        match answering:
            case OpenFile():
                fate.in_time()
                await self._send_file(asked.state, answering, out)
            case Answer(answer=reply):
                fate.in_time()
                await fate.shaped(_plain(reply), out)
            case None:
                await fate.too_late(out)
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
        self, number: int, future: asyncio.Future[Answering], fate: Fate, receive: Receive
    ) -> Answering | None:
        """The endpoint's answer; None where it came too late, or for nobody."""
        leaving = asyncio.ensure_future(gone(receive))
        answered = False
        try:
            waited = _either(future, leaving, fate.late)
            await asyncio.wait(waited, timeout=_patience(fate.late), return_when=asyncio.FIRST_COMPLETED)
            answered = future.done() and not future.cancelled() and not fate.sealed
        finally:
            leaving.cancel()
            if not answered:
                self._service.sessions.withdraw(number, future)
        return future.result() if answered else None

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


def _either(
    future: asyncio.Future[Answering], leaving: asyncio.Task[None], late: Late | None
) -> tuple[asyncio.Future[Answering] | asyncio.Task[None], ...]:
    # A connection that is to be dropped is dropped on time, even though the answer is there.
    return (leaving,) if isinstance(late, DropAfter) else (future, leaving)


def _patience(late: Late | None) -> float | None:
    return None if late is None else late.seconds
