"""Every call to the system fails once, in every way, and no file is ever half there, lost or leaked (I10, D44)."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reportdl import files, spool, spooling, streams
from reportdl.files import Clash, FileSink, StreamSink
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.sink import NotKept, Offer

JOB = Job(element=1042, segment=7, format="pdf")
OFFER = Offer(job=JOB, filename="Sales.pdf", content_type="application/pdf", length=None)
OLD, BODY = b"old", b"%PDF" + b"x" * 3000 + b"%%EOF"
ERRORS: list[OSError | MemoryError] = [
    *(OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT)),
    *(OSError(number, os.strerror(number)) for number in (errno.EINTR, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL)),
    *(OSError(number, os.strerror(number)) for number in (errno.EROFS, errno.ENOENT, errno.EMFILE)),
    MemoryError(),
]
CALLS = frozenset(
    {"open", "write", "read", "lseek", "fsync", "fchmod", "chmod", "link", "rename", "replace", "unlink", "close"}
    | {"fstat", "lstat", "makedirs", "listdir"}
)


class System:
    """The `os` module with a list of the calls made; number `failing` of them raises `error`."""

    def __init__(self, failing: int = -1, error: BaseException | None = None) -> None:
        self.failing, self.error = failing, error
        self.calls: list[str] = []
        self.path = os.path

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        return self._counted(name, real) if name in CALLS else real

    def _counted(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            self.calls.append(name)
            if len(self.calls) - 1 != self.failing or self.error is None:
                return real(*arguments, **options)
            if name == "close":
                real(*arguments)  # the descriptor is gone even where close fails
            raise self.error

        return call

    def install(self, monkeypatch: pytest.MonkeyPatch) -> System:
        for module in (files, spool, spooling, streams):
            monkeypatch.setattr(module, "os", self)
        return self


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    spooling.sweep_once.cache_clear()
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


def attempt(sink: FileSink | StreamSink) -> Receipt | NotKept | BaseException:
    """What an exchange does with a sink; only what the contract allows is caught."""
    try:
        sink.open(OFFER)
        for start in range(0, len(BODY), 1000):
            sink.write(BODY[start : start + 1000])
        return sink.publish(length_verified=True, warnings=())
    except (OSError, NotKept, MemoryError) as error:
        return error
    finally:
        sink.discard()


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".reportdl-")]


def swept(folder: Path) -> list[Path]:
    """What is hidden once the spools of the dead are swept."""
    for path in hidden(folder):
        os.utime(path, (0, 0))
    spool.sweep(str(folder))
    return hidden(folder)


SCENES: dict[str, tuple[str, Clash | None, bool]] = {
    "new in a folder": ("", None, False),
    "beside one in a folder": ("", None, True),
    "over one in a folder": ("", Clash.OVERWRITE, True),
    "skipped in a folder": ("", Clash.SKIP, True),
    "new by name": ("Sales.pdf", None, False),
    "over one by name": ("Sales.pdf", None, True),
}


def scene(folder: Path, name: str) -> FileSink:
    target, clash, there = SCENES[name]
    folder.mkdir()
    if there:
        (folder / "Sales.pdf").write_bytes(OLD)
    return FileSink(f"{folder}/{target}", clash=clash)


def length_of(tmp_path: Path, name: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        system = System().install(patch)
        assert isinstance(attempt(scene(tmp_path / "counted", name)), Receipt)
    return len(system.calls)


@pytest.mark.rules("I10", "D21", "D38", "D44")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode.get(getattr(error, "errno", 0), "ENOMEM"))
@pytest.mark.parametrize("name", SCENES)
def test_whichever_call_fails_the_file_is_whole_or_not_there_and_the_error_says_what_was_kept(
    tmp_path: Path, name: str, error: OSError | MemoryError
) -> None:
    there = SCENES[name][2]
    calls = length_of(tmp_path, name)
    assert calls > 12
    for failing in range(calls):
        folder = tmp_path / str(failing)
        with pytest.MonkeyPatch.context() as patch:
            System(failing, error).install(patch)
            ended = attempt(scene(folder, name))
        left = swept(folder)
        shown = {path.name: path.read_bytes() for path in folder.iterdir() if path not in left}
        standing = shown.pop("Sales.pdf", None)
        # Under a name that was asked for there is the old file or the whole new one.
        assert standing in ({OLD, BODY} if there else {None, BODY})
        assert set(shown.values()) <= {BODY}
        assert set(shown) <= {"Sales (2).pdf", "1042_7.pdf", "Sales.pdf.part", "Sales.pdf.unverified"}
        match ended:
            case Receipt():
                assert ended.path is not None
                assert ended.path.stat().st_size == ended.size
                assert left == []
            case NotKept():
                # A whole file is never lost to one fault, and a sweep leaves what an error has named.
                assert ended.path is not None
                assert Path(ended.path).read_bytes() == BODY
                assert ended.path in ended.message
                assert standing == (OLD if there else None)
            case _:
                assert standing == (OLD if there else None)
                assert left == []
                assert shown == {}


@pytest.mark.rules("I10", "D44")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode.get(getattr(error, "errno", 0), "ENOMEM"))
def test_a_stream_gets_the_whole_file_or_the_error_names_it(tmp_path: Path, error: OSError | MemoryError) -> None:
    for failing in range(12):
        folder = tmp_path / str(failing)
        folder.mkdir()
        stream = io.BytesIO()
        with pytest.MonkeyPatch.context() as patch:
            System(failing, error).install(patch)
            ended = attempt(StreamSink(stream, directory=folder))
        left = swept(folder)
        if isinstance(ended, NotKept):
            assert ended.path is not None
            assert Path(ended.path).read_bytes() == BODY
        else:
            assert left == []
            assert stream.getvalue() == (BODY if isinstance(ended, Receipt) else b"")


@pytest.mark.rules("D44")
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_without_hard_links_names_are_taken_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.link", link)
    for name in ("Sales.pdf", "Sales (2).pdf", "Sales (3).pdf"):
        ended = attempt(FileSink(tmp_path))
        assert isinstance(ended, Receipt)
        assert ended.path == tmp_path / name
        assert (tmp_path / name).read_bytes() == BODY
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_flush_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fsync)
    ended = attempt(FileSink(tmp_path))
    assert isinstance(ended, Receipt)
    assert ended.warnings == ()


@pytest.mark.rules("I10")
def test_file_then_name_are_made_durable_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = System().install(monkeypatch)
    attempt(FileSink(tmp_path))
    order = [call for call in system.calls if call in ("write", "fsync", "link", "replace")]
    assert order == ["write"] * 4 + ["fsync", "link", "fsync"]


@pytest.mark.rules("D44")
def test_a_folder_that_cannot_be_flushed_is_a_warning_because_the_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    ended = attempt(FileSink(tmp_path))
    assert isinstance(ended, Receipt)
    assert "power failure" in ended.warnings[-1]


def test_short_writes_are_completed_and_a_write_of_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: real(descriptor, bytes(data[:7])))
    assert isinstance(attempt(FileSink(tmp_path)), Receipt)
    assert (tmp_path / "Sales.pdf").read_bytes() == BODY
    monkeypatch.setattr("os.write", lambda *_: 0)
    ended = attempt(FileSink(tmp_path))
    assert isinstance(ended, OSError)
    assert ended.errno == errno.EIO
    assert "nothing was kept" in str(ended.strerror)


@pytest.mark.rules("D24")
def test_a_name_that_the_file_system_cannot_hold_gives_way_to_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link(source: str, target: str) -> None:
        if target.endswith("Sales.pdf"):
            raise OSError(errno.EILSEQ, "Illegal byte sequence")
        real(source, target)

    monkeypatch.setattr("os.link", link)
    ended = attempt(FileSink(tmp_path))
    assert isinstance(ended, Receipt)
    assert (ended.filename, ended.offered) == ("1042_7.pdf", "Sales.pdf")


def test_a_link_whose_answer_was_lost_finds_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: str, target: str) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr("os.link", link)
    ended = attempt(FileSink(tmp_path))
    assert isinstance(ended, Receipt)
    assert [path.name for path in tmp_path.iterdir()] == ["Sales.pdf"]


@pytest.mark.rules("D44")
def test_a_spool_that_somebody_removed_is_lost_and_the_error_says_so(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    sink.open(OFFER)
    sink.write(BODY)
    hidden(tmp_path)[0].unlink()
    with pytest.raises(NotKept, match="nothing of it could be kept") as caught:
        sink.publish(length_verified=True, warnings=())
    assert caught.value.path is None
    assert list(tmp_path.iterdir()) == []
