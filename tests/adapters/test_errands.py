"""What a server echoes of a credential is shown to nobody, however the credential is spelled (D39)."""

from __future__ import annotations

import json

import pytest

import reportdl
from reportdl.credentials import Credentials
from reportdl.errands import Errand, Errands
from reportdl.origin import Origin
from reportdl_core.commands import Init
from reportdl_core.events import Refused
from reportdl_core.job import Job
from reportdl_core.secret import Secret


class OwnScheme:
    """A user's own: another header, with a scheme of its own."""

    version = 0

    def __repr__(self) -> str:
        return "OwnScheme"

    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("X-Api-Key", "Key canary-one"),)

    def renewal(self) -> None:
        return None

    def keep(self, token: Secret) -> None:
        raise TypeError


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    ("credentials", "echo", "shown"),
    [
        (reportdl.Token("canary-one"), "no: canary-one", "no: ***"),
        (reportdl.Token("canary-one canary-two"), "no: canary-one canary-two", "no: ***"),
        (reportdl.Bearer("canary-one"), "no: Bearer canary-one", "no: Bearer ***"),
        (reportdl.Bearer("canary-one canary-two"), "no: Bearer canary-one canary-two", "no: Bearer ***"),
        (OwnScheme(), "no: Key canary-one", "no: ***"),
        (OwnScheme(), "no: canary-one", "no: ***"),
    ],
    ids=str,
)
def test_what_a_server_echoes_of_a_credential_is_masked(credentials: Credentials, echo: str, shown: str) -> None:
    errands = Errands(Origin.parse("https://mi.example.com"), credentials, reportdl.Policy())
    errand = errands.begin(Init(number=1, job=Job(element=1, format="csv"), deadline=1.0))
    assert isinstance(errand, Errand)
    errand.exchange.head(403, [("Content-Type", "application/json")])
    errand.exchange.feed(json.dumps({"status": "ERROR", "message": echo}).encode())
    refused = errand.exchange.finish()
    assert isinstance(refused, Refused)
    assert refused.message == shown
