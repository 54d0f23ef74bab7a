"""Decides what a command needs to leave: its exchange, its headers, its credential; or its answer, if none is needed.

Drivers, sync or async, hand every request here and get an `Errand` for their transport or an event at once. Must
never send anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, final

from reportdl.credentials import Credentials
from reportdl.origin import Origin
from reportdl.renewals import Renewals, SharedRenewal
from reportdl_core.affinity import Cookies
from reportdl_core.commands import Get, Init, LookUp, RenewCredentials, Request
from reportdl_core.errors import Refusal
from reportdl_core.events import Event, Refused, Sent
from reportdl_core.exchange import Exchange, Progress
from reportdl_core.lookup_exchange import LookupExchange
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.sink import Sink
from reportdl_core.wire import Outgoing

__all__ = ["Errand", "Errands", "Exchanging"]

_AGENT = "reportdl/0.1.0"


class Exchanging(Protocol):
    """One request and its answer, for a transport: `head`, then `feed` while the body lasts, then `finish`.

    `lost` instead of `finish` where the answer will not come or breaks off. `finish` and `lost` return the event that
    `perform` returns. Calls come one after the other, from any thread; none raises for what a server did.
    """

    @property
    def outgoing(self) -> Outgoing:
        """The request relative to the server's base URL; an errand says the same absolutely."""
        ...

    @property
    def connect_timeout(self) -> float:
        """Seconds for the connection to be made, name look-up and TLS included (D35)."""
        ...

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte, in either direction, after which the request is lost (D35)."""
        ...

    @property
    def own_connection(self) -> bool:
        """Whether it needs a connection that is new, and closed afterwards: `run` does (D30)."""
        ...

    @property
    def blocking(self) -> bool:
        """Whether `finish` will make a file durable, which an event loop leaves to a thread. Known after `head`."""
        ...

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Report status and headers, once, before the body: each as it came, its bytes as ISO-8859-1.

        Not for 1xx. False where the body need not be read: let go of the connection and `finish`.
        """
        ...

    def feed(self, data: bytes) -> bool:
        """Hand on the body's next bytes, in pieces of any size: without chunk marks, but still coded (D34).

        Writes to disk, briefly. False where no more is wanted: let go of the connection and `finish`.
        """
        ...

    def finish(self) -> Event:
        """The body has ended as its framing says, or no more of it was wanted. May write to disk: see `blocking`."""
        ...

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The answer will not come, or broke off; of a file nothing stays.

        NOT_SENT is a proof that no byte of the request has left (I3); in any doubt, UNKNOWN. `message` is for people
        and holds neither target nor headers: `reportdl.transports.described(error)` gives a safe one (D39).
        """
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a transport carries out: one request, exactly once.

    `target` is path and query as they must stand on the wire, byte for byte; `place` is the path alone, which may be
    shown and logged. Names in `headers` are unique. Hand head and body to `exchange`, and return its event.
    """

    origin: Origin
    target: str
    place: str
    headers: dict[str, str]
    exchange: Exchanging

    def __repr__(self) -> str:
        return f"Errand({self.method} {self.url})"

    @property
    def url(self) -> str:
        """The URL up to the query, for libraries that want one whole and for showing: it holds no token (D39)."""
        return f"{self.origin.scheme}://{self.origin.authority}{self.place}"

    @property
    def method(self) -> str:
        """GET, or POST for a renewal."""
        return self.exchange.outgoing.method

    @property
    def body(self) -> bytes:
        """The request's body; empty for GET."""
        return self.exchange.outgoing.body


@final
class Errands:
    """Makes errands for one job. `sink` is where its file goes; None for a job that fetches none.

    `renewals` are those that its jobs share with the other jobs of a client (D16). `affinity` names the cookies that
    go with a session, `cookies` are those of a session that is taken up again (D30, D43).
    """

    __slots__ = (
        "_affinity",
        "_awaited",
        "_cookies",
        "_credentials",
        "_origin",
        "_policy",
        "_progress",
        "_renewals",
        "_sink",
        "_version",
    )

    def __init__(
        self,
        origin: Origin,
        credentials: Credentials,
        policy: Policy,
        *,
        sink: Sink | None = None,
        progress: Progress | None = None,
        renewals: Renewals | None = None,
        affinity: tuple[str, ...] = (),
        cookies: Mapping[str, Secret] | None = None,
    ) -> None:
        self._origin, self._credentials, self._policy = origin, credentials, policy
        self._sink, self._progress = sink, progress
        self._affinity, self._cookies = affinity, Cookies(affinity, cookies)
        self._renewals = renewals or Renewals(credentials)
        self._version = credentials.version
        self._awaited = 0

    @property
    def cookies(self) -> Mapping[str, Secret]:
        """The session's cookies, for whoever goes on with it elsewhere."""
        return self._cookies.values

    def begin(self, command: Request | RenewCredentials | LookUp) -> Errand | Event:
        """An errand for the transport, or the command's answer where nothing needs to be sent."""
        if isinstance(command, RenewCredentials):
            return self._renew(command)
        version, vouching = self._credentials.version, self._credentials.headers()
        if vouching is None:
            # Known without asking: the server would say 401. The core renews, and this request repeats (D16).
            return Refused(number=command.number, refusal=Refusal.CREDENTIALS, message="no credential yet")
        self._version = version
        # A server that shows what it was sent must not make us show the credential (D39).
        hidden = tuple(_secrets_in(vouching))
        if isinstance(command, LookUp):
            return self._errand(LookupExchange(command, policy=self._policy, hidden=hidden), vouching)
        sink = self._sink if isinstance(command, Get) else None
        if isinstance(command, Init):
            self._cookies = Cookies(self._affinity)  # a session begins anew, perhaps on another node
        exchange = Exchange(
            command,
            policy=self._policy,
            sink=sink,
            progress=self._progress,
            hidden=hidden,
            cookies=self._cookies if self._affinity else None,
        )
        return self._errand(exchange, vouching)

    def _renew(self, command: RenewCredentials) -> Errand | Event:
        found = self._renewals.begin(command, used=self._version, awaited=self._awaited, policy=self._policy)
        if isinstance(found, SharedRenewal):
            self._awaited = 0
            return self._errand(found, ())
        busy = isinstance(found, Refused) and found.refusal is Refusal.BUSY
        self._awaited = self._renewals.begun if busy else 0
        return found

    def _errand(self, exchange: Exchanging, vouching: tuple[tuple[str, str], ...]) -> Errand:
        target = self._origin.path + exchange.outgoing.target
        alone = {"Connection": "close"} if exchange.own_connection else {}  # nobody may follow on it (D30)
        return Errand(
            origin=self._origin,
            target=target,
            place=target.partition("?")[0],
            headers={"User-Agent": _AGENT, **alone, **dict(exchange.outgoing.headers), **dict(vouching)},
            exchange=exchange,
        )


def _secrets_in(vouching: Iterable[tuple[str, str]]) -> Iterator[Secret]:
    """What a server must not make us show: what follows the scheme, a token with a space in it as a whole first."""
    for name, value in vouching:
        whole = (value.partition(" ")[2] if name.lower() == "authorization" else "") or value
        yield Secret(whole)
        if " " in whole:
            yield Secret(whole.rpartition(" ")[2])
