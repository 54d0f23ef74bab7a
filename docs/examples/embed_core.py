"""A client of another product's: its own event loop, HTTP and storage around `reportdl_core`, nothing of `reportdl`.

    MI_TOKEN=... python embed_core.py https://mi.example.com 1042 pdf sales.pdf jobs.sqlite

Kill it at any moment and type the same again: the job goes on where it was, and nothing is generated twice.
docs/embed-the-core.md explains it.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from reportdl_core import (
    Command,
    Download,
    Event,
    Finish,
    Job,
    LookUp,
    Outcome,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Secret,
    Sent,
    Wait,
)
from reportdl_core.exchange import CHUNK, Exchange
from reportdl_core.http_head import Framing, Head
from reportdl_core.sink import Offer

__all__ = ["Place", "Server", "Store", "bring", "drive"]


class Store:
    """The jobs under way: a row holds a snapshot and, sealed, the token that belongs to it."""

    def __init__(self, database: Path) -> None:
        # Stands for wherever the product keeps its secrets: never in the database that it opens.
        key = database.with_suffix(".key")
        with contextlib.suppress(FileExistsError), open(key, "xb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(Fernet.generate_key())
        self._seal = Fernet(key.read_bytes())
        self._rows = sqlite3.connect(database, isolation_level=None)  # a statement is on disk when it returns
        self._rows.execute("CREATE TABLE IF NOT EXISTS jobs (target PRIMARY KEY, snapshot, token, written)")

    def save(self, target: Path, download: Download, now: float) -> None:
        token = download.token and self._seal.encrypt(download.token.reveal().encode())
        # Wall-clock time: the next process has another monotonic clock.
        row = (str(target), json.dumps(download.snapshot(now=now)), token, time.time())
        self._rows.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)", row)

    def load(self, target: Path, job: Job, now: float) -> Download | None:
        query = "SELECT snapshot, token, written FROM jobs WHERE target = ?"
        if (row := self._rows.execute(query, (str(target),)).fetchone()) is None:
            return None
        snapshot, token, written = row
        token = token and Secret(self._seal.decrypt(token).decode())
        away = max(0.0, time.time() - written)
        download = Download.restore(json.loads(snapshot), job=job, token=token, now=now, elapsed=away)
        download.recover(now=now)  # what was in flight is lost, perhaps sent: a `run` is never sent again
        return download

    def forget(self, target: Path) -> None:
        self._rows.execute("DELETE FROM jobs WHERE target = ?", (str(target),))


class Place:
    """Where the file goes (`reportdl_core.sink.Sink`): under its name only when it is whole and on disk."""

    def __init__(self, target: Path) -> None:
        self.target, self._part = target, target.with_name(f"{target.name}.part")
        self._file: BinaryIO | None = None

    @property
    def taken(self) -> bool:
        return self.target.exists()

    def open(self, offer: Offer) -> None:
        self._offer, self._digest, self._file = offer, hashlib.sha256(), self._part.open("wb")

    def write(self, data: bytes) -> None:
        assert self._file is not None
        self._digest.update(data)
        self._file.write(data)

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        self._move(self.target)
        return Receipt(
            path=self.target,
            filename=self.target.name,
            content_type=self._offer.content_type,
            size=self.target.stat().st_size,
            sha256=self._digest.hexdigest(),
            length_verified=length_verified,
            offered=self._offer.filename,
            warnings=warnings,
        )

    def set_aside(self, reason: str) -> str | None:
        self._move(kept := self.target.with_name(f"{self.target.name}.unverified"))
        return str(kept)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._part.unlink(missing_ok=True)

    def _move(self, name: Path) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, name)


class Server(NamedTuple):
    """Executes requests over asyncio's streams: one connection for each."""

    url: str
    credential: Secret

    async def perform(self, command: Command, download: Download, place: Place) -> Event:
        assert not isinstance(command, Wait | Finish | LookUp)  # no Download issues a LookUp
        if isinstance(command, RenewCredentials):  # with an application key: reportdl_core.renewal
            return Refused(number=command.number, refusal=Refusal.CREDENTIALS, message="hand in a new credential")
        exchange, sent = Exchange(command, policy=download.policy, sink=place), Sent.NOT_SENT
        parts = urlsplit(self.url)
        try:
            async with asyncio.timeout(exchange.connect_timeout):
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), ssl=parts.scheme == "https"
                )
            sent = Sent.UNKNOWN
            with contextlib.closing(writer):
                headers = [*exchange.outgoing.headers, ("Token", self.credential.reveal())]
                lines = [f"GET {parts.path.rstrip('/')}{exchange.outgoing.target} HTTP/1.1", f"Host: {parts.netloc}"]
                lines += [f"{name}: {value}" for name, value in [*headers, ("Connection", "close")]]
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
                await converse(exchange, reader)
        except (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError) as error:
            return exchange.lost(sent=sent, message=type(error).__name__)
        except asyncio.CancelledError:
            exchange.lost(sent=sent, message="cancelled")  # of a file nothing stays
            raise
        # A loop with other work to do calls it in a thread, shielded, where `exchange.blocking` says so.
        return exchange.finish()


async def converse(exchange: Exchange, reader: asyncio.StreamReader) -> None:
    head = Head.of(100, ())
    while head.status < 200:  # 100 Continue and its like
        async with asyncio.timeout(exchange.read_timeout):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        pairs = (line.partition(":") for line in lines)
        head = Head.of(int(first.split(" ")[1]), [(name, value.strip()) for name, _, value in pairs])
    if exchange.head(head.status, head.headers):
        async with contextlib.aclosing(body(reader, head, exchange.read_timeout)) as pieces:
            async for data in pieces:
                if not exchange.feed(data):
                    break


async def body(reader: asyncio.StreamReader, head: Head, patience: float) -> AsyncGenerator[bytes, None]:
    async def read(size: int) -> bytes:
        async with asyncio.timeout(patience):
            return await reader.read(min(size, CHUNK))

    if head.framing is not Framing.CHUNKED:
        left = head.length if head.length is not None else sys.maxsize  # else to the connection's end
        while left and (data := await read(left)):  # what is short of its length, the exchange sees
            left -= len(data)
            yield data
        return
    while True:
        async with asyncio.timeout(patience):
            left = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not left:
            return
        while left:
            if not (data := await read(left)):
                raise EOFError
            left -= len(data)
            yield data
        await reader.readexactly(2)


async def drive(download: Download, server: Server, place: Place, store: Store) -> Outcome:
    """Keep what runs equal to what is outstanding, wait for an event or the alarm, and feed it."""
    clock, inbox = asyncio.get_running_loop().time, asyncio.Queue[Event]()
    now = clock()
    running: dict[int, asyncio.Task[None] | None] = {}

    async def execute(command: Command) -> None:
        inbox.put_nowait(await server.perform(command, download, place))

    async with asyncio.TaskGroup() as tasks:
        while (outcome := download.outcome) is None:
            store.save(place.target, download, now)  # before the commands that it shows are executed (D43)
            outstanding = {command.number: command for command in download.outstanding}
            for number in running.keys() - outstanding.keys():
                if (task := running.pop(number)) is not None:
                    task.cancel()
            for number in outstanding.keys() - running.keys():
                command = outstanding[number]
                running[number] = None if isinstance(command, Wait) else tasks.create_task(execute(command))
            when, event = download.alarm
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(when):
                    event, when = await inbox.get(), now
            now = max(now, when, clock())  # a timer may go off a moment early, and time must not run backwards
            download.receive(event, now=now)
        for task in running.values():
            if task is not None:
                task.cancel()
    return outcome


async def bring(url: str, element: str, key: str, target: Path, database: Path) -> int:
    if urlsplit(url).scheme != "https" and urlsplit(url).hostname != "127.0.0.1":
        sys.exit("the credential and the token would travel in clear")
    job, store, place = Job(element=int(element), format=key), Store(database), Place(target)
    if place.taken:  # whole, since it has its name: a kill may have come before its row was gone
        store.forget(target)
        return 0
    now, seed = asyncio.get_running_loop().time(), int.from_bytes(os.urandom(4))  # jobs must not poll in step
    download = store.load(target, job, now) or Download(job, seed=seed, now=now)
    outcome = await drive(download, Server(url, Secret(os.environ["MI_TOKEN"])), place, store)
    store.forget(target)
    print(outcome.reason.value, outcome.receipt.path if outcome.receipt else outcome.evidence)
    return 0 if outcome.receipt else 1


if __name__ == "__main__":
    _, url, element, key, target, database = sys.argv
    sys.exit(asyncio.run(bring(url, element, key, Path(target), Path(database))))
