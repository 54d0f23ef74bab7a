"""Where a file goes: whole under its final name, or not at all (I10, D21-D24, D38, D44)."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportdl import spool
from reportdl.files import Clash, FileSink
from reportdl_core.errors import LocalProtocolError
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.sink import NotKept, Offer, Sink

JOB = Job(element=1042, segment=7, format="pdf")
BODY = b"%PDF-1.7 " + b"x" * 5000 + b"%%EOF"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def offer(filename: str | None = "Sales.pdf") -> Offer:
    return Offer(job=JOB, filename=filename, content_type="application/pdf", length=None)


def spooled(sink: Sink, body: bytes = BODY, filename: str | None = "Sales.pdf") -> None:
    sink.open(offer(filename))
    for start in range(0, len(body), 1000):
        sink.write(body[start : start + 1000])


def delivered(sink: Sink, body: bytes = BODY, filename: str | None = "Sales.pdf") -> Receipt:
    spooled(sink, body, filename)
    return sink.publish(length_verified=True, warnings=())


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# Into a folder


@pytest.mark.rules("I10", "D24", "R25")
def test_a_file_in_a_folder_has_the_servers_name_cleaned_and_the_receipt_says_all(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    spooled(sink, filename="../Sales?.exe")
    assert sink.publish(length_verified=False, warnings=("odd",)) == Receipt(
        path=tmp_path / "Sales_.exe.pdf",
        filename="Sales_.exe.pdf",
        content_type="application/pdf",
        size=len(BODY),
        sha256=hashlib.sha256(BODY).hexdigest(),
        length_verified=False,
        offered="../Sales?.exe",
        warnings=("odd",),
    )
    assert (tmp_path / "Sales_.exe.pdf").read_bytes() == BODY
    assert names(tmp_path) == ["Sales_.exe.pdf"]


@pytest.mark.rules("D24")
def test_without_a_name_from_the_server_the_ids_name_the_file(tmp_path: Path) -> None:
    assert delivered(FileSink(tmp_path), filename=None).path == tmp_path / "1042_7.pdf"


@pytest.mark.rules("D24")
def test_a_text_that_ends_in_a_separator_is_a_folder_and_is_created(tmp_path: Path) -> None:
    sink = FileSink(f"{tmp_path}/a/b/")
    sink.prepare(JOB)
    assert delivered(sink).path == tmp_path / "a" / "b" / "Sales.pdf"


@pytest.mark.rules("D24")
def test_the_receipts_path_is_absolute_whatever_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert delivered(FileSink(".")).path == tmp_path / "Sales.pdf"
    assert delivered(FileSink("named.pdf")).path == tmp_path / "named.pdf"


@pytest.mark.parametrize("given", ["named.pdf", "./", "."])
def test_what_was_relative_when_the_job_began_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """A program may change its directory while a report is generated."""
    (tmp_path / "asked").mkdir()
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path / "asked")
    sink = FileSink(given)
    sink.prepare(JOB)
    monkeypatch.chdir(tmp_path / "later")
    receipt = delivered(sink)
    assert receipt.path == tmp_path / "asked" / receipt.filename
    assert names(tmp_path / "asked") == [receipt.filename]
    assert names(tmp_path / "later") == []


@pytest.mark.parametrize("given", ["link/../named.pdf", "link/../"])
def test_behind_a_link_the_folder_above_is_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "below").mkdir(parents=True)
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there" / "below")
    monkeypatch.chdir(tmp_path / "here")
    sink = FileSink(given)
    sink.prepare(JOB)
    receipt = delivered(sink)
    assert receipt.path == tmp_path / "there" / receipt.filename
    assert receipt.path.exists()
    assert names(tmp_path / "here") == ["link"]


@pytest.mark.rules("D24")
def test_in_a_folder_an_existing_name_gets_a_suffix(tmp_path: Path) -> None:
    kept = [delivered(FileSink(tmp_path), body=bytes([number])).filename for number in range(3)]
    assert kept == ["Sales.pdf", "Sales (2).pdf", "Sales (3).pdf"]
    assert [(tmp_path / name).read_bytes() for name in kept] == [b"\0", b"\1", b"\2"]


@pytest.mark.rules("D24")
def test_in_a_folder_overwriting_replaces_the_file(tmp_path: Path) -> None:
    (tmp_path / "Sales.pdf").write_bytes(b"old")
    assert delivered(FileSink(tmp_path, clash=Clash.OVERWRITE)).filename == "Sales.pdf"
    assert (tmp_path / "Sales.pdf").read_bytes() == BODY
    assert names(tmp_path) == ["Sales.pdf"]


@pytest.mark.rules("D24")
def test_skipping_leaves_the_file_and_the_receipt_describes_it(tmp_path: Path) -> None:
    (tmp_path / "Sales.pdf").write_bytes(b"old")
    receipt = delivered(FileSink(tmp_path, clash=Clash.SKIP))
    assert (receipt.path, receipt.size) == (tmp_path / "Sales.pdf", 3)
    assert receipt.sha256 == hashlib.sha256(b"old").hexdigest()
    assert receipt.length_verified is False
    assert "left as it was" in receipt.warnings[-1]
    assert names(tmp_path) == ["Sales.pdf"]
    assert delivered(FileSink(tmp_path, clash=Clash.SKIP), filename="new").filename == "new.pdf"


@pytest.mark.rules("D44")
def test_skipping_for_something_that_is_no_file_keeps_the_bytes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Sales.pdf")
    with pytest.raises(NotKept) as caught:
        delivered(FileSink(tmp_path, clash=Clash.SKIP))
    assert caught.value.path == str(tmp_path / "Sales.pdf.part")
    assert (tmp_path / "Sales.pdf.part").read_bytes() == BODY


@pytest.mark.rules("D24")
@pytest.mark.parametrize("points_to", ["victim.txt", "nowhere"])
def test_a_link_with_the_name_that_the_server_chose_is_never_followed(tmp_path: Path, points_to: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "victim.txt").write_bytes(b"precious")
    (folder / "Sales.pdf").symlink_to(outside / points_to)
    assert delivered(FileSink(folder)).filename == "Sales (2).pdf"
    assert (folder / "Sales.pdf").is_symlink()
    assert delivered(FileSink(folder, clash=Clash.OVERWRITE)).filename == "Sales.pdf"
    assert not (folder / "Sales.pdf").is_symlink()
    assert names(outside) == ["victim.txt"]
    assert (outside / "victim.txt").read_bytes() == b"precious"


@pytest.mark.rules("D44")
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_overwriting_replaces_nothing_but_files(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "Sales.pdf")
    with pytest.raises(NotKept, match="not a regular file") as caught:
        delivered(FileSink(tmp_path, clash=Clash.OVERWRITE))
    assert caught.value.path == str(tmp_path / "Sales.pdf.part")
    assert names(tmp_path) == ["Sales.pdf", "Sales.pdf.part"]


# Onto a named file


@pytest.mark.rules("D24", "I10")
def test_a_named_file_is_replaced_and_hands_its_permissions_on(tmp_path: Path) -> None:
    target = tmp_path / "report.bin"
    target.write_bytes(b"old")
    target.chmod(0o604)
    with target.open("rb") as reader:  # who reads the old one goes on reading it
        receipt = delivered(FileSink(target))
        assert reader.read() == b"old"
    assert (receipt.path, receipt.filename, receipt.offered) == (target, "report.bin", "Sales.pdf")
    assert target.read_bytes() == BODY
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert names(tmp_path) == ["report.bin"]


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("clash", list(Clash))
def test_a_new_file_has_the_permissions_of_new_files(tmp_path: Path, clash: Clash) -> None:
    assert delivered(FileSink(tmp_path / "new", clash=clash)).path == tmp_path / "new"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.usefixtures("umask")
def test_a_umask_that_changes_counts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a file that was to be its owner's alone could be read by others for a second's worth of jobs."""
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        os.umask(mask)
        sink = FileSink(tmp_path)
        sink.prepare(JOB)
        receipt = delivered(sink)
        assert receipt.path is not None
        assert stat.S_IMODE(receipt.path.stat().st_mode) == mode


@pytest.mark.usefixtures("umask")
def test_where_no_file_can_be_without_a_name_one_is_made_for_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_WRONLY | os.O_DIRECTORY)  # as a file system that has none says it
    assert spool.mode_of_new_files(str(tmp_path)) == 0o640
    assert names(tmp_path) == []


@pytest.mark.rules("D24")
def test_a_named_file_can_be_left_or_stood_beside(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    target.write_bytes(b"old")
    assert delivered(FileSink(target, clash=Clash.SUFFIX)).path == tmp_path / "report (2).pdf"
    skipping = FileSink(target, clash=Clash.SKIP)
    skipping.prepare(JOB)
    assert skipping.standing is not None
    assert (skipping.standing.path, skipping.standing.size) == (target, 3)
    assert skipping.standing.content_type == "application/pdf"
    assert delivered(skipping).path == target
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("clash", [None, Clash.SUFFIX, Clash.OVERWRITE, Clash.SKIP])
def test_nothing_stands_where_the_report_has_to_be_generated(tmp_path: Path, clash: Clash | None) -> None:
    sink = FileSink(tmp_path / "report.pdf", clash=clash)
    sink.prepare(JOB)
    assert sink.standing is None
    assert names(tmp_path) == []


@pytest.mark.rules("D24")
def test_a_link_that_the_user_named_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.pdf").symlink_to(tmp_path / "there" / "real.pdf")
    for body in (b"first", b"second"):
        receipt = delivered(FileSink(tmp_path / "link.pdf"), body)
        assert (receipt.path, receipt.filename) == (tmp_path / "link.pdf", "link.pdf")
        assert (tmp_path / "there" / "real.pdf").read_bytes() == body
    assert (tmp_path / "link.pdf").is_symlink()
    assert names(tmp_path / "there") == ["real.pdf"]


# On the way


@pytest.mark.rules("I10")
@pytest.mark.parametrize("target", ["", "report.pdf"])
def test_while_bytes_come_there_is_one_hidden_file_for_its_owner_alone(tmp_path: Path, target: str) -> None:
    sink = FileSink(f"{tmp_path}/{target}")
    spooled(sink)
    [hidden] = names(tmp_path)
    assert hidden.startswith(f".reportdl-{os.getpid()}-")
    assert hidden.endswith(".part")
    assert stat.S_IMODE((tmp_path / hidden).stat().st_mode) == 0o600
    sink.discard()
    assert names(tmp_path) == []


@pytest.mark.rules("D21", "D38")
def test_a_sink_can_be_opened_again_after_it_was_discarded(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    spooled(sink, b"half")
    sink.discard()
    sink.discard()
    assert delivered(sink).size == len(BODY)
    sink.discard()
    sink.close()
    assert (tmp_path / "Sales.pdf").read_bytes() == BODY
    assert names(tmp_path) == ["Sales.pdf"]


@pytest.mark.rules("D22")
def test_what_cannot_be_verified_is_kept_beside_the_target(tmp_path: Path) -> None:
    for name in ("Sales.pdf.unverified", "Sales.pdf (2).unverified"):
        sink = FileSink(tmp_path)
        spooled(sink)
        assert sink.set_aside("no end mark") == str(tmp_path / name)
        sink.discard()
        assert (tmp_path / name).read_bytes() == BODY
    assert names(tmp_path) == ["Sales.pdf (2).unverified", "Sales.pdf.unverified"]


@pytest.mark.rules("D37")
def test_calls_out_of_order_are_the_callers_mistake(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    for misuse in (
        lambda: sink.write(b"x"),
        lambda: sink.publish(length_verified=True, warnings=()),
        lambda: sink.set_aside("x"),
    ):
        with pytest.raises(LocalProtocolError):
            misuse()
    sink.open(offer())
    with pytest.raises(LocalProtocolError):
        sink.open(offer())
    sink.discard()
    assert names(tmp_path) == []


def test_a_large_chunk_reaches_the_system_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return real(descriptor, data)

    monkeypatch.setattr("os.write", write)
    chunk = bytes(1024 * 1024)
    sink = FileSink(tmp_path)
    sink.open(offer())
    for _ in range(4):
        sink.write(chunk)
    sink.discard()
    assert len(written) == 4
    assert all(data is chunk for data in written)


@pytest.mark.rules("D38")
def test_discarding_from_another_thread_waits_for_the_write_that_is_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    closed: list[int] = []
    real_write, real_close = os.write, os.close

    def write(descriptor: int, data: bytes) -> int:
        inside.set()
        assert go_on.wait(10)
        assert descriptor not in closed
        return real_write(descriptor, data)

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real_close(descriptor)

    sink = FileSink(tmp_path)
    sink.open(offer())
    monkeypatch.setattr("os.write", write)
    monkeypatch.setattr("os.close", close)
    writer = threading.Thread(target=sink.write, args=(b"x",))
    writer.start()
    assert inside.wait(10)
    canceller = threading.Thread(target=sink.discard)
    canceller.start()
    canceller.join(0.05)
    assert canceller.is_alive()
    go_on.set()
    writer.join(10)
    canceller.join(10)
    assert names(tmp_path) == []


def test_numbers_stand_before_the_extension_and_end() -> None:
    numbers = list(spool.numbered("a/b.c/report.tar.gz"))
    assert numbers[:2] == ["a/b.c/report.tar.gz", "a/b.c/report.tar (2).gz"]
    assert numbers[-1] == "a/b.c/report.tar (9999).gz"


@pytest.mark.rules("D38")
def test_a_write_that_comes_after_the_file_was_discarded_reaches_no_other_file(tmp_path: Path) -> None:
    late = spool.Spool(str(tmp_path))
    late.remove()
    with (tmp_path / "other").open("wb"), pytest.raises(OSError, match="discarded"):
        late.write(b"x")  # the number of the closed descriptor is another file's by now
    assert (tmp_path / "other").read_bytes() == b""
