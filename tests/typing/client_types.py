"""What type checkers make of `reportdl`. A line with an ignore is one that they must refuse, by these names.

Read by test_typing.py, under mypy and pyright; never run.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import assert_type

import aiohttp
import httpx2
import urllib3

import reportdl
from reportdl.errands import Errand
from reportdl.origin import Origin
from reportdl.seal import Seal
from reportdl.transports import Transport
from reportdl.transports.asynchronous import AsyncTransport, finished
from reportdl_core import Event, Job, Outcome, Sent, State

__all__: list[str] = []

TOKEN = reportdl.Token("t")
URL = "https://mi.example.com"


def told(progress: reportdl.Progress) -> None:
    assert_type(progress.state, State)
    assert_type(progress.total, int | None)


def a_client_says_what_it_gives(path: Path) -> None:
    with reportdl.Client(URL, credentials=TOKEN, policy=reportdl.Policy(strict=True)) as client:
        assert_type(client, reportdl.Client)
        assert_type(client.formats(1042), tuple[str, ...])
        assert_type(client.formats("1042", segment="7"), tuple[str, ...])
        assert_type(client.download(1042, format="pdf", to="out/", on_progress=told), reportdl.Receipt)
        client.download(1042, format="pdf", to=path, clash=reportdl.Clash.SKIP)
        client.download(1042, format="pdf", to=io.BytesIO())
        client.download(1042)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        client.download(1042, "pdf")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        client.download(10.5, format="pdf")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        client.download(1042, format="pdf", to=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        client.download(1042, format="pdf", clash="skip")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        client.download(1042, format="pdf", on_progress=print_percent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    reportdl.Client(URL)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    reportdl.Client(URL, credentials="t")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    reportdl.Client(URL, TOKEN)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert reportdl.Clinet  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def print_percent(percent: float) -> None:
    """No progress callback: it takes a number."""


def kept(checkpoint: reportdl.Checkpoint) -> None:
    assert_type(checkpoint.over, bool)
    assert_type(checkpoint.job, Job)


def a_job_is_taken_up_again(path: Path, seal: Seal) -> None:
    file = reportdl.CheckpointFile(path, seal=seal)
    with reportdl.Client(URL, credentials=TOKEN) as client:
        client.download(1042, format="pdf", on_checkpoint=kept)
        client.download(1042, format="pdf", on_checkpoint=told)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        saved = file.read()
        assert_type(saved, reportdl.Checkpoint | None)
        client.resume(saved)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        if saved is not None:
            assert_type(saved.sealed(seal), str)
            assert_type(client.resume(saved, to=path, on_checkpoint=file), reportdl.Receipt)


def in_one_call() -> None:
    assert_type(reportdl.download(URL, 1042, format="pdf", credentials=TOKEN), reportdl.Receipt)
    assert_type(reportdl.formats(URL, 1042, credentials=TOKEN), tuple[str, ...])


def every_credential_fits() -> None:
    key = reportdl.ApplicationKey(application_id="a", application_key="k", user="ann")
    for credentials in (TOKEN, reportdl.Bearer("b"), key):
        reportdl.Client(URL, credentials=credentials)


def a_failure_is_typed() -> None:
    try:
        in_one_call()
    except reportdl.DownloadError as error:
        assert_type(error.outcome, Outcome)
        assert_type(error.job, Job)
        assert_type(error.retryable, bool)


async def an_async_client_has_the_same_words() -> None:
    async with reportdl.aio.AsyncClient(URL, credentials=TOKEN) as client:
        assert_type(client, reportdl.aio.AsyncClient)
        assert_type(await client.formats(1042), tuple[str, ...])
        assert_type(await client.download(1042, format="pdf", on_progress=told), reportdl.Receipt)
        receipt: reportdl.Receipt = client.download(1042, format="pdf")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        await client.download(1042)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with reportdl.aio.AsyncClient(URL, credentials=TOKEN):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        print(receipt)


def ones_own_pool_fits(origin: Origin) -> None:
    reportdl.Client(URL, credentials=TOKEN, pool=urllib3.PoolManager())
    reportdl.Client(URL, credentials=TOKEN, pool=urllib3.ProxyManager("http://proxy.example.com"))
    reportdl.Client(URL, credentials=TOKEN, pool=httpx2.AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def ones_own_client_fits() -> None:
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, client=httpx2.AsyncClient())
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, session=aiohttp.ClientSession())
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, client=httpx2.Client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, session=httpx2.AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Departing:
    """A flight of one's own needs no base class."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand

    def perform(self) -> Event:
        assert_type(self.errand.target, str)
        assert_type(self.errand.headers, dict[str, str])
        return self.errand.exchange.lost(sent=Sent.NOT_SENT, message="")

    def cancel(self) -> None: ...


class Sync:
    """Nor does a transport."""

    def flight(self, errand: Errand) -> Departing:
        return Departing(errand)

    def close(self) -> None: ...


class Async:
    """Nor an async one."""

    async def perform(self, errand: Errand) -> Event:
        return await finished(errand.exchange)

    async def aclose(self) -> None: ...


class Unclosed:
    """No transport: it does not let go."""

    def flight(self, errand: Errand) -> Departing:
        return Departing(errand)


def ones_own_transport_fits() -> None:
    transport: Transport = Sync()
    reportdl.Client(URL, credentials=TOKEN, transport=transport)
    reportdl.Client(URL, credentials=TOKEN, transport=Async())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    reportdl.Client(URL, credentials=TOKEN, transport=Unclosed())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    asynchronous: AsyncTransport = Async()
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, transport=asynchronous)
    reportdl.aio.AsyncClient(URL, credentials=TOKEN, transport=Sync())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
