"""Decides how urllib3 reaches a server: the pool manager of our own, with proxy and TLS as `Network` says them.

Must never change a manager that a user hands in.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.util import parse_url

from reportdl.network import Network
from reportdl.origin import Origin

__all__ = ["close", "pools_for"]


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
