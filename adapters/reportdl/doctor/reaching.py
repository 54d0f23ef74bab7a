"""Decides how far one gets towards a server: its name, a proxy, a connection, TLS; each step only if the last was good.

Speaks to the host that a download would speak to, and sends nothing that a user owns. Must never show a proxy's
password.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from reportdl.doctor.results import Health, Place, Result
from reportdl.network import Network
from reportdl.origin import InvalidUrl, Origin

__all__ = ["reaching"]

_PATIENCE: Final = 10.0
_SOON: Final = 14  # days before a certificate's end that are worth a word
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})  # OpenSSL's codes for a chain that ends in nobody known
_EXPIRED: Final = 10
_NOT_YET: Final = 9
_OTHER_NAME: Final = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class _Hop:
    """Whom to connect to: the server, or the proxy before it."""

    host: str
    port: int
    secure: bool
    login: str | None = None


def reaching(origin: Origin, network: Network) -> Iterator[Result]:
    """The steps, in order; those after a bad one are skipped."""
    try:
        proxy = network.proxy_for(origin)
        hop = _proxy_hop(proxy) if proxy else _Hop(origin.host, origin.port, False)
    except (InvalidUrl, ValueError) as error:
        said = str(error) if isinstance(error, InvalidUrl) else "the proxy's URL cannot be read"
        yield _network("proxy", Health.BAD, said, "correct --proxy, HTTPS_PROXY or HTTP_PROXY")
        yield from _skipped("name", "connection", "tls")
        return
    shown = "none" if proxy is None else f"{'https' if hop.secure else 'http'}://{hop.host}:{hop.port}"
    yield _network("proxy", Health.GOOD, shown)
    addresses = _addresses(hop)
    yield addresses
    if addresses.health is Health.BAD:
        yield from _skipped("connection", "tls")
        return
    connection = _connection(hop)
    yield connection
    if connection.health is Health.BAD or origin.scheme == "http":
        why = "the URL is http://" if origin.scheme == "http" else "no connection"
        yield _network("tls", Health.SKIPPED, why)
        return
    if hop.secure:
        yield _network("tls", Health.SKIPPED, "not looked at through a proxy that speaks TLS itself")
        return
    yield _tls(origin, network, None if proxy is None else hop)


def _network(name: str, health: Health, said: str, advice: str = "") -> Result:
    return Result(name=name, place=Place.NETWORK, health=health, said=said, advice=advice)


def _skipped(*names: str) -> Iterator[Result]:
    return (_network(name, Health.SKIPPED, "not tried") for name in names)


def _proxy_hop(url: str) -> _Hop:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(url)
    login = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    secure = parts.scheme == "https"
    return _Hop(parts.hostname, parts.port or (443 if secure else 80), secure, login)


def _addresses(hop: _Hop) -> Result:
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except OSError as error:
        advice = "check the spelling, the VPN and the name server; behind a proxy, set HTTPS_PROXY or --proxy"
        return _network("name", Health.BAD, f"{hop.host}: {error.strerror or error}", advice)
    except UnicodeError:
        return _network("name", Health.BAD, f"{hop.host} is no host name", "check the spelling")
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    return _network("name", Health.GOOD, f"{hop.host} is {', '.join(addresses[:4])} ({_since(began)})")


def _since(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"


def _connection(hop: _Hop) -> Result:
    began = time.monotonic()
    try:
        with socket.create_connection((hop.host, hop.port), timeout=_PATIENCE):
            return _network("connection", Health.GOOD, f"port {hop.port} answers ({_since(began)})")
    except TimeoutError:
        said, advice = "nobody answers", "a firewall may drop it: ask for a way out, or set --proxy"
    except OSError as error:
        said = error.strerror or str(error)
        advice = "check the port in the URL, and that the server runs; behind a proxy, set HTTPS_PROXY or --proxy"
    return _network("connection", Health.BAD, f"port {hop.port}: {said}", advice)


def _tls(origin: Origin, network: Network, proxy: _Hop | None) -> Result:
    try:
        context = network.tls()
    except OSError as error:
        said = f"the certificates cannot be used: {error.strerror or error}"
        return _network("tls", Health.BAD, said, "correct --ca-bundle or --client-cert")
    try:
        with contextlib.closing(_tunnelled(origin, context, proxy)) as connection:
            connection.connect()
            sock: Any = connection.sock
            return _certificate(sock.version(), sock.getpeercert(), network)
    except ssl.SSLCertVerificationError as error:
        return _network("tls", Health.BAD, error.verify_message or "the certificate is refused", _mending(error))
    except (ssl.SSLError, OSError, http.client.HTTPException) as error:
        said = _reason(error)
        advice = "the port may not speak TLS" if proxy is None else "the proxy may not allow this host: ask who runs it"
        return _network("tls", Health.BAD, said, advice)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _tunnelled(origin: Origin, context: ssl.SSLContext, proxy: _Hop | None) -> http.client.HTTPSConnection:
    if proxy is None:
        return http.client.HTTPSConnection(origin.host, origin.port, timeout=_PATIENCE, context=context)
    import base64

    connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=_PATIENCE, context=context)
    login = (
        {}
        if proxy.login is None
        else {"Proxy-Authorization": f"Basic {base64.b64encode(proxy.login.encode()).decode()}"}
    )
    connection.set_tunnel(origin.host, origin.port, login)
    return connection


def _certificate(version: str, certificate: dict[str, Any], network: Network) -> Result:
    if network.allow_unverified_tls:
        advice = "name the server's authorities with --ca-bundle instead of --allow-unverified-tls"
        return _network("tls", Health.DOUBTFUL, f"{version}, any certificate is accepted", advice)
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (until - datetime.now(UTC)).days
    said = f"{version}, by {_issuer(certificate)}, until {until:%Y-%m-%d} ({days} days)"
    if days < _SOON:
        return _network("tls", Health.DOUBTFUL, said, "tell whoever runs the server that its certificate ends soon")
    return _network("tls", Health.GOOD, said)


def _issuer(certificate: dict[str, Any]) -> str:
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    return names.get("organizationName") or names.get("commonName") or "an unnamed authority"


def _mending(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code in _UNKNOWN_ISSUER:
        return "the server's authority is not known here: give its PEM file as --ca-bundle"
    if code in _OTHER_NAME:
        return "the certificate is another host's: use the name that stands in it"
    if code == _EXPIRED:
        return "it has expired: tell whoever runs the server, and check this machine's clock"
    if code == _NOT_YET:
        return "it is not valid yet: check this machine's clock"
    return "ask whoever runs the server"
