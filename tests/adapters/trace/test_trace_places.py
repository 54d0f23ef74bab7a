"""A trace can be put into a bug report as it is: no folder, no URL, no host stands in it, whoever wrote the text."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reportdl
from reportdl.files import Clash, FileSink
from reportdl.server import LoopbackServer
from reportdl.streams import StreamSink
from reportdl.testing.raw_server import Answer, RawServer, Seen
from reportdl.trace import Trace, read_trace, recording, replay
from reportdl.trace.places import MARK, event_without_places, without_places
from reportdl_core.download import Download
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    Lost,
    Refused,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.secret import Secret
from reportdl_core.sink import NotKept, Offer

Record = Callable[..., Trace]

JOB = Job(element=1042, format="pdf")
USER, FOLDER, HOST = "canary-ann", "canary folder", "canary-host.corp.example"
CANARIES = (USER, FOLDER, FOLDER.split()[0], HOST, "canary")
PLACE = f"/home/{USER}/{FOLDER}"
PLACES = [
    f"{PLACE}/Sales Dashboard.pdf",
    f"~/{FOLDER}/Sales.pdf",
    f"C:\\Users\\{USER}\\{FOLDER}\\Sales.pdf",
    f"\\\\{USER}\\{FOLDER}\\Sales.pdf",
    f"https://{USER}:secret@{HOST}:8443/{USER}?x={USER}",
    f"s3://{USER}/night",
    f"{HOST}:8443",
    HOST,
    f"{USER}@{HOST}",
]
STORY: list[tuple[float, Event]] = [
    (0.1, FormatsListed(number=1, formats=("pdf", "csv"))),
    (0.2, TokenIssued(number=2, token=Secret("abcDEF123%3D"))),
    (5.21, WaitElapsed(number=4)),
]
READY = StatusReported(number=5, status=Status.READY)
RECEIPT = Receipt(
    path=Path(f"{PLACE}/Sales.pdf"),
    filename="Sales.pdf",
    content_type="application/pdf",
    size=9,
    sha256="0",
    length_verified=True,
)


def _written(tmp_path: Path) -> str:
    return json.dumps([json.loads(line) for line in (tmp_path / "job.jsonl").read_text().splitlines()])


def _stories(place: str) -> Iterator[list[tuple[float, Event]]]:
    """Every event that can hold a text, with a place in it, and the end that it brings."""
    said = f"cannot open {place}"
    yield [(0.1, FormatsListed(number=1, formats=("csv", place)))]
    yield [(0.1, Refused(number=1, refusal=Refusal.REDIRECTED, message=f"points to {place}", code=302))]
    yield [(0.1, Refused(number=1, refusal=Refusal.ELEMENT_NOT_ALLOWED, message=said, code=403))]
    yield [*STORY, (5.3, StatusReported(number=5, status=Status.ERROR, message=said))]
    yield [*STORY, (5.3, READY), (5.4, Lost(number=6, sent=Sent.UNKNOWN, message=said))]
    for why in Kept:
        yield [*STORY, (5.3, READY), (5.4, FileNotKept(number=6, why=why, message=said, path=None))]
    kept = FileNotKept(number=6, why=Kept.FAILED, message=said, path=f"{PLACE}/Sales.pdf.part")
    yield [*STORY, (5.3, READY), (5.4, kept)]
    receipt = replace(RECEIPT, offered=f"{place}/Sales.pdf", warnings=(said,))
    yield [*STORY, (5.3, READY), (5.4, FileReceived(number=6, receipt=receipt))]


@pytest.mark.rules("D39", "I9")
@pytest.mark.parametrize("place", PLACES)
def test_no_event_brings_a_place_into_a_trace_and_its_replay_ends_the_same(
    tmp_path: Path, recorded: Record, place: str
) -> None:
    stories = list(_stories(place))
    assert len(stories) == 9
    for story in stories:
        trace = recorded(story)
        text = _written(tmp_path)
        assert [canary for canary in CANARIES if canary in text] == [], text
        done = replay(trace)
        assert done.same, done.differences
        assert done.moves == len(story) + 1


@pytest.mark.rules("D39", "D43", "I9")
def test_a_job_that_was_taken_up_again_brings_no_place_from_before(tmp_path: Path) -> None:
    download = Download(JOB, seed=7, now=0.0)
    said = f"cannot reach https://{HOST}/{USER}"
    for at, event in [*STORY, (5.3, StatusReported(number=5, status=Status.IN_PROGRESS))]:
        download.receive(event, now=at)
    download.receive(Lost(number=3, sent=Sent.UNKNOWN, message=said), now=5.4)
    snapshot = json.loads(json.dumps(download.snapshot(now=6.0)))
    assert HOST in json.dumps(snapshot)
    again = Download.restore(snapshot, job=JOB, token=download.token, now=0.0, elapsed=1.0)
    again.recover(now=0.0)
    observer = recording(tmp_path / "job.jsonl")(again)
    observer.moved(None, again.outstanding, now=0.0)
    when, woken = max(again.alarm[0], 0.0), again.alarm[1]
    observer.moved(woken, again.receive(woken, now=when), now=when)
    over = Refused(number=again.outstanding[0].number, refusal=Refusal.OTHER, message=said, code=400)
    observer.moved(over, again.receive(over, now=when + 1), now=when + 1)
    observer.close()
    assert again.outcome is not None
    assert "canary" not in _written(tmp_path)
    assert replay(read_trace(tmp_path / "job.jsonl")).same


# -- what our own sinks say keeps its reason ---------------------------------------------------------------------------


def _not_kept(error: Exception) -> FileNotKept:
    if isinstance(error, NotKept):
        return FileNotKept(number=1, why=Kept.FAILED, message=error.message, path=error.path)
    assert isinstance(error, OSError)
    return FileNotKept(number=1, why=Kept.FAILED, message=error.strerror or str(error))


def _offer() -> Offer:
    return Offer(job=JOB, filename="Sales.pdf", content_type="application/pdf", length=None)


def _unpublished(sink: FileSink | StreamSink) -> FileNotKept:
    with pytest.raises(NotKept) as raised:
        sink.publish(length_verified=True, warnings=())
    return _not_kept(raised.value)


class _Deaf:
    def write(self, data: bytes) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        """Nothing to do."""


@pytest.mark.rules("D39", "D44")
@pytest.mark.parametrize("folder", ["canary folder", "canary; a: b's could not be", "canary (2)"])
def test_what_a_sink_says_keeps_its_reason_and_loses_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    home = tmp_path / "ann-canary" / folder
    home.mkdir(parents=True)
    told: list[str] = []

    def tell(event: FileNotKept) -> None:
        found = event_without_places(event)
        assert isinstance(found, FileNotKept)
        assert "canary" not in f"{found.message} {found.path}", found
        told.append(found.message)

    # The name is taken by a folder, once the file is there.
    sink = FileSink(home / "Sales.pdf")
    sink.prepare(JOB)
    sink.open(_offer())
    sink.write(b"%PDF")
    (home / "Sales.pdf").mkdir()
    tell(_unpublished(sink))
    # A file stands there that cannot be read: a folder has its name.
    sink = FileSink(f"{home}/", clash=Clash.SKIP)
    sink.open(_offer())
    tell(_unpublished(sink))
    # The disk says no, in the middle and at the end.
    for call in ("write", "seal"):
        sink = FileSink(f"{home}/")
        sink.open(_offer())
        with monkeypatch.context() as patched:
            patched.setattr(f"reportdl.spool.Spool.{call}", _full)
            if call == "seal":
                tell(_unpublished(sink))
            else:
                with pytest.raises(OSError, match="Input/output") as raised:
                    sink.write(b"%PDF")
                tell(_not_kept(raised.value))
    # No folder any more.
    with pytest.raises(OSError, match="cannot write to") as gone:
        FileSink(home / "no" / "Sales.pdf").open(_offer())
    tell(_not_kept(gone.value))
    # A stream.
    stream = StreamSink(_Deaf(), directory=home)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.open(_offer())
    stream.write(b"%PDF")
    tell(_unpublished(stream))
    assert told == [
        f"{MARK} could not be written: something that is not a regular file has this name; its 4 bytes are kept as "
        f"{MARK}",
        f"{MARK} is there and cannot be read: Is a directory; its 0 bytes are kept as {MARK}",
        f"cannot write into {MARK}; nothing was kept: Input/output error",
        f"{MARK} could not be made durable: Input/output error; its 0 bytes are kept as {MARK}",
        f"cannot write to {MARK}: there is no folder {MARK}",
        f"the stream did not take the file: Input/output error; its 4 bytes are kept as {MARK}",
    ]
    assert os.listdir(home)


def _full(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_a_sink_of_a_caller_s_own_brings_no_relative_folder_either() -> None:
    event = FileNotKept(number=1, why=Kept.FAILED, message=f"no room in reports/{USER}/x of Ann's", path="x/y.part")
    assert event_without_places(event) == replace(event, message=f"no room in {MARK}", path="y.part")


# -- what stays --------------------------------------------------------------------------------------------------------

STAYS = [
    "Data source 'Warehouse' is offline",
    "points to the same origin",
    "200 with text/html instead of a JSON object",
    "Input/output error",
    "and/or 24/7, 12:30:45, 27/11/2026, 7.2.1, e.g. a.out (_ssl.c:1006)",
    "java.lang.NullPointerException",
    "the server calls it text/html, application/pdf was expected",
    "0 of 12 bytes came",
    MARK,
]


@pytest.mark.parametrize("text", STAYS)
def test_a_text_without_a_place_stays_as_it_is(text: str) -> None:
    assert without_places(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("points to https://mi.example.com:8443", "points to …"),
        ("Plugin error in /opt/mi/plugins/tableau.php: timeout", "Plugin error in …: timeout"),
        ("cannot open '/srv/My Reports/x.pdf' (line 3)", "cannot open '…' (line 3)"),
        ("C:\\Program Files\\BI\\x.pdf is missing", "… is missing"),
        ("/srv/My Reports/x.pdf, and more", "…, and more"),
        ("java.net.UnknownHostException: dwh.corp.local", "java.net.UnknownHostException: …"),
        ("no route to 10.0.0.7:5432 or [fe80::1:2:3]:80", "no route to … or …"),
        (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'intranet'. (_ssl.c:1006)",
            "certificate verify failed: Hostname mismatch, certificate is not valid for …. (_ssl.c:1006)",
        ),
        ("/home/ann failed: Input/output error", "… failed: Input/output error"),
    ],
)
def test_a_place_is_cut_out_and_the_rest_stays(text: str, shown: str) -> None:
    assert without_places(text) == shown


@given(st.text(max_size=60) | st.from_regex(r"[a-z'/\\:;. ~@\[\]0-9…-]{0,40}", fullmatch=True))
def test_what_was_cut_out_once_has_nothing_left_to_cut_out_and_no_format_is_made(text: str) -> None:
    once = without_places(text)
    assert without_places(once) == once
    assert once == text or MARK in once


# -- over real HTTP ----------------------------------------------------------------------------------------------------


@pytest.mark.rules("D31", "D39", "I9")
def test_a_redirect_brings_no_host_into_a_trace(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Answer:
        lines = ("HTTP/1.1 302 Found", f"Location: https://{USER}@{HOST}/{USER}", "Content-Length: 0", "", "")
        return Answer(data="\r\n".join(lines).encode())

    with (
        RawServer(answer) as server,
        reportdl.Client(server.url, credentials=reportdl.Token("x")) as client,
        pytest.raises(reportdl.DownloadError, match=HOST),
    ):
        client.download(1042, format="pdf", to=tmp_path / "out/", observe=recording(tmp_path / "job.jsonl"))
    assert "canary" not in _written(tmp_path)
    assert replay(read_trace(tmp_path / "job.jsonl")).same


@pytest.mark.rules("D39", "D44", "I9")
def test_a_file_that_cannot_be_kept_brings_no_folder_into_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reportdl.spool.Spool.seal", _full)
    folder = tmp_path / "ann-canary" / FOLDER
    folder.mkdir(parents=True)
    with (
        LoopbackServer(generation_seconds=0) as server,
        reportdl.Client(server.url, credentials=reportdl.Token("x")) as client,
        pytest.raises(reportdl.DownloadError, match="could not be made durable"),
    ):
        client.download(1042, format="csv", to=folder, observe=recording(tmp_path / "job.jsonl"))
    text = _written(tmp_path)
    assert "canary" not in text
    assert str(tmp_path) not in text
    assert "Input/output error" in text
    assert ".csv.unverified" in text
    assert replay(read_trace(tmp_path / "job.jsonl")).same
