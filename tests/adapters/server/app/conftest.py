"""A tiny source, a raw HTTP caller and a running endpoint for the tests of the server's HTTP side."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer
from reportdl.server.sources import ElementType, GenerationError, OnlyUsers, ReportInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _got(answer: http.client.HTTPResponse) -> Got:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Got(status=answer.status, headers=headers, body=answer.read())


def path_of(state: str, element: object = 1042, segment: object = 0, **query: str) -> str:
    """The raw target; the query's values go in as they are."""
    path = f"/api/element/id/{element}/segment/{segment}/download/state/{state}"
    return path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


@dataclass
class Caller:
    """Asks one question on one new connection, with nothing added to what the test says."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, target: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            # As it is: http.client would add an Accept-Encoding of its own.
            named = "Host" in (headers or {})
            connection.putrequest(method, target, skip_host=named, skip_accept_encoding=True)
            for name, value in {**self.headers, **(headers or {})}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return _got(connection.getresponse())
        finally:
            connection.close()

    def state(self, state: str, element: object = 1042, segment: object = 0, **query: str) -> Got:
        return self.ask(path_of(state, element, segment, **query))

    @staticmethod
    def path(state: str, element: object = 1042, segment: object = 0, **query: str) -> str:
        return path_of(state, element, segment, **query)

    def token(self, element: int = 1042, segment: int = 0) -> str:
        token: str = self.state("init", element, segment).json["token"]
        return token

    def ready(self, element: int = 1042, format: str = "pdf") -> str:
        """A token whose file is there."""
        token = self.token(element)
        assert self.state("run", element, token=token, format=format).json == {"status": "OK"}
        return token

    @staticmethod
    def answer(connection: socket.socket) -> Got:
        """The answer to what was begun."""
        response = http.client.HTTPResponse(connection)
        with response:
            response.begin()
            return _got(response)

    def begin(self, target: str) -> socket.socket:
        """A request that is sent, and its connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        lines = [f"GET {target} HTTP/1.1", "Host: test", *(f"{name}: {value}" for name, value in self.headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection


Serving = Callable[..., LoopbackServer]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Starts an endpoint; all of them end with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> LoopbackServer:
            return stack.enter_context(LoopbackServer(**options))

        yield start


BIG = 12 * 1024 * 1024


class TinySource:
    """Files of a few bytes, one large one, and everything that can go wrong in a plugin.

    Element 1042 is the document's; 2000 a metric; 3000 without downloads; 4000 for admin alone; 5000 fails; 5001
    leaves no file; 5002 hands over a file of somebody else; 5003 breaks; 6000 is large; 7000 waits for `gate`.
    """

    name = "Tiny"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.made = 0
        self.infos = [
            ReportInfo(element=1042, name="Sales Dashboard"),
            ReportInfo(element=1043, segment=7, name="Umsätze / Süd", dimension=3, segment_name="South"),
            ReportInfo(element=1043, segment=8, name="Umsätze / Süd", dimension=3, segment_name="West"),
            ReportInfo(element=2000, name="Revenue", type=ElementType.METRIC),
            ReportInfo(element=3000, name="No downloads"),
            ReportInfo(element=4000, name="Secret", access=OnlyUsers(users=frozenset({"admin"}))),
            *(ReportInfo(element=element, name="Broken") for element in (5000, 5001, 5002, 5003)),
            ReportInfo(element=6000, name="Large"),
            ReportInfo(element=7000, name="Slow"),
        ]

    def reports(self) -> list[ReportInfo]:
        return self.infos

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return () if report.element == 3000 else ("image", "pdf", "csv")

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        self.made += 1
        path = directory / "made"
        match report.element:
            case 5000:
                raise GenerationError("The plugin said no")
            case 5001:
                return path
            case 5002:
                return Path(__file__)
            case 5003:
                raise RuntimeError("secret of the plugin")
            case 7000:
                assert self.gate.wait(20)
            case _:
                pass
        path.write_bytes(bytes(range(256)) * (BIG // 256) if report.element == 6000 else f"%PDF {format}".encode())
        return path


@pytest.fixture
def source() -> Iterator[TinySource]:
    tiny = TinySource()
    yield tiny
    tiny.gate.set()


@pytest.fixture
def server(serving: Serving, source: TinySource) -> LoopbackServer:
    """An endpoint that asks for no credential."""
    return serving(sources=[source])


@pytest.fixture
def caller(server: LoopbackServer) -> Caller:
    return Caller(server.port)


@pytest.fixture
def soon() -> Callable[..., None]:
    return _soon


def _soon(what: Callable[[], bool], *, within: float = 5.0) -> None:
    """Return once it is so."""
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@dataclass
class Process:
    """`python -m reportdl serve` as a process of its own. `spool` is its directory for temporary files."""

    popen: subprocess.Popen[str]
    url: str
    spool: Path
    errors: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after the signal."""
        self.popen.send_signal(number)
        return self.popen.wait(timeout=20)


Processes = Callable[..., Process]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts servers by the command line on a free port; whatever still runs ends with the module's tests."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, **environment: str) -> Process:
        folder = tmp_path_factory.mktemp("process")
        spool, errors = folder / "spool", folder / "stderr"
        spool.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
        env = {**kept, "TMPDIR": str(spool), "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        command = [sys.executable, "-m", "reportdl", "serve", "--port", "0", "--generation-seconds", "0", *options]
        with errors.open("w") as log:
            popen = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
        running.append(popen)
        assert popen.stdout is not None
        url = popen.stdout.readline().strip()
        assert url, errors.read_text()
        return Process(popen, url, spool, errors)

    yield start
    for popen in running:
        popen.kill()
        popen.communicate()
