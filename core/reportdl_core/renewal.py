"""Decides how a credential is obtained and renewed over HTTP: `/api/get_token` (D16).

Must never let the application key or a credential into an event or a repr, and never believe a status alone: without
credentials the server answers 200 with `[]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, final

from reportdl_core.coding import plain
from reportdl_core.commands import RenewCredentials
from reportdl_core.envelope import read_object, shown_message
from reportdl_core.errors import Refusal
from reportdl_core.events import CredentialsRenewed, Event, Lost, Refused, Sent
from reportdl_core.http_head import Head
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.wire import Outgoing

__all__ = ["RenewalExchange", "token_request"]

_LONGEST: Final = 4096


def token_request(*, application_id: str, application_key: Secret, user: str) -> Outgoing:
    """The request that turns an application key into a credential for `user`."""
    said = {"application_id": application_id, "application_key": application_key.reveal(), "user": user}
    headers = (
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Cache-Control", "no-cache"),
        ("Content-Type", "application/json"),
    )
    body = json.dumps(said).encode()
    return Outgoing(method="POST", target="/api/get_token", headers=headers, body=body, hidden=(application_key,))


@final
class RenewalExchange:
    """One renewal and its answer, with the members of `Exchange`. `keep` takes the new credential."""

    __slots__ = ("_body", "_head", "_keep", "command", "outgoing", "policy")

    command: RenewCredentials
    outgoing: Outgoing
    policy: Policy

    own_connection = False
    blocking = False

    def __init__(
        self, command: RenewCredentials, outgoing: Outgoing, *, policy: Policy, keep: Callable[[Secret], None]
    ) -> None:
        self.command, self.outgoing, self.policy = command, outgoing, policy
        self._keep = keep
        self._head: Head | None = None
        self._body = bytearray()

    @property
    def connect_timeout(self) -> float:
        """Seconds for the connection to be made (D35)."""
        return self.policy.connect_timeout

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte after which the request is lost."""
        return self.policy.request_timeout

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        """Report status and headers."""
        self._head = Head.of(status, headers)
        return True

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; False where no more are wanted."""
        self._body += data[: self.policy.max_envelope + 1 - len(self._body)]
        return len(self._body) <= self.policy.max_envelope

    def lost(self, *, sent: Sent, message: str) -> Event:
        """The answer will not come."""
        return Lost(number=self.command.number, sent=sent, message=message)

    def finish(self) -> Event:
        """What the answer says: the body counts, not the status."""
        if self._head is None:
            return self.lost(sent=Sent.UNKNOWN, message="no answer")
        status = self._head.status
        if status in (408, 429) or status >= 500:
            busy = status == 429 or self._head.retry_after is not None
            return self._refused(Refusal.BUSY if busy else Refusal.UNAVAILABLE, "")
        try:
            said = read_object(plain(bytes(self._body), self._head.coding, cap=self.policy.max_envelope)) or {}
        except ValueError:
            said = {}
        token = _usable(said.get("token"))
        if status // 100 == 2 and token is not None:
            self._keep(token)
            return CredentialsRenewed(number=self.command.number)
        return self._refused(Refusal.CREDENTIALS, self._shown(said.get("message")))

    def _shown(self, message: object) -> str:
        if not isinstance(message, str):
            return "no token came back"
        return shown_message(message, hidden=tuple(secret.reveal() for secret in self.outgoing.hidden))

    def _refused(self, refusal: Refusal, message: str) -> Refused:
        head = self._head
        code, after = (None, None) if head is None else (head.status, head.retry_after)
        return Refused(number=self.command.number, refusal=refusal, message=message, code=code, retry_after=after)


def _usable(token: object) -> Secret | None:
    """The credential, if it can go into a header."""
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        return None
    text = token.strip()
    return Secret(text) if 0 < len(text) <= _LONGEST else None
