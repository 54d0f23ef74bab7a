"""Decides who is calling: legacy tokens from an application key, personal bearer tokens, and when they end (D16).

Must never keep a key or a token: only SHA-256 digests are stored, and they are compared in constant time. Must never
tell a caller which half of a credential was wrong. Knows nothing of download sessions, whose `token` is another thing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["ANONYMOUS", "Accounts", "Caller", "Identity", "Issued", "NoCredentials", "SessionExpired", "Unauthorized"]

# An expired token is remembered this long, so that its owner reads 412 (renew) and not 401 (who are you?).
_REMEMBERED: Final = 3600.0
_MOST_TOKENS: Final = 100_000
_LONGEST: Final = 4096  # characters of a credential or a user name; longer ones are refused unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller who proved to be `user`."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCredentials:
    """The request carried no credential at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorized:
    """A credential that was never valid here: 401."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpired:
    """A credential that was valid once: 412."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new legacy token, and when it ends, as text without a fixed format (that is how the real one is)."""

    token: str
    expires: str

    def __repr__(self) -> str:
        return f"Issued(token='***', expires={self.expires!r})"


Identity = Caller | NoCredentials | Unauthorized | SessionExpired

ANONYMOUS: Final = Caller(user="anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    digest: bytes
    user: str
    ends: float


def _digest(secret: str | bytes) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret).digest()


class Accounts:
    """The credentials that the endpoint knows.

    `applications` maps an application id to its key; whoever has the key may ask for a token of *any* user, as on
    the real server. `bearers` maps a personal token to its user. `lifetime` and `bearer_lifetime` are seconds; None
    means that the credential does not end. `clock` is monotonic, in seconds. One thread at a time.
    """

    def __init__(
        self,
        *,
        applications: Mapping[str, str] | None = None,
        bearers: Mapping[str, str] | None = None,
        lifetime: float | None = 300.0,
        bearer_lifetime: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lifetime = float("inf") if lifetime is None else lifetime
        self._keys = {name: _digest(key) for name, key in (applications or {}).items()}
        ends = float("inf") if bearer_lifetime is None else clock() + bearer_lifetime
        grants = [_Grant(digest=_digest(token), user=user, ends=ends) for token, user in (bearers or {}).items()]
        self._bearers = {grant.digest: grant for grant in grants}
        self._tokens: dict[bytes, _Grant] = {}  # in the order of issue, which is the order of expiry
        self._nobody = secrets.token_bytes(32)

    def __repr__(self) -> str:
        return (
            f"Accounts(applications={sorted(self._keys)!r}, bearers={len(self._bearers)}, tokens={len(self._tokens)})"
        )

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        """Who sent these (lower-case) headers: `Token:` first, then `Authorization: Bearer`."""
        found = dict(headers)
        if (token := found.get(b"token")) is not None:
            return self._look_up(self._tokens, token)
        scheme, _, bearer = found.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            return self._look_up(self._bearers, bearer.strip())
        return NoCredentials() if b"authorization" not in found else Unauthorized()

    def issue(self, *, application_id: str, application_key: str, user: str) -> Issued | Unauthorized:
        """A legacy token for `user`; the key impersonates any user."""
        if not 1 <= len(user) <= _LONGEST or len(application_key) > _LONGEST:
            return Unauthorized()
        # An unknown id is compared too, with a key that nobody has: the answer takes as long either way.
        expected = self._keys.get(application_id, self._nobody)
        return self._grant(user) if hmac.compare_digest(expected, _digest(application_key)) else Unauthorized()

    def renew(self, headers: Iterable[tuple[bytes, bytes]]) -> Issued | NoCredentials | Unauthorized | SessionExpired:
        """A new legacy token for the owner of a valid one. A bearer token is not renewable: NoCredentials (D16)."""
        token = dict(headers).get(b"token")
        if token is None:
            return NoCredentials()
        match self._look_up(self._tokens, token):
            case Caller(user=user):
                return self._grant(user)
            case refused:
                return refused

    def _look_up(self, grants: Mapping[bytes, _Grant], text: bytes) -> Identity:
        digest = _digest(text[:_LONGEST])
        grant = grants.get(digest)
        if grant is None or not hmac.compare_digest(grant.digest, digest):
            return Unauthorized()
        return Caller(user=grant.user) if self._clock() < grant.ends else SessionExpired()

    def _grant(self, user: str) -> Issued:
        now = self._clock()
        self._forget(now)
        token = secrets.token_hex(32)
        grant = _Grant(digest=_digest(token), user=user, ends=now + self._lifetime)
        self._tokens[grant.digest] = grant
        return Issued(token=token, expires=self._expires())

    def _forget(self, now: float) -> None:
        while self._tokens:
            oldest = next(iter(self._tokens.values()))
            if now < oldest.ends + _REMEMBERED and len(self._tokens) < _MOST_TOKENS:
                return
            del self._tokens[oldest.digest]

    def _expires(self) -> str:
        if self._lifetime == float("inf"):
            return "never"
        return f"{datetime.now(UTC) + timedelta(seconds=self._lifetime):%Y-%m-%d %H:%M:%S}"
