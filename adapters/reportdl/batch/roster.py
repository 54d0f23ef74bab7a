"""Decides which server a job of a batch is for: by its name, by its URL, or the one for jobs that name none.

A server that was not given apart from the list of jobs is never asked, whatever the list says: credentials would follow
it (D31). A ledger knows a server by its URL; a new name for it on a later start changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from reportdl.origin import InvalidUrl, Origin
from reportdl_core.errors import ReportdlError

__all__ = ["Roster", "ServersUnusable", "UnknownServer", "check_name", "masked"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHOWN: Final = 8


class ServersUnusable(ReportdlError, ValueError):
    """The servers of a batch, or the credentials of one of them, cannot be used; nothing was sent."""


class UnknownServer(ReportdlError, ValueError):
    """A job is for a server that the batch was not given."""


def check_name(name: str) -> str:
    """The name, if it may be in a file's name and in an environment variable. Raises ServersUnusable."""
    if not _NAME.fullmatch(name):
        raise ServersUnusable(
            f"a server is called by letters, digits, `.`, `_` and `-`, such as emea, not {name!r:.60}"
        )
    return name


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The servers of a batch by the names that its ledger has for them.

    `said` leads from what jobs may call them, folded, to those names. `default` is for jobs that name none; None where
    there is no such server. A server that nobody gave a name is called '' while it is the only one.
    """

    origins: Mapping[str, Origin]
    said: Mapping[str, str]
    default: str | None

    @classmethod
    def of(cls, given: Mapping[str, Origin]) -> Roster:
        """From servers by name; '' is the one for jobs that name none, as is the only one. Raises ServersUnusable."""
        if not given:
            raise ServersUnusable("a batch needs a server")
        origins: dict[str, Origin] = {}
        for name, origin in sorted(given.items(), key=lambda one: not one[0]):  # '' last: it may be one of the others
            key = check_name(name) if name else "" if len(given) == 1 else _authority(origin)
            other = next((one for one, there in origins.items() if there == origin), None)
            if not name and other is not None:
                continue  # it has a name, and is the one for jobs that name none
            if other is not None:
                raise ServersUnusable(f"{other} and {key} are both {origin}: one server has one name in a batch")
            origins[key] = origin
        said = {key.casefold(): key for key in origins}
        if len(said) < len(origins):
            raise ServersUnusable("two servers have one name")
        default = next(iter(origins)) if len(origins) == 1 else None
        if "" in given:
            default = next(key for key, origin in origins.items() if origin == given[""])
        return cls(origins=origins, said=said, default=default)

    def known_as(self, ledger: Mapping[str, str]) -> Roster:
        """The same servers by the names that a ledger has for their URLs. Raises ServersUnusable."""
        names = {url: name for name, url in ledger.items()}
        keys: dict[str, str] = {}
        for key, origin in self.origins.items():
            keys[key] = names.get(str(origin), key)
            there = ledger.get(keys[key], str(origin))
            if there != str(origin):
                called = f", which it knows as {key}" if key else ""
                raise ServersUnusable(f"is a batch of {there}{called}, not of {origin}")
        return Roster(
            origins={keys[key]: origin for key, origin in self.origins.items()},
            said={word: keys[key] for word, key in self.said.items()},
            default=None if self.default is None else keys[self.default],
        )

    @property
    def several(self) -> bool:
        """Whether people need to be told which server is meant."""
        return len(self.origins) > 1

    def key(self, said: str) -> str:
        """The ledger's name for the server that a job names. Raises UnknownServer."""
        word = said.strip()
        if not word:
            if self.default is None:
                raise UnknownServer(f"names no server, and there are several: {self._all()}")
            return self.default
        if (key := self.said.get(word.casefold())) is not None:
            return key
        at = [key for key, origin in self.origins.items() if _is_at(word, origin)]
        if not at:
            raise UnknownServer(f"there is no server {masked(word)!r:.80} in this batch{self._near(word)}")
        return max(at, key=lambda key: len(self.origins[key].path))

    def word(self, key: str) -> str:
        """What a server is called in the name of a file."""
        return key or _authority(self.origins[key])

    def _near(self, word: str) -> str:
        near = difflib.get_close_matches(word.casefold(), self.said, n=1)
        if near and self.said[near[0]]:
            return f": did you mean {self.said[near[0]]}?"
        return f", which has {self._all()}"

    def _all(self) -> str:
        shown = [f"{key} ({origin})" if key else str(origin) for key, origin in self.origins.items()]
        more = ", ..." if len(shown) > _SHOWN else ""
        return ", ".join(shown[:_SHOWN]) + more


def masked(text: str) -> str:
    """A text without the user name and password that an address in it may hold."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)


def _authority(origin: Origin) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", origin.authority.strip("[]"))


def _is_at(word: str, origin: Origin) -> bool:
    """Whether a host, a base URL or the address of something on it is this server's."""
    if word.casefold() == origin.authority.casefold():
        return True
    if "://" not in word:
        return False
    try:
        at = Origin.parse(re.split("[?#]", word)[0], allow_insecure=True)
    except InvalidUrl:
        return False
    same = (at.scheme, at.host, at.port) == (origin.scheme, origin.host, origin.port)
    return same and (at.path == origin.path or at.path.startswith(f"{origin.path}/"))
