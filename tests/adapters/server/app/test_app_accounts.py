"""Who a caller is, for how long, and what is kept of the secrets."""

from __future__ import annotations

import pickle

import pytest

from reportdl.server.accounts import (
    Accounts,
    Caller,
    Issued,
    NoCredentials,
    SessionExpired,
    Unauthorized,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts(
        applications={"app": "key-of-app"},
        bearers={"bearer-of-ann": "ann"},
        lifetime=300,
        bearer_lifetime=500,
        clock=clock,
    )


def issued(accounts: Accounts, user: str = "ann") -> str:
    answer = accounts.issue(application_id="app", application_key="key-of-app", user=user)
    assert isinstance(answer, Issued)
    return answer.token


def test_a_legacy_token_names_the_user_it_was_asked_for(accounts: Accounts) -> None:
    assert accounts.identify([(b"token", issued(accounts, "anyone").encode())]) == Caller(user="anyone")


@pytest.mark.parametrize(
    "header",
    [(b"authorization", b"Bearer bearer-of-ann"), (b"authorization", b"bearer  bearer-of-ann")],
)
def test_a_bearer_token_names_its_user(accounts: Accounts, header: tuple[bytes, bytes]) -> None:
    assert accounts.identify([header]) == Caller(user="ann")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"token", b"nonsense")],
        [(b"token", b"")],
        [(b"token", b"bearer-of-ann")],
        [(b"token", b"\xff\x00" * 9000)],
        [(b"authorization", b"Bearer nonsense")],
        [(b"authorization", b"Basic YTpi")],
        [(b"token", b"nonsense"), (b"authorization", b"Bearer bearer-of-ann")],
    ],
)
def test_a_wrong_credential_is_unauthorized(accounts: Accounts, headers: list[tuple[bytes, bytes]]) -> None:
    assert accounts.identify(headers) == Unauthorized()


def test_no_credential_is_told_apart_from_a_wrong_one(accounts: Accounts) -> None:
    assert accounts.identify([(b"host", b"x")]) == NoCredentials()


@pytest.mark.parametrize(
    ("application_id", "application_key", "user"),
    [("app", "wrong", "ann"), ("nobody", "key-of-app", "ann"), ("app", "key-of-app", ""), ("app", "k" * 5000, "ann")],
)
def test_a_token_is_issued_for_the_right_key_alone(
    accounts: Accounts, application_id: str, application_key: str, user: str
) -> None:
    answer = accounts.issue(application_id=application_id, application_key=application_key, user=user)
    assert answer == Unauthorized()


@pytest.mark.rules("D16")
def test_a_token_ends_on_the_second_and_is_then_412_not_401(accounts: Accounts, clock: Clock) -> None:
    headers = [(b"token", issued(accounts).encode())]
    clock.now += 299.999
    assert accounts.identify(headers) == Caller(user="ann")
    clock.now = 1300.0
    assert accounts.identify(headers) == SessionExpired()
    assert accounts.renew(headers) == SessionExpired()


@pytest.mark.rules("D16")
def test_renewal_gives_a_second_token_for_the_same_user_and_keeps_the_first(accounts: Accounts, clock: Clock) -> None:
    first = issued(accounts, "ann")
    clock.now += 200
    answer = accounts.renew([(b"token", first.encode())])
    assert isinstance(answer, Issued)
    assert answer.token != first
    assert accounts.identify([(b"token", first.encode())]) == Caller(user="ann")
    clock.now += 200
    assert accounts.identify([(b"token", first.encode())]) == SessionExpired()
    assert accounts.identify([(b"token", answer.token.encode())]) == Caller(user="ann")


@pytest.mark.rules("D16")
def test_a_bearer_token_ends_and_cannot_be_renewed(accounts: Accounts, clock: Clock) -> None:
    headers = [(b"authorization", b"Bearer bearer-of-ann")]
    assert accounts.renew(headers) == NoCredentials()
    clock.now += 500
    assert accounts.identify(headers) == SessionExpired()


def test_an_expired_token_is_forgotten_in_the_end(accounts: Accounts, clock: Clock) -> None:
    headers = [(b"token", issued(accounts).encode())]
    clock.now += 300 + 3600
    issued(accounts)
    assert accounts.identify(headers) == Unauthorized()


@pytest.mark.rules("D39")
def test_no_key_and_no_token_is_kept(clock: Clock) -> None:
    accounts = Accounts(applications={"app": "key-of-app"}, bearers={"bearer-of-ann": "ann"}, clock=clock)
    token = issued(accounts)
    state = {name: value for name, value in vars(accounts).items() if value is not clock}
    kept = pickle.dumps(state) + repr(accounts).encode()
    for secret in ("key-of-app", "bearer-of-ann", token):
        assert secret.encode() not in kept
    assert token not in repr(accounts.issue(application_id="app", application_key="key-of-app", user="ann"))
