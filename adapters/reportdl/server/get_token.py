"""Decides what `/api/get_token` answers: a token for an application key, a new one for a valid one (D16).

POST takes JSON `application_id`, `application_key`, `user`; GET renews. A GET without credentials answers 200 and
`[]`, as the real server does: whoever trusts the status alone is to find out here. Must never say what was wrong.
"""

from __future__ import annotations

from starlette.types import Receive, Scope

from reportdl.server.accounts import Accounts, Issued, NoCredentials, SessionExpired, Unauthorized
from reportdl.server.neighbours import Handler
from reportdl.server.plain import Plain, denied, error_said, json_said
from reportdl.server.service import read_body
from reportdl_core.envelope import read_object

__all__ = ["get_token"]


def get_token(accounts: Accounts | None) -> dict[str, Handler]:
    """The handlers of the path; without accounts nobody has a key."""
    known = Accounts() if accounts is None else accounts

    async def post(scope: Scope, receive: Receive) -> Plain:
        try:
            body = await read_body(receive)
        except TimeoutError:
            return error_said(408, "Request timeout")
        asked = None if body is None else _asked(body)
        if asked is None:
            return error_said(400, "Bad request")
        application_id, application_key, user = asked
        return _said(known.issue(application_id=application_id, application_key=application_key, user=user))

    async def renew(scope: Scope, receive: Receive) -> Plain:
        return _said(known.renew(scope["headers"]))

    return {"GET": renew, "POST": post}


def _said(answer: Issued | NoCredentials | Unauthorized | SessionExpired) -> Plain:
    match answer:
        case Issued(token=token, expires=expires):
            return json_said({"token": token, "expires": expires})
        case NoCredentials():
            return json_said([])
        case refused:
            return denied(refused)


def _asked(body: bytes) -> tuple[str, str, str] | None:
    try:
        said = read_object(body)
    except ValueError:
        return None
    values = [] if said is None else [said.get(name) for name in ("application_id", "application_key", "user")]
    # Ids come as numbers too: version 6 sends strings, version 7 integers.
    texts = [str(value) for value in values if isinstance(value, (str, int))]
    return (texts[0], texts[1], texts[2]) if len(texts) == 3 else None
