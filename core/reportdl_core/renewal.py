"""Decides how a credential is obtained and renewed over HTTP: `/api/get_token` (D16).

Must never let the application key or a credential into an event or a repr, and never believe a status alone: without
credentials the server answers 200 with `[]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, final

from reportdl_core.commands import RenewCredentials
from reportdl_core.envelope import shown_message
from reportdl_core.errors import Refusal
from reportdl_core.events import CredentialsRenewed, Event, Refused
from reportdl_core.http_head import Head
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.small_answer import SmallAnswer, said_in
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
class RenewalExchange(SmallAnswer[RenewCredentials]):
    """One renewal and its answer, with the members of `Exchange`. `keep` takes the new credential."""

    __slots__ = ("_keep",)

    def __init__(
        self, command: RenewCredentials, outgoing: Outgoing, *, policy: Policy, keep: Callable[[Secret], None]
    ) -> None:
        super().__init__(command, outgoing, policy=policy, cap=policy.max_envelope)
        self._keep = keep

    def _understood(self, head: Head, body: bytes) -> Event:
        """What the answer says: the body counts, not the status."""
        if head.status in (408, 429) or head.status >= 500:
            busy = head.status == 429 or head.retry_after is not None
            return self._refused(head, Refusal.BUSY if busy else Refusal.UNAVAILABLE, "")
        said = said_in(body) or {}
        token = _usable(said.get("token"))
        if head.status // 100 == 2 and token is not None:
            self._keep(token)
            return CredentialsRenewed(number=self.command.number)
        return self._refused(head, Refusal.CREDENTIALS, self._shown(said.get("message")))

    def _shown(self, message: object) -> str:
        if not isinstance(message, str):
            return "no token came back"
        return shown_message(message, hidden=tuple(secret.reveal() for secret in self.outgoing.hidden))

    def _refused(self, head: Head, refusal: Refusal, message: str) -> Refused:
        number, after = self.command.number, head.retry_after
        return Refused(number=number, refusal=refusal, message=message, code=head.status, retry_after=after)


def _usable(token: object) -> Secret | None:
    """The credential, if it can go into a header."""
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        return None
    text = token.strip()
    return Secret(text) if 0 < len(text) <= _LONGEST else None
