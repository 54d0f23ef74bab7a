"""Decides how urllib3 reaches a server: the pool manager of our own, with proxy and TLS as `Network` says them.

Must never change a manager that a user hands in.
"""

from __future__ import annotations

from typing import Any, Final, Protocol
from urllib.parse import unquote

import urllib3
from urllib3.util import parse_url

from reportdl.network import Network
from reportdl.origin import Origin

__all__ = ["ALONE", "SHARED", "Pools", "close", "pools_for"]


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


# Pools of our own within any manager, by a key nobody else has. `run` gets one apart from the others, whose
# connections are closed after use: it needs a fresh one of its own, since a stale one could not prove NOT_SENT.
SHARED: Final[dict[str, Any]] = {"maxsize": 8, "block": False, "retries": False, "headers": {"reportdl-pool": "shared"}}
ALONE: Final[dict[str, Any]] = {"maxsize": 8, "block": False, "retries": False, "headers": {"reportdl-pool": "alone"}}


def pools_for(network: Network, origin: Origin) -> urllib3.PoolManager:
    """A pool manager of our own that reaches `origin` as `network` says."""
    kwargs: dict[str, Any] = {"ssl_context": network.tls()} if origin.scheme == "https" else {}
    proxy = network.proxy_for(origin)
    if proxy is None:
        return urllib3.PoolManager(**kwargs)
    parts = parse_url(proxy)
    vouching = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
    return urllib3.ProxyManager(parts._replace(auth=None).url, proxy_headers=vouching, **kwargs)


def close(pools: urllib3.PoolManager) -> None:
    """Close every pool now: `clear` leaves a pool open that an error's traceback still holds."""
    for key in pools.pools.keys():  # noqa: SIM118 - a container of urllib3's own, which refuses to be iterated
        pool = pools.pools.get(key)
        if pool is not None:
            pool.close()
    pools.clear()
