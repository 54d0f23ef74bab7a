"""Credentials that die while a job goes on: renewed at each of the five states, once for all jobs of a client (D16)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

import reportdl
from reportdl import aio
from reportdl.errands import Errands
from reportdl.origin import Origin
from reportdl.renewals import Renewals, SharedRenewal
from reportdl.server import Accounts, LoopbackServer
from reportdl_core.commands import RenewCredentials
from reportdl_core.errors import Refusal
from reportdl_core.events import CredentialsRenewed, Event, Refused, Sent
from reportdl_core.secret import Secret

KEY = "k3y-of-the-application"
STATES = {"formats": "ListFormats", "init": "Init", "run": "Run", "check": "Check", "get": "Get"}
# A `check` while the run is alive, long before the five seconds of the default.
SOON = reportdl.Policy(first_check=0.1, longest_insurance=0.1)

Job = Callable[[reportdl.Checkpoint], None]


def application() -> reportdl.ApplicationKey:
    return reportdl.ApplicationKey(application_id="app", application_key=KEY, user="ann")


class World:
    """A server whose credentials live 300 seconds, and its clock, which the test moves."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        accounts = Accounts(
            applications={"app": KEY},
            bearers={"b3arer": "ann"},
            lifetime=300,
            bearer_lifetime=300,
            clock=lambda: self.now,
        )
        self.server = LoopbackServer(accounts=accounts, **options)

    def dies_at(self, state: str) -> Job:
        """A callback that lets every credential die just before the job first asks for `state`."""
        died = False

        def moved(checkpoint: reportdl.Checkpoint) -> None:
            nonlocal died
            shown = {name for name, *_ in checkpoint.snapshot["session"]["outstanding"]}
            if STATES[state] in shown and not died:
                died = True
                self.now += 300.0

        return moved

    def count(self, state: str) -> int:
        return self.server.count(state)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(**getattr(request, "param", {}))
    with world.server:
        yield world


def used(world: World, key: reportdl.ApplicationKey) -> reportdl.ApplicationKey:
    """A key whose credential has been good for something: one that is refused at once would be a wrong one."""
    with reportdl.Client(world.server.url, credentials=key) as client:
        client.formats(1042)
    return key


def download(how: str, world: World, credentials: reportdl.Credentials, on_checkpoint: Job) -> int:
    options: dict[str, Any] = {"format": "csv", "to": io.BytesIO(), "on_checkpoint": on_checkpoint}
    if how == "threads":
        with reportdl.Client(world.server.url, credentials=credentials, policy=SOON) as client:
            return client.download(1042, **options).size

    async def main() -> int:
        async with aio.AsyncClient(world.server.url, credentials=credentials, policy=SOON) as client:
            return (await client.download(1042, **options)).size

    return anyio.run(main, backend=how)


@pytest.mark.rules("D16", "I3")
@pytest.mark.parametrize(
    ("how", "state"),
    [*(("threads", state) for state in STATES), ("asyncio", "run"), ("asyncio", "get"), ("trio", "check")],
)
@pytest.mark.parametrize("world", [{"generation_seconds": 0.4}], indirect=True)
def test_a_credential_that_dies_at_any_state_is_renewed_and_the_same_thing_asked_again(
    world: World, how: str, state: str
) -> None:
    assert download(how, world, used(world, application()), world.dies_at(state)) > 0
    assert world.now == 300.0
    assert world.count("get_token") == 2  # one to begin with, one for the death
    asked = {one: world.count(one) - (one == state) for one in STATES}
    # What was refused for its credential was never begun: but for that one, each is asked as ever.
    assert asked.pop("check") >= 1
    assert asked == {"formats": 2, "init": 1, "run": 1, "get": 1}
    assert len(world.server.sessions()) == 1


@pytest.mark.rules("D16")
@pytest.mark.parametrize(
    ("kind", "state"), [*(("Token", state) for state in STATES), ("Bearer", "run"), ("Bearer", "get")]
)
@pytest.mark.parametrize("world", [{"generation_seconds": 0.4}], indirect=True)
def test_a_credential_that_cannot_be_renewed_ends_the_job_with_a_clear_error(
    world: World, state: str, kind: str
) -> None:
    credentials: reportdl.Credentials = reportdl.Bearer("b3arer")
    if kind == "Token":
        headers = used(world, application()).headers()
        assert headers is not None
        credentials = reportdl.Token(dict(headers)["Token"])
    before = world.count("get_token")
    with pytest.raises(reportdl.CredentialsRefused, match=f"a {kind} cannot be renewed: hand in a new one") as caught:
        download("threads", world, credentials, world.dies_at(state))
    assert not caught.value.retryable
    assert f"({state}: " in str(caught.value) or "(get_token: " in str(caught.value)
    assert world.count("get_token") == before
    # Nothing was asked in vain: the one refused is the last.
    assert world.server.calls[-1].state == state


@pytest.mark.rules("D16", "I13")
@pytest.mark.parametrize("how", ["threads", "asyncio"])
def test_credentials_much_shorter_than_the_run_are_renewed_as_often_as_it_takes(how: str) -> None:
    world = World.__new__(World)
    accounts = Accounts(applications={"app": KEY}, lifetime=0.4)
    with LoopbackServer(accounts=accounts, generation_seconds=2.0) as world.server:
        assert download(how, world, application(), lambda _: None) > 0
        assert world.count("init") == 1
        assert world.count("run") == 1
        assert world.count("get_token") >= 4


JOBS = 8


@pytest.mark.rules("D16", "I13")
@pytest.mark.parametrize("world", [{"faults": ["get_token.delay=0.2"]}], indirect=True)
def test_jobs_in_threads_share_one_renewal(world: World) -> None:
    with reportdl.Client(world.server.url, credentials=application()) as client:
        for renewals in (1, 2):
            failed: list[BaseException] = []

            def work(failed: list[BaseException] = failed) -> None:
                try:
                    client.download(1042, format="csv", to=io.BytesIO())
                except BaseException as error:
                    failed.append(error)

            threads = [threading.Thread(target=work) for _ in range(JOBS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failed == []
            assert world.count("get_token") == renewals
            world.now += 300.0  # and all of them find it dead


@pytest.mark.rules("D16", "I13")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("world", [{"generation_seconds": 0.5, "generations_at_once": 99}], indirect=True)
def test_jobs_in_tasks_share_one_renewal_in_the_middle_of_their_runs(world: World, backend: str) -> None:
    running = 0

    def moved(checkpoint: reportdl.Checkpoint) -> None:
        nonlocal running
        shown = [name for name, *_ in checkpoint.snapshot["session"]["outstanding"]]
        running += "Run" in shown and "Wait" in shown and not checkpoint.snapshot["session"]["facts"]["polls"]
        if running == JOBS:
            running += 1
            world.now += 300.0

    async def main() -> None:
        async with (
            aio.AsyncClient(world.server.url, credentials=application(), policy=SOON) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(JOBS):
                tasks.start_soon(one, client)

    async def one(client: aio.AsyncClient) -> None:
        await client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=moved)

    anyio.run(main, backend=backend)
    assert running > JOBS, "the credential never died"
    assert world.count("get_token") == 2
    assert world.count("init") == JOBS


@pytest.mark.rules("D16", "I13")
@pytest.mark.parametrize("world", [{"faults": ["get_token.delay=0.5"]}], indirect=True)
def test_a_key_that_is_wrong_is_sent_once_for_all_jobs_that_wait(world: World) -> None:
    wrong = reportdl.ApplicationKey(application_id="app", application_key="wr0ng", user="ann")
    said: list[str] = []

    async def one(client: aio.AsyncClient) -> None:
        with pytest.raises(reportdl.CredentialsRefused) as caught:
            await client.formats(1042)
        said.append(str(caught.value))

    async def main() -> None:
        async with aio.AsyncClient(world.server.url, credentials=wrong) as client:
            async with anyio.create_task_group() as tasks:
                for _ in range(JOBS):
                    tasks.start_soon(one, client)
            await one(client)  # who comes later asks again: the key may be known by now

    anyio.run(main)
    assert len(said) == JOBS + 1
    assert len(set(said)) == 1
    assert world.count("get_token") == 2


@pytest.mark.rules("D16", "I8")
@pytest.mark.parametrize("world", [{"faults": ["get_token.drop_before=1"]}], indirect=True)
def test_a_renewal_that_is_lost_is_asked_for_again_by_one_of_those_who_wait(world: World) -> None:
    async def main() -> None:
        async with (
            aio.AsyncClient(world.server.url, credentials=application()) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(JOBS):
                tasks.start_soon(client.formats, 1042)

    anyio.run(main)
    assert world.count("get_token") == 2


class Clock:
    """Seconds, moved by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(renewals: Renewals, *, used: int = 0, awaited: int = 0) -> SharedRenewal | Event:
    command = RenewCredentials(number=7, deadline=30.0)
    return renewals.begin(command, used=used, awaited=awaited, policy=reportdl.Policy())


def renewed(exchange: SharedRenewal | Event, body: bytes = b'{"token":"n3w"}', status: int = 200) -> Event:
    assert isinstance(exchange, SharedRenewal)
    assert exchange.head(status, [("Content-Type", "application/json")])
    exchange.feed(body)
    return exchange.finish()


@pytest.mark.rules("D16")
def test_while_one_asks_the_others_are_told_to_wait_and_then_have_it() -> None:
    key = application()
    renewals = Renewals(key)
    first = ask(renewals)
    assert ask(renewals) == Refused(number=7, refusal=Refusal.BUSY, message="another job is renewing the credential")
    assert renewed(first) == CredentialsRenewed(number=7)
    assert ask(renewals, awaited=1) == CredentialsRenewed(number=7)
    assert key.headers() == (("Token", "n3w"),)
    assert isinstance(ask(renewals, used=1), SharedRenewal)


@pytest.mark.rules("D16", "I8")
def test_nobody_waits_for_a_job_that_died_in_the_middle_of_its_renewal() -> None:
    clock = Clock()
    renewals = Renewals(application(), clock=clock)
    dead = ask(renewals)
    clock.now = 29.9
    assert isinstance(ask(renewals), Refused)
    clock.now = 30.0
    second = ask(renewals)
    assert isinstance(second, SharedRenewal)
    # What the first one says now is old: the second one is still under way.
    assert isinstance(dead, SharedRenewal)
    dead.lost(sent=Sent.UNKNOWN, message="")
    assert isinstance(ask(renewals), Refused)
    second.lost(sent=Sent.UNKNOWN, message="")
    assert isinstance(ask(renewals), SharedRenewal)


@pytest.mark.rules("D16", "I13")
def test_a_refusal_counts_for_those_who_waited_for_it_and_for_nobody_else() -> None:
    renewals = Renewals(application())
    refused = renewed(ask(renewals), b'{"message":"Unauthorized"}', 401)
    assert isinstance(refused, Refused)
    waited = ask(renewals, awaited=1)
    assert isinstance(waited, Refused)
    assert (waited.refusal, waited.message, waited.code) == (Refusal.CREDENTIALS, "Unauthorized", 401)
    assert isinstance(ask(renewals), SharedRenewal)


@pytest.mark.rules("D16", "D39")
def test_a_shared_renewal_shows_no_key() -> None:
    errands = Errands(Origin.parse("https://mi.example.com"), application(), reportdl.Policy())
    errand = errands.begin(RenewCredentials(number=1, deadline=30.0))
    assert KEY not in f"{errand!r} {errand}"
    assert KEY.encode() in errand.body  # type: ignore[union-attr]
    assert Secret(KEY) in errand.exchange.outgoing.hidden  # type: ignore[union-attr]
