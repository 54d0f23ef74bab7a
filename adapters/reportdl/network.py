"""Decides how a server is reached: proxy, certificate authorities, client certificate, verification.

Values only, the same for every transport. Verification is on; switching it off takes an explicit word. Must never show
a proxy's URL, which may hold a password, nor send what is for this machine to another one because of the environment.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from reportdl.origin import InvalidUrl, Origin

if TYPE_CHECKING:
    import ssl

__all__ = ["Network"]

_HOST: Final = re.compile(r"[\w.:%-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How to reach the server.

    `ca_bundle` is a PEM file or a folder of them (`.pem`, `.crt`, `.cer`, or as `c_rehash` names them), used instead of
    the system's; `client_certificate` a PEM file with certificate and key, or a pair of files. `proxy` is a URL, empty
    for none, None for what the environment says (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), which does not count for a server
    on this machine. `allow_unverified_tls` accepts any certificate: for trying out alone.
    """

    ca_bundle: str | os.PathLike[str] | None = None
    client_certificate: str | tuple[str, str] | None = None
    proxy: str | None = field(default=None, repr=False)
    allow_unverified_tls: bool = False

    def tls(self) -> ssl.SSLContext:
        """A context for connections to the server; OSError where a file cannot be read."""
        import ssl  # when it is used: plain HTTP to loopback, and `import reportdl`, do without

        context = ssl.create_default_context()
        if self.ca_bundle is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            bundle = os.fspath(self.ca_bundle)
            if os.path.isdir(bundle):
                _trust_folder(context, bundle)
            else:
                context.load_verify_locations(cafile=bundle)
        if self.client_certificate is not None:
            chain = self.client_certificate
            context.load_cert_chain(*((chain,) if isinstance(chain, str) else chain))
        if self.allow_unverified_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def proxy_for(self, origin: Origin) -> str | None:
        """The proxy's URL for this server, or None. Raises InvalidUrl, which does not show it."""
        if self.proxy is not None:
            return _checked(self.proxy) if self.proxy else None
        # Plain HTTP is permitted to this machine alone, credential and all; a proxy is another machine (D33).
        if origin.loopback:
            return None
        from urllib.request import getproxies, proxy_bypass

        found = getproxies().get(origin.scheme)
        return None if found is None or any(map(proxy_bypass, _spellings(origin))) else _checked(found)


def _trust_folder(context: ssl.SSLContext, folder: str) -> None:
    """Trust what is in it. OpenSSL itself looks into a folder by hashed names (`c_rehash`) alone."""
    import ssl

    context.load_verify_locations(capath=folder)
    names = os.listdir(folder)
    for name in names:
        if name.lower().endswith((".pem", ".crt", ".cer")):
            with suppress(ssl.SSLError):  # a key may stand among them, or a certificate that is not in PEM
                context.load_verify_locations(cafile=os.path.join(folder, name))
    if not context.get_ca_certs() and not any(name.endswith(".0") for name in names):
        raise FileNotFoundError(errno.ENOENT, "no certificate in PEM is in this folder", folder)


def _spellings(origin: Origin) -> tuple[str, ...]:
    """The host as NO_PROXY may say it: bare, and with its port; what is compared drops the port as well."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return (origin.host, f"{host}:{origin.port}")


def _checked(url: str) -> str:
    # A bare host:port is what many environments hold.
    parts = _parts(url.strip() if "://" in url else f"http://{url.strip()}")
    if parts is None:
        raise InvalidUrl(
            "the proxy's URL cannot be read: it should look like http://user:password@proxy.example.com:3128, "
            "with what is special in user name and password percent-encoded"
        )
    if parts.scheme not in ("http", "https"):
        raise InvalidUrl("the proxy's URL must begin with http:// or https://")
    if any(character > "\xff" for character in unquote(parts.netloc)):
        raise InvalidUrl("the proxy's user name and password may hold characters of Latin-1 only: HTTP knows no others")
    return parts.geturl()


def _parts(url: str) -> SplitResult | None:
    """None for what a library below would complain of, in an error that shows it."""
    with suppress(ValueError):
        parts = urlsplit(url)
        beyond = parts.query or parts.fragment or parts.path.strip("/")  # a password that holds ? or # or /
        if parts.port != 0 and not beyond and _HOST.fullmatch(parts.hostname or ""):
            return parts
    return None
