"""Decides how a server is reached: proxy, certificate authorities, client certificate, verification.

Values only, the same for every transport. Verification is on; switching it off takes an explicit word.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportdl.origin import InvalidUrl, Origin

if TYPE_CHECKING:
    import ssl

__all__ = ["Network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How to reach the server.

    `ca_bundle` is a PEM file or a folder of them, used instead of the system's; `client_certificate` a PEM file with
    certificate and key, or a pair of files. `proxy` is a URL, empty for none, None for what the environment says
    (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). `allow_unverified_tls` accepts any certificate: for trying out alone.
    """

    ca_bundle: str | os.PathLike[str] | None = None
    client_certificate: str | tuple[str, str] | None = None
    proxy: str | None = None
    allow_unverified_tls: bool = False

    def tls(self) -> ssl.SSLContext:
        """A context for connections to the server; OSError where a file cannot be read."""
        import ssl  # when it is used: plain HTTP to loopback, and `import reportdl`, do without

        context = ssl.create_default_context()
        if self.ca_bundle is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            folder = os.path.isdir(self.ca_bundle)
            context.load_verify_locations(**{"capath" if folder else "cafile": os.fspath(self.ca_bundle)})
        if self.client_certificate is not None:
            chain = self.client_certificate
            context.load_cert_chain(*((chain,) if isinstance(chain, str) else chain))
        if self.allow_unverified_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def proxy_for(self, origin: Origin) -> str | None:
        """The proxy's URL for this server, or None."""
        if self.proxy is not None:
            return _checked(self.proxy) if self.proxy else None
        from urllib.request import getproxies, proxy_bypass

        found = getproxies().get(origin.scheme)
        return None if found is None or proxy_bypass(origin.host) else _checked(found)


def _checked(url: str) -> str:
    # A bare host:port is what many environments hold.
    whole = url if "://" in url else f"http://{url}"
    if not whole.startswith(("http://", "https://")):
        raise InvalidUrl("the proxy's URL must begin with http:// or https://")
    return whole
