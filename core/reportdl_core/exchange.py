"""Decides how one request is carried out over HTTP, from command to event, without a socket.

A transport asks for `outgoing`, reports the head, feeds the body's bytes, and says how it ended. File or envelope,
caps, timeouts, what a broken answer means: it stands here and in `intake`, once, for every transport, sync or async.
Must never retry (D23).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, final

from reportdl_core.affinity import Cookies
from reportdl_core.coding import plain
from reportdl_core.commands import Get, Request, Run
from reportdl_core.envelope import telling
from reportdl_core.errors import LocalProtocolError
from reportdl_core.events import Event, Lost, Sent
from reportdl_core.http_head import Head
from reportdl_core.intake import Intake, Progress
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.sink import Sink
from reportdl_core.wire import Outgoing, answer, hidden_in, outgoing

__all__ = ["CHUNK", "Exchange", "Progress"]

CHUNK: Final = 1024 * 1024
"""Bytes that a transport should read at a time: smaller chunks cost more, larger ones gain nothing."""


@final
class Exchange:
    """One request and its answer. `hidden` are the secrets that go with it, which no echo of a server's may show.

    `cookies` are those of the session, where some are named (D30).

    Call `head`, then `feed` until the body ends or it returns False, then `finish`; call `lost` instead where the
    answer will not come or breaks off. `finish` and `lost` return the event that answers the command.
    """

    __slots__ = (
        "_body",
        "_cookies",
        "_head",
        "_hidden",
        "_intake",
        "_progress",
        "_sink",
        "command",
        "outgoing",
        "policy",
    )

    command: Request
    policy: Policy
    outgoing: Outgoing

    def __init__(
        self,
        command: Request,
        *,
        policy: Policy,
        sink: Sink | None = None,
        progress: Progress | None = None,
        hidden: tuple[Secret, ...] = (),
        cookies: Cookies | None = None,
    ) -> None:
        if isinstance(command, Get) and sink is None:
            raise LocalProtocolError("Get needs a sink for the file")
        self.command, self.policy, self.outgoing = command, policy, outgoing(command)
        self._cookies = cookies
        if cookies is not None and (header := cookies.header) is not None:
            self.outgoing = replace(self.outgoing, headers=(*self.outgoing.headers, ("Cookie", header)))
        self._sink, self._progress, self._hidden = sink, progress, hidden
        self._head: Head | None = None
        self._intake: Intake | None = None
        self._body = bytearray()

    @property
    def connect_timeout(self) -> float:
        """Seconds for the connection to be made (D35)."""
        return self.policy.connect_timeout

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte after which the request is lost: `run` is silent by nature, the others may stall."""
        return self.policy.run_timeout if isinstance(self.command, Run) else self.policy.stall_timeout

    @property
    def own_connection(self) -> bool:
        """Whether the request must not share a connection with any other (R20, D30)."""
        return isinstance(self.command, Run)

    @property
    def blocking(self) -> bool:
        """Whether `finish` will make a file durable, which an event loop should leave to a thread."""
        return self._intake is not None

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Report status and headers; False where the body need not be read."""
        head = self._head = Head.of(status, headers)
        if head.flaw:
            return False
        if self._cookies is not None:
            self._cookies.take(head.all("set-cookie"))
        if isinstance(self.command, Get) and self._sink is not None and head.is_file:
            self._intake = Intake(
                self.command,
                head,
                self._sink,
                self.policy,
                self._progress,
                hidden=self._echoes() + telling(hidden_in(self.command)),
            )
            return self._intake.open()
        return True

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body as they are on the wire; False where no more are wanted."""
        if self._intake is not None:
            return self._intake.feed(data)
        self._body += data[: self.policy.max_envelope + 1 - len(self._body)]
        return len(self._body) <= self.policy.max_envelope

    def finish(self) -> Event:
        """The body ended as its framing says, or no more of it was wanted; what that means."""
        if self._intake is not None:
            return self._intake.finish()
        if self._head is None:
            return self.lost(sent=Sent.UNKNOWN, message="no answer")
        if self._head.flaw:
            return self.lost(sent=Sent.UNKNOWN, message=self._head.flaw)
        body = plain(bytes(self._body), self._head.coding, cap=self.policy.max_envelope)
        return answer(self.command, self._head, body, hidden=self._echoes())

    def _echoes(self) -> tuple[str, ...]:
        sent = self._hidden if self._cookies is None else (*self._hidden, *self._cookies.values.values())
        return telling(secret.reveal() for secret in sent)

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The answer will not come, or broke off: nothing of a file stays. `message` must not hold the target."""
        if self._intake is not None:
            return self._intake.lost(sent=sent, message=message)
        return Lost(number=self.command.number, sent=sent, message=message)
