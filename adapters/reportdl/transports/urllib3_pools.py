"""Decides how urllib3 reaches a server: which pool carries what, and the manager of our own, as `Network` says it.

Must never change a manager that a user hands in, nor use a connection that another process may be using.
"""

from __future__ import annotations

import os
from typing import Any, Final, Protocol, final
from urllib.parse import unquote

import urllib3
from urllib3.util import parse_url

from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.transports.urllib3_watch import watching

__all__ = ["Pools", "PoolsInUse"]


class Pools(Protocol):
    """What is needed of a `urllib3.PoolManager` or `ProxyManager` that a user hands in. It is never closed by us."""

    proxy: Any

    def connection_from_host(
        self,
        host: str | None,
        port: int | None = ...,
        scheme: str | None = ...,
        pool_kwargs: dict[str, Any] | None = ...,
    ) -> urllib3.HTTPConnectionPool:
        """The pool for a host."""
        ...


_POOL: Final[dict[str, Any]] = {"maxsize": 8, "block": False, "retries": False}


@final
class PoolsInUse:
    """The pools of one transport: within a user's `pools`, which stays theirs, or one of our own for `origin`."""

    def __init__(self, origin: Origin, network: Network | None, pools: Pools | None) -> None:
        self._own = _manager(network or Network(), origin) if pools is None else None
        self._pools: Pools = pools if self._own is None else self._own  # type: ignore[assignment]
        self._found: dict[tuple[Origin, bool, int], urllib3.HTTPConnectionPool] = {}
        self.proxied: bool = self._pools.proxy is not None

    def pool(self, origin: Origin, *, alone: bool) -> urllib3.HTTPConnectionPool:
        """The pool for shared connections, or that of `run`, which needs one `alone` (D30)."""
        process = os.getpid()
        found = self._found.get((origin, alone, process))
        if found is None:
            # By a key nobody else has. `run`'s apart from the others: a stale connection could not prove NOT_SENT. A
            # forked process begins with none: its parent reads from the same sockets, and answers would cross.
            key = {"reportdl-pool": "alone" if alone else "shared", "reportdl-process": str(process)}
            kwargs = {**_POOL, "headers": key}
            found = self._pools.connection_from_host(origin.host, origin.port, origin.scheme, pool_kwargs=kwargs)
            found.ConnectionCls = watching(found.ConnectionCls)
            if self._own is not None:  # another's manager may let go of a pool at any time
                self._found[origin, alone, process] = found
        return found

    def close(self) -> None:
        """Close the manager, if it is ours: now, since `clear` leaves a pool open that an error's traceback holds."""
        if self._own is None:
            return
        self._found.clear()
        for key in self._own.pools.keys():  # noqa: SIM118 - a container of urllib3's own, which refuses to be iterated
            pool = self._own.pools.get(key)
            if pool is not None:
                pool.close()
        self._own.clear()


def _manager(network: Network, origin: Origin) -> urllib3.PoolManager:
    proxy = network.proxy_for(origin)
    parts = None if proxy is None else parse_url(proxy)
    secured = origin.scheme == "https" or (parts is not None and parts.scheme == "https")
    tls = network.tls() if secured else None
    if parts is None:
        return urllib3.PoolManager(ssl_context=tls) if secured else urllib3.PoolManager()
    vouching = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
    return urllib3.ProxyManager(
        parts._replace(auth=None).url, proxy_headers=vouching, proxy_ssl_context=tls, ssl_context=tls
    )
