"""The description at /openapi.json against the server that serves it, by Schemathesis: requests that fit, and others.

Nothing is answered with 5xx, nothing that the description does not know, and nothing of it without a credential.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import positive_data_acceptance

from reportdl.server import Accounts, LoopbackServer
from reportdl.server.openapi import DESCRIPTION

CREDENTIAL = {"Authorization": "Bearer bearer-of-ann"}
DOWNLOAD = "/api/element/id/{elementId}/segment/{dimensionId}/download/state/{state}"
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [
    pytest.param(path, method, mode, id=f"{mode.value} {method} {path}")
    for path, methods in DESCRIPTION["paths"].items()
    for method in methods
    for mode in (POSITIVE, NEGATIVE)
    # Where nothing is taken, no request is wrong.
    if mode is POSITIVE or methods[method].get("parameters") or "requestBody" in methods[method]
]
# That a request has the right shape does not make its token good, nor its format offered (R10, R14).
NOT_OURS = [positive_data_acceptance]
# One of each kind: offered in full and in part, segmented, not allowed, failing, without downloads, no External Report.
KNOWN = [(1042, 0), (1043, 0), (1044, 71), (1046, 0), (1047, 0), (1048, 0), (2001, 0)]
KEYS = ["csv", "xml", "pdf", "PDF", "docx"]


@pytest.fixture(scope="module")
def described() -> Iterator[LoopbackServer]:
    accounts = Accounts(applications={"app": "key"}, bearers={"bearer-of-ann": "ann"})
    with LoopbackServer(accounts=accounts) as server:
        yield server


@pytest.fixture
def read(described: LoopbackServer) -> Any:
    """The description as Schemathesis read it from the running server."""
    schema = schemathesis.openapi.from_url(f"{described.url}/openapi.json")
    schema.config.update(headers=CREDENTIAL)
    # The checks leave the credential out, or spoil it, where they mean to.
    schema.config.generation.with_security_parameters = False
    return schema


@pytest.fixture
def api(read: Any) -> Any:
    """The same, where most requests meet an element that exists."""

    @read.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        drawn = (path_parameters or {}).get("elementId")
        if isinstance(drawn, int) and drawn % 8 < len(KNOWN):
            path_parameters["elementId"], path_parameters["dimensionId"] = KNOWN[drawn % 8]
        return path_parameters

    @read.hook
    def map_query(context: Any, query: Any) -> Any:
        drawn = (query or {}).get("format")
        if isinstance(drawn, str) and len(drawn) % 6 < len(KEYS):
            query["format"] = KEYS[len(drawn) % 6]
        return query

    return read


def unquote_token(case: Any) -> None:
    """`init` gives the token as it is to stand in the query (R13); Schemathesis quotes what it puts there once more."""
    if isinstance((case.query or {}).get("token"), str):
        case.query["token"] = unquote(case.query["token"])


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_every_answer_is_described(request: pytest.FixtureRequest, path: str, method: str, mode: Any) -> None:
    # What makes a wrong request meet something would make it right.
    operation = request.getfixturevalue("api" if mode is POSITIVE else "read")[path][method]
    answered: Counter[int] = Counter()

    @settings(max_examples=100)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        unquote_token(case)
        answer = case.call()
        answered[answer.status_code] += 1
        case.validate_response(answer, excluded_checks=NOT_OURS)

    ask()
    assert max(answered) < 500
    if path == DOWNLOAD and mode is POSITIVE:
        assert {200, 400, 403, 404} <= set(answered), "the requests met nothing: the test shows less than it says"


def test_downloads_in_any_order_by_the_links_of_the_description(read: Any, described: LoopbackServer) -> None:
    answered: Counter[tuple[str, int]] = Counter()
    files: list[str] = []
    read.config.generation.modes = [POSITIVE]

    @read.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        # What the links say comes on top of this.
        return {**(path_parameters or {}), "state": "init", "elementId": 1042, "dimensionId": 0}

    class Machine(read.include(path=DOWNLOAD).as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.tokens: list[str] = []

        def before_call(self, case: Any) -> None:
            # To a description both are optional, and Schemathesis leaves out what is: then it is the last token's turn.
            if self.tokens and case.path_parameters["state"] != "init":
                # One format: which texts are tried hangs on what else is imported, and a `get` has to match its `run`.
                case.query = {"token": self.tokens[-1], **(case.query or {}), "format": "csv"}
            unquote_token(case)

        def after_call(self, response: Any, case: Any) -> None:
            answered[str(case.path_parameters["state"]), response.status_code] += 1
            files.extend(response.headers.get("content-disposition", []))
            if response.status_code == 200 and case.path_parameters["state"] == "init":
                self.tokens.append(response.json()["token"])

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            assert response.status_code < 500
            case.validate_response(response, excluded_checks=NOT_OURS)

    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=60, stateful_step_count=8, suppress_health_check=list(HealthCheck)),
    )
    # Tokens that were quoted once and only once opened everything there is to be opened.
    assert all(answered[state, 200] for state in ("init", "run", "check", "get")), answered
    assert files
    assert any(session.state.name == "CONSUMED" for session in described.sessions())
