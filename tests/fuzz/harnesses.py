"""What is fuzzed: seven ways into the core, each a function of bytes that lets nothing out but documented errors (I11).

A harness raises AssertionError, or whatever the core raised that it must not; that is a finding. `fuzz.py` feeds them
for as long as one likes, `test_fuzz_corpus.py` feeds them what was kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from reportdl.testing.answering import POLICIES, good
from reportdl.testing.journey import Journey
from reportdl.testing.memory_sink import MemorySink
from reportdl_core import (
    Check,
    Download,
    Get,
    Init,
    Job,
    ListFormats,
    LocalProtocolError,
    Policy,
    Refused,
    Request,
    Run,
    Secret,
    Session,
)
from reportdl_core.disposition import format_disposition, parse_disposition
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    Answer,
    Called,
    Disconnected,
    FileMissing,
    FileSent,
    Generate,
    Generated,
    GenerationFailed,
    Kind,
    Refuse,
    Reply,
    Report,
    SendBroken,
    SendFile,
    Token,
)
from reportdl_core.exchange import Exchange
from reportdl_core.http_head import Head
from reportdl_core.lifecycle import FINAL, State
from reportdl_core.names import file_name, server_name
from reportdl_core.wire import answer
from reportdl_core.wire_endpoint import file_headers, parse, response

__all__ = ["HARNESSES"]

JOB = Job(element=1042, segment=3, format="pdf")
TOKEN = Secret("abcDEF123%3D")
REQUESTS: tuple[Request, ...] = (
    ListFormats(number=1, job=JOB, deadline=30.0),
    Init(number=1, job=JOB, deadline=30.0),
    Run(number=1, job=JOB, token=TOKEN, deadline=30.0),
    Check(number=1, job=JOB, token=TOKEN, deadline=30.0),
    Get(number=1, job=JOB, token=TOKEN, deadline=30.0),
)
SMALL = Policy(max_bytes=4096)
# What a caller asks next of a session that has come so far; of any other, or of none, a new one.
ONWARD = {State.INIT: "run", State.RUNNING: "check", State.READY: "get"}


class Source:
    """Bytes as choices: the first ones decide, and when there are no more, zero does."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def rest(self) -> bytes:
        rest, self.at = self.data[self.at :], len(self.data)
        return rest

    def choose(self, among: Any) -> Any:
        return among[self.byte() % len(among)]

    @property
    def over(self) -> bool:
        return self.at >= len(self.data)


def envelope(data: bytes) -> None:
    """A body as the answer to any command: an event that names the command, and never the token in a message."""
    source = Source(data)
    command = source.choose(REQUESTS)
    code = source.choose((200, 200, 200, 206, 302, 400, 401, 403, 404, 405, 408, 412, 429, 500, 503))
    event = answer(command, Head.of(code, ()), source.rest())
    assert event.number == 1
    if isinstance(event, Refused):
        assert isinstance(command, ListFormats | Init) or TOKEN.reveal() not in event.message  # those have none yet
        assert len(event.message) <= 300
        assert event.message.isprintable()


def headers(data: bytes) -> None:
    """A header map, and a body cut in two, as the answer to `get`: kept whole, kept aside, refused or lost."""
    head, _, body = data.partition(b"\n\n")
    pairs = [line.partition(":")[::2] for line in head.decode("latin-1").split("\n") if line]
    for code in (200, 302, 429, 503):
        found = Head.of(code, pairs)
        assert found.retry_after is None or found.retry_after >= 0
        assert found.length is None or found.length >= 0
        assert found.location_origin.isprintable()
        assert isinstance(found.coding + found.media_type, str)
    sink = MemorySink()
    exchange = Exchange(REQUESTS[4], policy=SMALL, sink=sink)
    wanted = exchange.head(200, pairs)
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        wanted = wanted and exchange.feed(piece)
    event = exchange.finish()
    assert event.number == 1
    assert not sink.open_now
    if sink.published is not None:
        length = Head.of(200, pairs).length
        assert length is None or length == len(body)
        assert len(sink.published) <= SMALL.max_bytes


def disposition(data: bytes) -> None:
    """Content-Disposition, and the names that come of it: usable on every platform, never a way out of a folder."""
    text = data.decode("latin-1")
    found = parse_disposition(text)
    name = file_name(found.filename, job=JOB)
    assert name.endswith(".pdf")
    assert name not in (".pdf", "..pdf")
    assert not set('/\\:*?"<>|\0') & set(name)
    assert 0 < len(name.encode()) <= 255
    whole = server_name(data.decode("utf-8", "replace"), "pdf", element=1)
    assert parse_disposition(format_disposition(whole)).filename == whole


def session(data: bytes) -> None:
    """Any order of events, under the auditor: every invariant of a job."""
    source = Source(data)
    journey = Journey(JOB, source.choose, policy=source.choose(POLICIES), seed=source.byte())
    while not (journey.over or source.over):
        match source.byte() % 9:
            case 0 | 1 | 2:
                journey.answer(well=True)
            case 3:
                journey.answer(well=False)
            case 4:
                journey.ring(source.choose((0.0, 0.3, 40.0)))
            case 5:
                journey.wait(source.choose((0.0, 0.5, 4.0, 60.0, 301.0)))
            case 6:
                journey.late()
            case 7:
                journey.misuse()
            case _:
                journey.die(source.choose((0.0, 10.0, 299.0, 300.0, 86_400.0)))


def endpoint_requests(data: bytes) -> None:
    """Request lines as they come over the wire, several to one endpoint: always an answer, always with a body."""
    endpoint = Endpoint()
    report = Report(
        element=1042, segment=3, name="Sales", kind=Kind.EXTERNAL_REPORT, formats=("pdf", "csv"), allowed=True
    )
    for number, line in enumerate(data.split(b"\n")[:12], start=1):
        path, _, query = line.partition(b"?")
        asked = parse("GET", path.decode("latin-1"), query)
        replies: list[Reply]
        if isinstance(asked, Refuse):
            replies = [asked]
        else:
            here = (asked.element, asked.segment) == (1042, 3)
            call = Called(
                number=number,
                user="ann",
                element=asked.element,
                segment=asked.segment,
                state=asked.state,
                token=asked.token,
                format=asked.format,
                report=report if here else None,
                fresh_token=Secret(f"t+/={number}"),
            )
            commands = endpoint.receive(call, now=float(number))
            for begun in [one for one in commands if isinstance(one, Generate)]:  # and the file is there at once
                commands += endpoint.receive(Generated(session=begun.session), now=float(number))
            replies = [one.answer for one in commands if isinstance(one, Answer)]
            assert replies or any(isinstance(one, SendFile) for one in commands), "no answer"
        for reply in replies:
            code, said, body = response(reply)
            assert 200 <= code < 600
            assert dict(said)["Content-Length"] == str(len(body))
            assert set(json.loads(body)) <= {"status", "formats", "token", "message"}
    assert all(header.isprintable() for _, header in file_headers(report, "pdf", len(data)))


def endpoint_events(data: bytes) -> None:
    """Any order of calls and of what becomes of files: LocalProtocolError for what cannot be, and one file a token.

    A token is called after its session's number. The last one is asked for more often than not, for what it has come
    to, and little time goes by: or no walk would come as far as a file. Whatever a user sends is answered.
    """
    source = Source(data)
    endpoint, now, sent, issued = Endpoint(), 0.0, dict[int, int](), 0
    delivered: list[int] = []
    report = Report(element=1, segment=0, name="a", kind=Kind.EXTERNAL_REPORT, formats=("pdf",), allowed=True)
    number = 0
    while not source.over:
        number += 1
        now += source.choose((*[0.0] * 9, 1.0, 100.0, 301.0))
        which = issued - source.choose((0, 0, 0, 0, 1, 2, -1))
        event: Any
        match source.byte() % 8:
            case 0 | 1 | 2 | 3:
                onward = ONWARD.get(endpoint.sessions[-1].state, "init") if endpoint.sessions else "init"
                event = Called(
                    number=number,
                    user=source.choose(("ann", "ann", "ann", "bob")),
                    element=1,
                    segment=0,
                    state=source.choose((*[onward] * 7, "init", "run", "check", "get", "formats", "RUN", "")),
                    token=f"t{which}",
                    format=source.choose(("pdf", "pdf", "pdf", "csv", None)),
                    report=report,
                    fresh_token=Secret(f"t{issued + 1}"),
                )
            case 4:
                event = Generated(session=which)
            case 5:
                event = GenerationFailed(session=which, message="no")
            case 6:
                call = source.choose(sorted(sent) or (0,))
                event = source.choose(
                    (FileSent(number=call), SendBroken(number=call, sent=1), FileMissing(number=call))
                )
            case _:
                event = Disconnected(number=source.byte())
        try:
            commands = endpoint.receive(event, now=now)
        except LocalProtocolError:
            assert not isinstance(event, Called), "what a user sent was called a mistake of the caller's"
            continue
        issued += sum(isinstance(one, Answer) and isinstance(one.answer, Token) for one in commands)
        sent |= {one.number: one.session for one in commands if isinstance(one, SendFile)}
        if isinstance(event, FileSent | SendBroken | FileMissing):
            session = sent.pop(event.number)
            delivered += [session] if isinstance(event, FileSent) else []
    assert len(delivered) == len(set(delivered)), "one token, two files (I5)"
    assert all(view.generations <= 1 for view in endpoint.sessions)


def snapshots(data: bytes) -> None:
    """Any JSON as a snapshot, and a true one with a part exchanged: refused as misuse, or a session that is legal."""
    source = Source(data)
    steps = source.byte() % 8
    download = Download(JOB, now=0.0)
    for _ in range(steps):
        if download.outcome is None:
            when, late = download.alarm
            command = download.outstanding[source.byte() % len(download.outstanding)]
            event = late if source.byte() % 4 == 0 else good(command, source.choose, 1)
            download.receive(event, now=when)
    written: Any = json.loads(json.dumps(download.snapshot(now=4000.0)))
    try:
        foreign = json.loads(source.rest() or b"null")
    except (ValueError, RecursionError):
        return
    written = graft(written, foreign, data)
    for kind, value in ((Download, written), (Session, written.get("session") if isinstance(written, dict) else None)):
        for token in (download.token, None):
            try:
                restored = kind.restore(
                    value if isinstance(value, dict) else {}, job=JOB, token=token, now=1e6, elapsed=3.0
                )
            except LocalProtocolError:
                continue
            legal(restored)


def graft(written: Any, foreign: Any, data: bytes) -> Any:
    """`foreign` in the place of some part of the snapshot; which one, the data's length says."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(written)
    holder, key = places[(len(data) * 7 + data[-1] if data else 0) % len(places)]
    holder[key] = foreign
    return written


def legal(restored: Any) -> None:
    """Nothing that a session never shows; and whatever comes next, it ends."""
    assert (restored.outcome is None) == bool(restored.outstanding)
    assert (restored.state in FINAL) == (restored.outcome is not None)
    now = 1e6
    for _ in range(1_000):
        if restored.outcome is not None:
            return
        now = max(now, restored.alarm[0])
        restored.receive(restored.alarm[1], now=now)
    raise AssertionError("a thousand alarms, and no end (I8)")


HARNESSES: dict[str, Callable[[bytes], None]] = {
    "envelope": envelope,
    "headers": headers,
    "disposition": disposition,
    "session": session,
    "endpoint_requests": endpoint_requests,
    "endpoint_events": endpoint_events,
    "snapshots": snapshots,
}
