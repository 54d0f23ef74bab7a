"""Decides which server is spoken to: scheme, host, port and base path, and nothing beyond them (D31, D33).

Must never accept a credential inside the URL, nor plain HTTP to anything but loopback without the explicit word.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from reportdl_core.errors import ReportdlError

__all__ = ["InvalidUrl", "Origin"]

_LONGEST: Final = 60


class InvalidUrl(ReportdlError, ValueError):
    """A base URL that cannot be used; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A server's base URL in parts. `path` has no trailing slash; `host` is bare (an IPv6 address without brackets)."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str, *, allow_insecure: bool = False) -> Origin:
        """From `https://host[:port][/base]`; InvalidUrl says what is wrong with anything else."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            words = f"the server's URL{_shown(url)} cannot be read: it should look like https://mi.example.com"
            raise InvalidUrl(words) from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise InvalidUrl(
                f"the server's URL{_shown(url)} must begin with https:// (http:// for a server on this machine) and "
                "name a host"
            )
        if parts.username is not None or parts.password is not None:
            raise InvalidUrl("the server's URL must not hold a user name or password: credentials go apart from it")
        if parts.query or parts.fragment:
            raise InvalidUrl("the server's URL must not have a query or a fragment")
        if any(not "!" <= character <= "~" for character in parts.netloc + parts.path):
            raise InvalidUrl("the server's URL may hold ASCII characters only; use the host's xn-- form")
        if parts.scheme == "http" and not allow_insecure and not _is_loopback(host):
            raise InvalidUrl(
                f"http:// to {host} would send the credential in clear; use https://, or say allow_insecure (D33)"
            )
        standard = 443 if parts.scheme == "https" else 80
        path = parts.path.rstrip("/").removesuffix("/api")  # the base is often copied with its /api
        return cls(scheme=parts.scheme, host=host, port=standard if port is None else port, path=path)

    @property
    def authority(self) -> str:
        """Host and port as a Host header says them: an IPv6 address in brackets, no port where it is the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = 443 if self.scheme == "https" else 80
        return host if self.port == standard else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine by its name or address: what is sent there leaves it on no network."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(url: str) -> str:
    """What was given, for a message; nothing of what may hold a password or a token."""
    text = url.strip()
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return "" if {"@", "?", "#"} & set(text) else f" {short!r}"
