"""One HTTP library each: an errand in, an event out, the body streamed. No policy.

A sync transport makes a `Flight` of an errand; its `perform` runs in a thread of the driver's, `cancel` may be called
from another one at any time and must wake it.
"""

from __future__ import annotations

import os
import re
from typing import Final, Protocol

from reportdl.errands import Errand
from reportdl_core.events import Event

__all__ = ["Flight", "Transport", "described"]

# How http.client and httpx2 tell what a proxy said to a CONNECT; a proxy's own words after the number are not shown.
_REFUSED: Final = {"OSError": r"Tunnel connection failed: (\d{3})\b", "ProxyError": r"(\d{3})\b"}


class Flight(Protocol):
    """One request under way."""

    def perform(self) -> Event:
        """Send it once, read the answer, return the event. Never raises for what a network or a server does."""
        ...

    def cancel(self) -> None:
        """Stop it now: `perform` returns soon, its event does not matter any more. May be called twice, or too late."""
        ...


class Transport(Protocol):
    """Makes flights. One request on the wire for each, never a retry, never a redirect followed (D23, D31)."""

    def flight(self, errand: Errand) -> Flight:
        """Make ready to carry out the errand; nothing is sent yet."""
        ...

    def close(self) -> None:
        """Let go of connections that are ours."""
        ...


def described(error: BaseException) -> str:
    """What went wrong, in the system's words: a library's own texts may name addresses, paths and so a token (D39)."""
    import socket  # whatever failed has loaded both; `import reportdl` does without
    import ssl

    cause: BaseException | None = error
    seen: list[BaseException] = []
    while cause is not None and cause not in seen:
        seen.append(cause)
        if (status := _refusal(cause)) is not None:
            return f"{status} from the proxy{': its user name and password' if status == '407' else ''}"
        if isinstance(cause, OSError) and cause.errno is not None:
            words = cause.strerror if isinstance(cause, ssl.SSLError | socket.gaierror) else os.strerror(cause.errno)
            return words or type(cause).__name__
        tried: tuple[BaseException, ...] = getattr(cause, "exceptions", ())  # a group has one for each address
        cause = next(iter(tried), None) or cause.__cause__ or cause.__context__ or _wrapped(cause)
    if type(error).__name__ == "ProtocolError":  # urllib3's name for whatever http.client says more exactly
        error = error.__cause__ or error.__context__ or error
    name = type(error).__name__.removesuffix("Error")
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _refusal(error: BaseException) -> str | None:
    """The status with which a proxy refused a tunnel, None for any other error."""
    name = type(error).__name__
    if name == "ClientHttpProxyError":  # aiohttp's, whose text is the whole request
        return str(getattr(error, "status", None))
    found = re.match(_REFUSED[name], str(error)) if name in _REFUSED else None
    return None if found is None else found[1]


def _wrapped(error: BaseException) -> BaseException | None:
    """The exception that urllib3's was made of, where it is not chained to it."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, BaseException) else None
