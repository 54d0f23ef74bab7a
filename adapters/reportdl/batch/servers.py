"""Decides how a batch reaches a server: what a client needs, made once, and who asks for formats.

Must never make more than one transport for a server, nor ask one element for its formats twice (D12).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, final

import anyio

from reportdl.aio import AsyncClient
from reportdl.calls import DEFAULT_POLICY
from reportdl.credentials import Credentials
from reportdl.errands import Errands
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.renewals import Renewals
from reportdl_core.affinity import cookie_names
from reportdl_core.exchange import Progress
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.sink import Sink

if TYPE_CHECKING:
    from reportdl.transports.asynchronous import AsyncTransport

__all__ = ["Server", "seed"]


def seed() -> int:
    """A seed for one job's jitter, so that jobs started together do not poll together (D19)."""
    return int.from_bytes(os.urandom(4))


@final
class Server:
    """A server that a batch takes reports from. The parameters are those of `Client`, and one more.

    `at_once` is how many jobs it is given at a time; None leaves that to the batch.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        policy: Policy = DEFAULT_POLICY,
        network: Network | None = None,
        allow_insecure: bool = False,
        transport: AsyncTransport | None = None,
        at_once: int | None = None,
        affinity_cookies: Iterable[str] = (),
    ) -> None:
        self.at_once: int | None = at_once
        self.origin: Origin = Origin.parse(url, allow_insecure=allow_insecure)
        self.policy: Policy = policy
        self.credentials: Credentials = credentials
        self._affinity = cookie_names(affinity_cookies)
        self._client = AsyncClient(
            url,
            credentials=credentials,
            policy=policy,
            network=network,
            transport=transport,
            allow_insecure=allow_insecure,
        )
        self._renewals = Renewals(credentials)  # one for all of its jobs (D16)
        self._asking: dict[int, anyio.Lock] = {}

    def __repr__(self) -> str:
        return f"reportdl.batch.Server({str(self.origin)!r})"

    @property
    def transport(self) -> AsyncTransport:
        """What carries its requests: one for all of its jobs."""
        return self._client.transport

    def asking(self, element: int) -> anyio.Lock:
        """Held by the job that asks an element for its formats until they are known: the others wait (D12)."""
        return self._asking.setdefault(element, anyio.Lock())

    def answered(self, element: int) -> None:
        """The formats of an element are known: nobody needs to wait any more."""
        self._asking.pop(element, None)

    def errands(
        self,
        *,
        sink: Sink | None = None,
        progress: Progress | None = None,
        cookies: Mapping[str, Secret] | None = None,
    ) -> Errands:
        """What makes the requests of one job; `cookies` are its session's, where it was begun before."""
        return Errands(
            self.origin,
            self.credentials,
            self.policy,
            sink=sink,
            progress=progress,
            renewals=self._renewals,
            affinity=self._affinity,
            cookies=cookies,
        )

    async def aclose(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()
