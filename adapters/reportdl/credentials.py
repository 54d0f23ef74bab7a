"""Decides what vouches for the caller on each request, and whether it can be renewed (D16).

A credential is shared by every job of a client: one renewal serves them all. Must never show itself: every value is
a `Secret`. The header `Token` of a credential and the query's `token` of a download session are different things.
"""

from __future__ import annotations

import threading
from typing import Protocol, final

from reportdl_core.secret import Secret
from reportdl_core.wire import Outgoing

__all__ = ["ApplicationKey", "Bearer", "Credentials", "Token"]


class Credentials(Protocol):
    """What a client needs of any credential."""

    @property
    def version(self) -> int:
        """Grows with each renewal, so that a job knows whether another one has renewed since it asked."""
        ...

    def headers(self) -> tuple[tuple[str, str], ...] | None:
        """The headers that vouch for the caller; None where there is no credential yet."""
        ...

    def renewal(self) -> Outgoing | None:
        """The request that obtains a new credential; None where this kind cannot be renewed."""
        ...

    def keep(self, token: Secret) -> None:
        """Take the new credential."""
        ...


class _Fixed:
    """A credential that somebody else issued: it cannot be renewed here."""

    __slots__ = ("_secret",)

    version = 0

    def __init__(self, token: str) -> None:
        self._secret = Secret(token.strip())
        del token  # it would stand in a traceback that shows variables (D39)
        if not _fits_a_header(self._secret):
            raise ValueError("a token is one line of printable ASCII characters")

    def __repr__(self) -> str:
        return f"reportdl.{type(self).__name__}({self._secret!r})"

    def renewal(self) -> Outgoing | None:
        """None: a token that was handed in cannot be renewed (D16)."""
        return None

    def keep(self, token: Secret) -> None:
        """Never called: there is no renewal to keep the result of."""
        raise TypeError(f"{type(self).__name__} cannot be renewed")


def _fits_a_header(secret: Secret) -> bool:
    text = secret.reveal()
    return bool(text) and text.isascii() and text.isprintable()


@final
class Token(_Fixed):
    """A legacy token from `/api/get_token`, sent as the header `Token`. It lives minutes and cannot be renewed."""

    __slots__ = ()

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The `Token` header."""
        return (("Token", self._secret.reveal()),)


@final
class Bearer(_Fixed):
    """A personal API token (7.1.0 and later), sent as `Authorization: Bearer`."""

    __slots__ = ()

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The `Authorization` header."""
        return (("Authorization", f"Bearer {self._secret.reveal()}"),)


@final
class ApplicationKey:
    """An application's id and key, and the user for whom it acts: obtains legacy tokens and renews them by itself.

    Safe to share between threads.
    """

    __slots__ = ("_key", "_lock", "_token", "application_id", "user", "version")

    def __init__(self, *, application_id: str, application_key: str, user: str) -> None:
        self.application_id: str = application_id
        self.user: str = user
        self._key = Secret(application_key)
        del application_key  # as above
        if not application_id or not user or self._key == Secret(""):
            raise ValueError("an application key needs application_id, application_key and user")
        self._token: Secret | None = None
        self._lock = threading.Lock()
        self.version: int = 0

    def __repr__(self) -> str:
        shown = f"application_id={self.application_id!r}, application_key={self._key!r}, user={self.user!r}"
        return f"reportdl.ApplicationKey({shown})"

    def headers(self) -> tuple[tuple[str, str], ...] | None:
        """The `Token` header, once a token has been obtained."""
        token = self._token
        return None if token is None else (("Token", token.reveal()),)

    def renewal(self) -> Outgoing:
        """Always by the key: renewing with a credential that has died would fail (D16)."""
        from reportdl_core.renewal import token_request

        return token_request(application_id=self.application_id, application_key=self._key, user=self.user)

    def keep(self, token: Secret) -> None:
        """Take the new token; requests begun from now on carry it."""
        with self._lock:
            self._token = token
            self.version += 1
