"""Decides that all jobs of a client share one renewal: while one asks for a new credential, the others wait (D16).

A thousand jobs that meet a dead credential together would else send the application key a thousand times. Nobody
waits on a lock: a job that finds a renewal under way is told that the server is busy with it, and the core asks again
after its pause, when the new credential is there. Must never keep a job waiting for one that has died.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, final

from reportdl.credentials import Credentials
from reportdl_core.commands import RenewCredentials
from reportdl_core.errors import Refusal
from reportdl_core.events import CredentialsRenewed, Event, Refused, Sent
from reportdl_core.policy import Policy
from reportdl_core.renewal import RenewalExchange
from reportdl_core.secret import Secret
from reportdl_core.wire import Outgoing

__all__ = ["Renewals", "SharedRenewal"]

_UNDER_WAY: Final = "another job is renewing the credential"


@final
class Renewals:
    """The renewals of one credential, one after the other. Safe to share between threads."""

    __slots__ = ("_begun", "_clock", "_credentials", "_lease", "_lock", "_refused")

    def __init__(self, credentials: Credentials, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials, self._clock = credentials, clock
        self._lock = threading.Lock()
        self._begun: int = 0
        self._lease: float | None = None  # until when the renewal under way is believed in; None: there is none
        self._refused: tuple[int, Refused] | None = None

    def begin(self, command: RenewCredentials, *, used: int, awaited: int, policy: Policy) -> SharedRenewal | Event:
        """An exchange for the caller to carry out, or the answer where nothing needs to be sent.

        `used` is the version of the credential that was refused, `awaited` the renewal that the caller was told to
        wait for; 0 for none.
        """
        with self._lock:
            if self._credentials.version != used:
                return CredentialsRenewed(number=command.number)  # another job has renewed it since
            if self._lease is not None and self._clock() < self._lease:
                return Refused(number=command.number, refusal=Refusal.BUSY, message=_UNDER_WAY)
            if self._refused is not None and awaited == self._refused[0]:
                # What was said to the one who asked for all: a key that is wrong is not sent again by each (I13).
                _, said = self._refused
                return Refused(number=command.number, refusal=said.refusal, message=said.message, code=said.code)
            asking = self._credentials.renewal()
            if asking is None:
                return self._impossible(command)
            self._begun += 1
            self._lease = self._clock() + policy.request_timeout
            return SharedRenewal(self, self._begun, command, asking, policy=policy, keep=self._credentials.keep)

    @property
    def begun(self) -> int:
        """The number of the renewal that was begun last."""
        return self._begun

    def _impossible(self, command: RenewCredentials) -> Refused:
        kind = type(self._credentials).__name__
        message = f"the credential was refused, and a {kind} cannot be renewed: hand in a new one"
        return Refused(number=command.number, refusal=Refusal.CREDENTIALS, message=message)

    def over(self, number: int, event: Event) -> None:
        """A renewal has ended, in any way; one whose lease had ended before changes nothing."""
        with self._lock:
            if number != self._begun:
                return
            self._lease = None
            final = isinstance(event, Refused) and event.refusal is Refusal.CREDENTIALS
            self._refused = (number, event) if isinstance(event, Refused) and final else None


@final
class SharedRenewal:
    """One renewal and its answer, with the members of `RenewalExchange`; its end is told to those who wait."""

    __slots__ = ("_exchange", "_number", "_renewals")

    own_connection = False
    blocking = False

    def __init__(
        self,
        renewals: Renewals,
        number: int,
        command: RenewCredentials,
        outgoing: Outgoing,
        *,
        policy: Policy,
        keep: Callable[[Secret], None],
    ) -> None:
        self._renewals, self._number = renewals, number
        self._exchange = RenewalExchange(command, outgoing, policy=policy, keep=keep)

    @property
    def outgoing(self) -> Outgoing:
        """The request."""
        return self._exchange.outgoing

    @property
    def connect_timeout(self) -> float:
        """Seconds for the connection to be made (D35)."""
        return self._exchange.connect_timeout

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte after which the request is lost."""
        return self._exchange.read_timeout

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Report status and headers."""
        return self._exchange.head(status, headers)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; False where no more are wanted."""
        return self._exchange.feed(data)

    def finish(self) -> Event:
        """What the answer says, told to all who wait for it."""
        return self._told(self._exchange.finish())

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The answer will not come: the next one who asks may ask the server."""
        return self._told(self._exchange.lost(sent=sent, message=message))

    def _told(self, event: Event) -> Event:
        self._renewals.over(self._number, event)
        return event
