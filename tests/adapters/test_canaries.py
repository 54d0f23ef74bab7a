"""Canaries: tokens and credentials are looked for, in every spelling, in all that anybody could see (D39).

Everything runs with every logger at DEBUG, the libraries' own and the server's too. What is looked through: log
records, tracebacks with the values of all variables, repr, str, format, vars and pickles of whatever is handed out,
chained exceptions, snapshots, progress, file names and files, warnings, the terminal.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import logging
import os
import pickle
import quopri
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
import pytest
import structlog
from urllib3.connection import HTTPConnection

import reportdl
from reportdl import aio
from reportdl.seal import Seal
from reportdl.server import Accounts, LoopbackServer
from reportdl.testing.canned import setting
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then, message
from reportdl.trace import recording
from reportdl.transports.aiohttp import AiohttpTransport
from reportdl.transports.httpx2 import Httpx2Transport
from reportdl_core.secret import Secret

# Globals, not variables of a test: a traceback shows those of the test as well.
KEY = "canary/application+key=7f3a9c51"
BEARER = "canary.bearer~token-b7d2e801"
LEGACY = "canary-legacy-token-0c44d1e9"
SESSION = "canary+session/token=e5a90b17=="
COOKIE = "canary.affinity-cookie.91d0e3b8"
SEAL = Seal(b"canary sealing key of 32 bytes!!")

# Each library with each kind of credential; some of them in `make test`, all in `make deep-adapters`.
_ALL = [
    (way, kind)
    for way in ("threads", "aiohttp", "httpx2 on asyncio", "httpx2 on trio")
    for kind in ("ApplicationKey", "Bearer")
]
_SOME = {("threads", "ApplicationKey"), ("aiohttp", "ApplicationKey"), ("httpx2 on trio", "Bearer")}
each_way = pytest.mark.parametrize(
    ("way", "kind"), [pytest.param(*one, marks=() if one in _SOME else pytest.mark.deep) for one in _ALL]
)


def spellings(secret: str) -> set[bytes]:
    """How a secret could stand somewhere: as it is, and as programs encode and quote it."""
    raw = {secret, unquote(secret)}
    raw |= {quote(one, safe="") for one in raw} | {quote(one) for one in raw}
    raw |= {quote(one, safe="") for one in raw} | {"".join(f"%{byte:02x}" for byte in secret.encode())}
    raw |= {json.dumps(one)[1:-1] for one in raw} | {one.replace("/", "\\/") for one in raw}
    raw |= {repr(one)[1:-1] for one in raw}
    found = (
        {one.encode() for one in raw}
        | {one.encode("utf-16-le") for one in raw}
        | {one.encode("utf-16-be") for one in raw}
    )
    found |= {one[::-1].encode() for one in raw}
    for one in (secret.encode(), unquote(secret).encode()):
        found |= {
            binascii.hexlify(one),
            binascii.hexlify(one).upper(),
            binascii.hexlify(one, " "),
            binascii.hexlify(one, ":"),
        }
        found |= {quopri.encodestring(one), repr(list(one)).encode()[1:-1]}
        for before in range(3):  # wherever it stands in what was encoded: without the ends that depend on neighbours
            coded = base64.b64encode(b"\0" * before + one)[before * 4 // 3 + 1 : -4]
            found |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    return {one for one in found if len(one) >= 12}


class Corpus:
    """All that could be seen. Also a log handler: it keeps what a careless formatter would show."""

    def __init__(self) -> None:
        self.pieces: dict[bytes, str] = {}
        self.loggers: set[str] = set()

    def add(self, what: str, text: object) -> None:
        data = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")
        self.pieces.setdefault(data, what)

    def record(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name.partition(".")[0])
        self.add(f"log of {record.name}", f"{record.getMessage()} {record.args!r} {vars(record)!r}")
        if record.exc_info and record.exc_info[1]:
            self.error(record.exc_info[1])

    def error(self, error: BaseException) -> None:
        """The exception and all that hangs on it, told in every way."""
        with_locals = traceback.TracebackException.from_exception(error, capture_locals=True)
        self.add("traceback with locals", "".join(with_locals.format(chain=True)))
        chain, seen = [error], set[int]()
        while chain:
            one = chain.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            self.value("exception", one)
            self.add("notes", getattr(one, "__notes__", ""))
            self.add("traceback of a link", "".join(traceback.format_exception(one, chain=False)))
            chain += [link for link in (one.__cause__, one.__context__) if link is not None]
            chain += getattr(one, "exceptions", ())

    def value(self, what: str, value: object) -> None:
        """Whatever is handed out, shown in every way."""
        for shown in (repr(value), str(value), f"{value}", f"{value!a}"):
            self.add(what, shown)
        for depth_first in inside(value):
            self.add(f"vars of {what}", depth_first)
        try:
            self.add(f"pickle of {what}", pickle.dumps(value))
        except Exception as error:
            self.add(f"refusal to pickle {what}", f"{error!r}")

    def folder(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            self.add("file name", str(path))
            if path.is_file():
                self.add(f"file {path.name}", path.read_bytes())

    def betrayed(self, secrets: set[str]) -> list[str]:
        coded = {secret: spellings(secret) for secret in secrets}
        return [
            f"{what}: {data[max(0, data.index(one) - 80) : data.index(one) + 80]!r}"
            for data, what in self.pieces.items()
            for secret in secrets
            for one in coded[secret]
            if one in data
        ]


def inside(value: object, depth: int = 5) -> Iterator[str]:
    """The values that `vars` and the slots of an object lead to; a Secret is where they end."""
    names = set(getattr(value, "__dict__", ()))
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names |= {slots} if isinstance(slots, str) else set(slots)
    for name in names:
        held = getattr(value, name, None)
        if isinstance(held, Secret | type) or callable(held) or (name.startswith("__") and name.endswith("__")):
            continue
        yield f"{name}={held!r}"
        if depth and not isinstance(held, str | bytes | int | float):
            yield from inside(held, depth - 1)


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Corpus]:
    corpus = Corpus()
    handler = logging.Handler(logging.DEBUG)
    handler.emit = corpus.record  # type: ignore[method-assign]
    root = logging.getLogger()
    known = [
        logging.getLogger(name)
        for name in ("urllib3", "aiohttp", "httpx2", "httpcore2", "asyncio", "uvicorn", "reportdl")
    ]
    before = [(one, one.level, one.propagate, one.disabled) for one in (root, *known)]
    for one in (root, *known):
        one.setLevel(logging.DEBUG)
        one.propagate, one.disabled = True, False
    root.addHandler(handler)

    # An application whose structlog shows all it is given, variables of exceptions included.
    def shown(_: object, name: str, event: Any) -> str:
        corpus.add("structlog", repr(event))
        return ""

    structlog.configure(processors=[structlog.processors.dict_tracebacks, shown], cache_logger_on_first_use=False)
    yield corpus
    structlog.reset_defaults()
    root.removeHandler(handler)
    for one, level, propagate, disabled in before:
        one.setLevel(level)
        one.propagate, one.disabled = propagate, disabled


class Broken(io.RawIOBase):
    """A stream with a bug of its own."""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raise ZeroDivisionError("a bug of the caller's")


class Stop(Exception):
    """The caller's own reason."""


def client_of(way: str, url: str, credentials: reportdl.Credentials) -> Any:
    policy = reportdl.Policy(
        first_check=0.05, longest_insurance=0.05, first_pause=0.02, longest_pause=0.02, first_contact=0.5, silence=0.5
    )
    if way == "threads":
        return reportdl.Client(url, credentials=credentials, policy=policy, affinity_cookies=["AWSALB"])
    make = AiohttpTransport if way == "aiohttp" else Httpx2Transport
    origin = reportdl.Client(url, credentials=credentials).origin
    return aio.AsyncClient(
        url, credentials=credentials, policy=policy, transport=make(origin), affinity_cookies=["AWSALB"]
    )


def during(
    corpus: Corpus, way: str, url: str, credentials: reportdl.Credentials, jobs: list[dict[str, Any]]
) -> list[str]:
    """Do the jobs, one after the other, over one client, and keep all that can be seen of them; how each ended."""
    ends: list[str] = []

    def ended(result: object) -> None:
        ends.append(type(result).__name__)
        corpus.value("result", result)
        if isinstance(result, BaseException):
            corpus.error(result)
        if isinstance(result, reportdl.DownloadError):
            corpus.value("outcome", result.outcome)

    corpus.value("credentials", credentials)
    if way == "threads":
        with client_of(way, url, credentials) as client:
            for job in jobs:
                try:
                    ended(client.download(**job))
                except Exception as error:
                    ended(error)
            corpus.value("client", client)
        return ends

    async def main() -> None:
        client = client_of(way, url, credentials)
        for job in jobs:
            try:
                ended(await client.download(**job))
            except Exception as error:
                ended(error)
        # Cancelled in the middle, as Ctrl-C does it.
        try:
            with anyio.fail_after(0.01):
                await client.download(**jobs[0])
        except (TimeoutError, reportdl.DownloadError) as error:  # or it was quicker than that
            corpus.error(error)
        corpus.value("client", client)
        await client.transport.aclose()

    anyio.run(
        main, backend="trio" if "trio" in way else "asyncio", backend_options={} if "trio" in way else {"debug": True}
    )
    return ends


def session_tokens(server: LoopbackServer) -> set[str]:
    return {call.target.partition("token=")[2].partition("&")[0] for call in server.calls} - {""}


def credentials_of(kind: str) -> reportdl.Credentials:
    if kind == "Bearer":
        return reportdl.Bearer(BEARER)
    return reportdl.ApplicationKey(application_id="app", application_key=KEY, user="ann")


@pytest.mark.rules("D39")
@each_way
def test_no_canary_is_seen_anywhere(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, kind: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where what a broken stream did not take is kept
    issued: set[str] = set()

    class Watching(Accounts):
        def issue(self, **fields: Any) -> Any:
            answer = super().issue(**fields)
            issued.add(getattr(answer, "token", ""))
            return answer

    accounts = Watching(applications={"app": KEY}, bearers={BEARER: "ann"})
    with LoopbackServer(accounts=accounts, generation_seconds=0.1) as server:

        def kept(checkpoint: reportdl.Checkpoint) -> None:
            corpus.value("checkpoint", checkpoint)
            corpus.add("snapshot", json.dumps(checkpoint.snapshot))
            corpus.add("sealed", checkpoint.sealed(SEAL))

        def fault(*faults: str) -> Callable[[reportdl.Checkpoint], None]:
            def once(checkpoint: reportdl.Checkpoint) -> None:
                if not once_done:
                    once_done.append(checkpoint)
                    server.no_faults()
                    for one in faults:
                        server.fault(one)
                kept(checkpoint)

            once_done: list[object] = []
            return once

        def stop(progress: reportdl.Progress) -> None:
            corpus.value("progress", progress)
            if progress.received:
                raise Stop

        def raising(checkpoint: reportdl.Checkpoint) -> None:
            if checkpoint.state is reportdl.State.RUNNING:
                raise Stop

        saved = reportdl.CheckpointFile(tmp_path / "job", seal=SEAL)
        csv = {"element": 1042, "format": "csv"}
        jobs: list[dict[str, Any]] = [
            {
                **csv,
                "to": tmp_path / "a.csv",
                "on_checkpoint": fault("run.drop_after=0.05:1"),
                "on_progress": corpus_of(corpus),
            },
            {
                **csv,
                "to": tmp_path / "b.csv",
                "observe": recording(tmp_path / "trace.jsonl"),
                "on_checkpoint": fault("run.session_expired=1", "check.status=503:1", "get.cut_at=9:1"),
            },
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault("get.drop_before")},
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault("run.status=400", "check.status=400")},
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault("get.redirect=302")},
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault("check.html", "run.html")},
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault("get.unauthorized")},
            {**csv, "to": tmp_path / "full", "on_checkpoint": fault("get.no_length"), "clash": reportdl.Clash.SKIP},
            {**csv, "to": io.BytesIO(), "on_checkpoint": fault(), "on_progress": stop},
            {**csv, "to": io.BytesIO(), "on_checkpoint": raising},
            {**csv, "to": Broken(), "on_checkpoint": fault()},
            {"element": "10/42", "format": "csv"},
            {"element": 9999, "format": "csv", "to": io.BytesIO(), "on_checkpoint": saved},
        ]
        ends = during(corpus, way, server.url, credentials_of(kind), jobs)
        secrets = {KEY, BEARER} | issued | session_tokens(server)
    corpus.folder(tmp_path)
    assert {"Receipt", "Stop", "FileNotKeptError", "InvalidJob", "ReportNotFound", "TransferLost"} <= set(ends), ends
    assert {"ServerProtocolError", "CredentialsRefused"} <= set(ends), ends
    assert len(ends) == len(jobs)
    assert len(secrets) > 8
    # Both ends ran in this process, and what they use did speak.
    assert corpus.loggers >= ({"urllib3"} if way == "threads" else {"asyncio"} if way == "aiohttp" else {"httpx2"})
    assert corpus.betrayed(secrets - {""}) == []


JSON = {"Content-Type": "application/json"}


def echo(seen: Seen) -> Answer:
    """The same behind a load balancer, which sets a cookie."""
    return setting(_echo(seen), f"AWSALB={COOKIE}; Path=/")


def _echo(seen: Seen) -> Answer:
    """A server that shows whoever asks what it was asked, in a way of its own for each element."""
    answers: dict[str, object] = {
        "get_token": {"token": LEGACY, "expires": "never"},
        "formats": {"status": "OK", "formats": ["csv"]},
        "init": {"status": "OK", "token": quote(SESSION, safe="")},
        "run": {"status": "OK"},
    }
    target = seen.target.decode()
    vouching = (*seen.all("token"), *seen.all("authorization"), " ")[0].rpartition(" ")[2]
    spoken = f"{SESSION} {quote(SESSION, safe='')} {vouching}"
    match seen.state, target.split("/")[4:5]:
        case "init", ["8"]:
            answers["init"] = {"status": f"done: {spoken}", "token": SESSION, "message": spoken}
        case "init", ["9"]:
            answers["init"] = {"status": "ERROR", "token": quote(SESSION, safe=""), "message": f"not now, {spoken}"}
        case "formats", ["10"]:
            answers["formats"] = {"status": "OK", "formats": ["xml", vouching]}
        case "element", _:
            listed = {"element_type": "external report", "element_id": 1, "element_dashboard_name": f"of {vouching}"}
            answers["element"] = {"elements": [{**listed, "content_type": vouching, "segment_value_name": vouching}]}
        case _:
            pass
    if seen.state in answers:
        return Answer(data=message(200, JSON, json.dumps(answers[seen.state]).encode()))
    token = unquote(target.partition("token=")[2].partition("&")[0])
    both = f"{token} {quote(token, safe='')} {vouching}"
    asked = (seen.head + seen.body).decode("latin-1")
    saved = {"Content-Disposition": "attachment", "Content-Type": "text/csv"}
    code, headers, body, length = 200, JSON, b"whole", None
    match target.split("/")[4]:
        case "1":
            code, body = 400, json.dumps({"message": f"{unquote(target)} {both} {asked}"}).encode()
        case "2":
            body = json.dumps({"status": both}).encode()
        case "3":
            code, headers = 302, {"Location": f"https://{vouching}.example.com{target}"}
        case "4":
            headers, body = {"Content-Type": f"text/html; {both}"}, asked.encode("latin-1")
        case "5":
            headers = {"Content-Disposition": f'attachment; filename="{both}.csv"', "Content-Type": f"text/{vouching}"}
        case "6":
            name = quote(both, safe="")
            headers = {**saved, "Content-Disposition": f"attachment; filename*=UTF-8''{name}.csv"}
            length = -1
        case _:
            headers = {**saved, "Content-Encoding": vouching}
    return Answer(data=message(code, headers, body, length=length), then=Then.CLOSE if length else Then.KEEP)


@pytest.mark.rules("D39", "D31", "D34")
@each_way
def test_what_a_server_echoes_is_shown_to_nobody(corpus: Corpus, tmp_path: Path, way: str, kind: str) -> None:

    def kept(checkpoint: reportdl.Checkpoint) -> None:
        corpus.value("checkpoint", checkpoint)
        corpus.add("sealed", checkpoint.sealed(SEAL))

    with RawServer(echo) as server:
        jobs = [
            {"element": number, "format": "csv", "to": f"{tmp_path}/{number}/", "on_checkpoint": kept}
            for number in range(1, 11)
        ]
        ends = during(corpus, way, server.url, credentials_of(kind), jobs)
        assert {seen.all("cookie")[0] for seen in server.seen if seen.state == "get"} == {f"AWSALB={COOKIE}"}
        assert any(SESSION in unquote(seen.target.decode()) for seen in server.seen if seen.state == "get")
        if way == "threads":
            with client_of(way, server.url, credentials_of(kind)) as client:
                (listed,) = client.reports()
                assert (listed.name, listed.source, listed.segment_name) == ("of ***", "***", "***")
                corpus.value("reports", listed)
    corpus.folder(tmp_path)
    html = ends.pop(3)  # asked for again and again, until one of the bounds
    assert html in {"EndpointMissing", "TransferLost", "Unreachable"}
    assert ends[:6] == ["ServerProtocolError"] * 3 + ["Receipt"] + ["UnverifiedFile"] * 2
    assert ends[6:] == ["ServerProtocolError"] * 2 + ["FormatNotOffered"]
    assert len(list(tmp_path.rglob("*.csv*"))) == 3
    assert corpus.betrayed({KEY, BEARER, LEGACY, SESSION, COOKIE}) == []


class BuggyPools:
    """A pool manager of the user's own, with a bug that shows in the middle of a request."""

    proxy = None

    def connection_from_host(self, *_: object, **__: object) -> Any:
        return self

    ConnectionCls = HTTPConnection

    def urlopen(self, method: str, url: str, body: object = None, headers: object = None, **options: object) -> Any:
        raise AttributeError("a bug of the user's")


@pytest.mark.rules("D39")
@pytest.mark.parametrize("kind", ["ApplicationKey", "Bearer"])
def test_a_bug_below_us_is_shown_with_its_lines_and_without_its_variables(corpus: Corpus, kind: str) -> None:
    pools: Any = BuggyPools()
    with (
        reportdl.Client("https://mi.example.com", credentials=credentials_of(kind), pool=pools) as client,
        pytest.raises(AttributeError, match="a bug of the user's") as caught,
    ):
        client.formats(1042)
    corpus.error(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert "in urlopen" in shown  # where it happened is still told
    assert corpus.betrayed({KEY, BEARER}) == []


@pytest.mark.rules("D39")
@pytest.mark.skipif(sys.platform == "win32", reason="a pty is POSIX")
@pytest.mark.parametrize(
    "words", [("-v", "--trace", "trace.jsonl"), pytest.param(("--json",), marks=pytest.mark.deep)], ids=" ".join
)
def test_a_terminal_shows_no_canary(corpus: Corpus, tmp_path: Path, words: tuple[str, ...]) -> None:
    application = {"REPORTDL_APPLICATION_ID": "app", "REPORTDL_APPLICATION_KEY": KEY, "REPORTDL_USER": "ann"}
    accounts = Accounts(applications={"app": KEY})
    faults = ["check.status=503:1", "run.drop_after=0.1:1", "get.session_expired=1", "get.cut_at=9:1"]
    with LoopbackServer(accounts=accounts, faults=faults, generation_seconds=0.3) as server:
        env = {**os.environ, **application, "REPORTDL_URL": server.url, "TERM": "xterm", "NO_PROXY": "*"}
        for element in ("1042", "9999"):
            ours, theirs = os.openpty()
            command = [sys.executable, "-m", "reportdl", "get", element, "-f", "csv", "-o", "out/", *words]
            with subprocess.Popen(
                command, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs
            ) as running:
                os.close(theirs)
                shown = b""
                with contextlib.suppress(OSError):  # what Linux says at the end of a pty
                    while piece := os.read(ours, 65536):
                        shown += piece
                corpus.add("terminal", shown)
            os.close(ours)
            assert running.returncode == (0 if element == "1042" else 5)
        tokens = session_tokens(server)
    corpus.folder(tmp_path)
    assert tokens
    assert any(b"1042" in data for data in corpus.pieces)
    assert corpus.betrayed({KEY} | tokens) == []


@pytest.mark.rules("D39")
def test_a_credential_that_cannot_be_one_does_not_show_itself(corpus: Corpus) -> None:
    for make in (
        lambda: reportdl.Token(LEGACY + "\n" + LEGACY),
        lambda: reportdl.Bearer(BEARER + "\u20ac"),
        lambda: reportdl.ApplicationKey(application_id="", application_key=KEY, user="ann"),
        lambda: reportdl.ApplicationKey(application_id="app", application_key=KEY, user=""),
    ):
        with pytest.raises(ValueError, match=r"a token is|needs") as caught:
            make()
        # The line of the caller's own source names what it handed in, here as everywhere; the values must not show.
        corpus.error(caught.value)
    assert corpus.betrayed({KEY, BEARER, LEGACY}) == []


@pytest.mark.rules("D39")
def test_the_canaries_would_be_found() -> None:
    """Each spelling that the search knows is found in what a program would write of it."""
    for written in (
        repr(SESSION),
        f"https://x/?token={SESSION}",
        quote(SESSION, safe=""),
        quote(quote(SESSION, safe=""), safe=""),
        json.dumps({"token": SESSION}),
        json.dumps({"token": quote(SESSION)}).replace("/", "\\/"),
        base64.b64encode(f"ann:{SESSION}".encode()),
        base64.b64encode(f"a:{SESSION}".encode()),
        base64.urlsafe_b64encode(f"an:{SESSION} and more".encode()),
        SESSION.encode().hex(),
        SESSION.encode().hex(" ").upper().lower(),
        SESSION[::-1],
        quopri.encodestring(SESSION.encode()),
        SESSION.encode("utf-16"),
        repr(list(SESSION.encode())),
        pickle.dumps({"x": [SESSION]}),
    ):
        corpus = Corpus()
        corpus.add("here", written)
        assert corpus.betrayed({SESSION}), written


def corpus_of(corpus: Corpus) -> Callable[[reportdl.Progress], None]:
    return lambda progress: corpus.value("progress", progress)
