"""Decides how one request of an examination is sent and kept: by the client's own transport, exactly once, unjudged.

A `run` has a connection and a thread of its own, and can be dropped, as can any answer on its way. Must never repeat a
request, follow a redirect, or send a token anywhere but into a query of this server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, final

from reportdl.conform.evidence import Answer, Mask
from reportdl.credentials import Credentials
from reportdl.errands import Errand
from reportdl.origin import Origin
from reportdl.transports import Flight, Transport
from reportdl_core.affinity import Cookies
from reportdl_core.commands import RenewCredentials
from reportdl_core.events import CredentialsRenewed, Event, Lost, RunFinished, Sent
from reportdl_core.http_head import Head
from reportdl_core.policy import Policy
from reportdl_core.renewal import RenewalExchange
from reportdl_core.wire import Outgoing, plain_get

__all__ = ["Pending", "Probe"]

_KEPT: Final = 64 * 1024
_HELD: Final = 30.0  # seconds for which a body may be left unread: less than what cuts a slow client
_CREDENTIALS: Final = (401, 412)


@final
class _Raw:
    """An exchange that keeps what comes, with the members of `errands.Exchanging`."""

    blocking = False

    def __init__(
        self, outgoing: Outgoing, policy: Policy, *, alone: bool, patience: float, only_head: bool, unread: bool
    ) -> None:
        self.outgoing: Outgoing = outgoing
        self.gate: threading.Event = threading.Event()
        if not unread:
            self.gate.set()
        self.own_connection: bool = alone
        self.connect_timeout: float = policy.connect_timeout
        self.read_timeout: float = patience
        self.answered: Head | None = None
        self.body: bytearray = bytearray()
        self.size: int = 0
        self.loss: tuple[Sent, str] | None = None
        self.only_head: bool = only_head

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Keep status and headers."""
        self.answered = Head.of(status, headers)
        return not (self.only_head and self.answered.is_file)

    def feed(self, data: bytes) -> bool:
        """Keep the body's beginning, count the rest; where it is left unread, not before `let_go`."""
        self.gate.wait(_HELD)
        self.size += len(data)
        self.body += data[: _KEPT - len(self.body)]
        return True

    def finish(self) -> Event:
        """Nobody reads the event."""
        return RunFinished(number=1)

    def lost(self, *, sent: Sent, message: str) -> Event:
        """Remember why."""
        self.loss = (sent, message)
        return Lost(number=1, sent=sent, message=message)


@final
class Pending:
    """A request under way in a thread of its own."""

    def __init__(self, probe: Probe, flight: Flight, raw: _Raw, step: str, asked: str) -> None:
        self._probe, self._flight, self._raw = probe, flight, raw
        self._step, self._asked = step, asked
        self._began = probe.now()
        self._ended = self._began
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._perform, daemon=True, name="reportdl-conform")
        self._thread.start()

    def _perform(self) -> None:
        try:
            self._flight.perform()
        except BaseException as error:  # noqa: BLE001 - a bug in a transport, raised to whoever waits
            self._broken = error
        self._ended = self._probe.now()

    def over(self) -> bool:
        """Whether the answer is here, or will not come."""
        return not self._thread.is_alive()

    @property
    def left(self) -> bool:
        """Whether the request may have reached the server. Known once it is over."""
        return self._raw.loss is None or self._raw.loss[0] is Sent.UNKNOWN

    @property
    def begun(self) -> bool:
        """Whether the head of an answer is here."""
        return self._raw.answered is not None

    def let_go(self) -> None:
        """Read on, where the body was left unread."""
        self._raw.gate.set()

    def drop(self) -> None:
        """End its connection."""
        self._flight.cancel()
        self.let_go()

    def answer(self, within: float) -> Answer:
        """What came; after `within` seconds the connection is ended."""
        self._thread.join(within)
        if self._broken is not None:
            raise self._broken
        late = self._thread.is_alive()
        if late:
            self.drop()
            self._thread.join(_ENDING)
        raw = self._raw
        lost = "" if raw.loss is None else raw.loss[1]
        return self._probe.keep(
            step=self._step,
            asked=self._asked,
            raw=raw,
            began=self._began,
            ended=self._probe.now() if late else self._ended,
            lost=f"after {within:.0f} s" if late else lost,
        )


_ENDING: Final = 2.0  # seconds for a dropped request's thread to end


@final
class Probe:
    """Sends the requests of one examination of one server, and numbers their answers.

    `affinity` names the cookies that go back, so that all of it is asked of one node behind a balancer (D30).
    """

    def __init__(
        self,
        origin: Origin,
        transport: Transport,
        credentials: Credentials,
        policy: Policy,
        *,
        affinity: tuple[str, ...] = (),
    ) -> None:
        self._cookies = Cookies(affinity)
        self._origin, self._transport = origin, transport
        self.credentials: Credentials = credentials
        self._policy = policy
        self._zero = time.monotonic()
        self.mask: Mask = Mask()
        self.answers: list[Answer] = []
        self.step = ""

    def now(self) -> float:
        """Seconds since the examination began."""
        return time.monotonic() - self._zero

    def ask(
        self,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        method: str = "GET",
        credentials: Credentials | None = None,
        anonymous: bool = False,
        patience: float | None = None,
    ) -> Answer:
        """Send one request and wait for its answer; a credential that has ended is renewed once."""
        within = patience or self._policy.request_timeout

        def once() -> Answer:
            # What is no GET has a connection of its own: a server that refuses it may close that one after its answer.
            alone = method != "GET"
            pending = self.begin(
                path, query=query, method=method, credentials=credentials, anonymous=anonymous, alone=alone
            )
            return pending.answer(within)

        answer = once()
        vouching = credentials or self.credentials
        if not anonymous and answer.code in _CREDENTIALS and self._renew(vouching):
            return once()
        return answer

    def begin(
        self,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        method: str = "GET",
        credentials: Credentials | None = None,
        anonymous: bool = False,
        alone: bool = False,
        only_head: bool = False,
        unread: bool = False,
    ) -> Pending:
        """Send one request and go on. `query` is put in as it is; `only_head` leaves a file's body unread.

        `unread` leaves it so until `let_go`, so that a server which sends much must wait.
        """
        vouching = credentials or self.credentials
        if not anonymous and vouching.headers() is None:
            self._renew(vouching)
        held = () if anonymous else vouching.headers() or ()
        for _, value in held:
            self.mask.add(value.removeprefix("Bearer "))
        target = path + ("?" if query else "") + "&".join(f"{name}={value}" for name, value in query)
        outgoing = replace(plain_get(target, accept="*/*"), method=method)
        if (node := self._cookies.header) is not None:
            outgoing = replace(outgoing, headers=(*outgoing.headers, ("Cookie", node)))
        patience = self._policy.run_timeout
        raw = _Raw(outgoing, self._policy, alone=alone, patience=patience, only_head=only_head, unread=unread)
        flight = self._transport.flight(self._errand(raw, held))
        names = "&".join(f"{name}={value if name == 'format' else '***'}" for name, value in query)
        asked = f"{method} {path}{'?' if names else ''}{names}{' without a credential' if anonymous else ''}"
        return Pending(self, flight, raw, self.step, asked)

    def _errand(self, exchange: _Raw | RenewalExchange, held: tuple[tuple[str, str], ...]) -> Errand:
        target = self._origin.path + exchange.outgoing.target
        alone = {"Connection": "close"} if exchange.own_connection else {}
        return Errand(
            origin=self._origin,
            target=target,
            place=target.partition("?")[0],
            headers={"User-Agent": "reportdl-conform", **alone, **dict(exchange.outgoing.headers), **dict(held)},
            exchange=exchange,
        )

    def _renew(self, credentials: Credentials) -> bool:
        renewal = credentials.renewal()
        if renewal is None:
            return False
        command = RenewCredentials(number=1, deadline=0.0)
        exchange = RenewalExchange(command, renewal, policy=self._policy, keep=credentials.keep)
        return isinstance(self._transport.flight(self._errand(exchange, ())).perform(), CredentialsRenewed)

    def keep(self, *, step: str, asked: str, raw: _Raw, began: float, ended: float, lost: str) -> Answer:
        """Number an answer, and keep it; what it says of the node goes with the next request."""
        if raw.answered is not None:
            self._cookies.take(raw.answered.all("set-cookie"))
            for value in self._cookies.values.values():
                self.mask.add(value.reveal())
        answer = Answer(
            number=len(self.answers) + 1,
            step=step,
            asked=asked,
            head=raw.answered,
            body=bytes(raw.body),
            size=raw.size,
            began=began,
            ended=ended,
            mask=self.mask,
            lost=lost,
            cut=raw.only_head or bool(raw.answered is not None and lost),
        )
        self.answers.append(answer)
        return answer
