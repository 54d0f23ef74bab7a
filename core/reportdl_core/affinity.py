"""Decides which cookies of a server come back to it: those that a load balancer knows a node by, named by the user.

None by default (D30): a cookie that means a session may make `check` wait for `run`. They go with one session of one
job, to the origin that set them; a new session begins without. Must never take a cookie that was not named, nor show
the value of one (D39).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, final

from reportdl_core.errors import ReportdlError
from reportdl_core.secret import Secret

__all__ = ["Cookies", "UnusableCookieName", "cookie_names"]

_NAME: Final = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_LONGEST: Final = 4096  # characters of a value, as browsers have it
_MOST: Final = 16  # names


class UnusableCookieName(ReportdlError, ValueError):
    """A name that no cookie can have, or more names than a load balancer needs; nothing was sent."""


def cookie_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once and checked. Raises UnusableCookieName."""
    found = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    for name in found:
        if not name or not _NAME.issuperset(name):
            raise UnusableCookieName(f"an affinity cookie cannot be called {name!r:.60}")
    if len(found) > _MOST:
        raise UnusableCookieName(f"{len(found)} affinity cookies: {_MOST} at most")
    return found


@final
class Cookies:
    """The cookies of one session, by their names; empty until an answer has set them."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: Mapping[str, Secret] | None = None) -> None:
        self._names = names
        self._values = {name: value for name, value in (values or {}).items() if name in names}

    def __repr__(self) -> str:
        return f"Cookies({self._names!r})"

    @property
    def values(self) -> dict[str, Secret]:
        """What goes with the next request, in the order of the names."""
        held = dict(self._values)  # another thread may be reading an answer
        return {name: held[name] for name in self._names if name in held}

    @property
    def header(self) -> str | None:
        """The request's Cookie header; None where there is nothing to send."""
        return "; ".join(f"{name}={value.reveal()}" for name, value in self.values.items()) or None

    def take(self, set_cookies: Iterable[str]) -> None:
        """Take what the Set-Cookie headers of an answer say of the named ones. Never raises.

        Path, Domain and Expires are not looked at: the cookie goes to the endpoint that set it, and lives as long as
        the session. One without a value, or with Max-Age=0, is forgotten.
        """
        for line in set_cookies:
            pair, *attributes = line.split(";")
            name, _, value = (part.strip() for part in pair.partition("="))
            if name not in self._names or not _sendable(value):
                continue
            if value and not any(_ends(attribute) for attribute in attributes):
                self._values[name] = Secret(value)
            else:
                self._values.pop(name, None)


def _sendable(value: str) -> bool:
    return len(value) <= _LONGEST and all("!" <= character <= "~" for character in value)


def _ends(attribute: str) -> bool:
    name, _, value = (part.strip().lower() for part in attribute.partition("="))
    return name == "max-age" and (value.startswith("-") or value.strip("0") == "")
