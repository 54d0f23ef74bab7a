"""What dead processes left is swept; what lives, or was kept on purpose, is not (I10, D44)."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportdl import spool, spooling
from reportdl.files import FileSink
from reportdl_core.job import Job
from reportdl_core.sink import NotKept, Offer

JOB = Job(element=1042, segment=7, format="pdf")
OFFER = Offer(job=JOB, filename="Sales.pdf", content_type="application/pdf", length=None)
BODY = b"%PDF%%EOF"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    spooling.sweep_once.cache_clear()
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".reportdl-")]


def swept(folder: Path) -> list[Path]:
    """What is hidden once the spools of the dead are swept."""
    for path in hidden(folder):
        os.utime(path, (0, 0))
    spool.sweep(str(folder))
    return hidden(folder)


def spool_file(folder: Path, name: str = ".reportdl-1-00.part", *, age: float, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(b"half")
    path.chmod(mode)
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.mark.rules("I10", "D44")
def test_a_sweep_removes_what_is_old_and_unlocked_and_ours(tmp_path: Path) -> None:
    spool_file(tmp_path, age=61)
    left = {
        spool_file(tmp_path, ".reportdl-2-00.part", age=30),
        spool_file(tmp_path, ".reportdl-3-00.part", age=1e6, mode=0o400),
        spool_file(tmp_path, "reportdl-4-00.part", age=1e6),
        spool_file(tmp_path, ".reportdl-5-00.pdf", age=1e6),
    }
    (tmp_path / ".reportdl-6-00.part").symlink_to(tmp_path / "reportdl-4-00.part")
    os.mkfifo(tmp_path / ".reportdl-7-00.part")
    os.utime(tmp_path / ".reportdl-7-00.part", (0, 0))
    (tmp_path / ".reportdl-8-00.part").mkdir()
    assert spool.sweep(str(tmp_path)) == 1
    others = {tmp_path / f".reportdl-{number}-00.part" for number in (6, 7, 8)}
    assert set(tmp_path.iterdir()) == left | others


@pytest.mark.rules("I10")
def test_a_sweep_leaves_what_is_being_written_however_old(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    sink.open(OFFER)
    assert swept(tmp_path) == hidden(tmp_path) != []
    sink.discard()


def test_a_sweep_of_what_is_no_folder_finds_nothing(tmp_path: Path) -> None:
    assert spool.sweep(str(tmp_path / "missing")) == 0


def test_preparing_sweeps_a_folder_once(tmp_path: Path) -> None:
    spool_file(tmp_path, age=100)
    FileSink(tmp_path).prepare(JOB)
    assert hidden(tmp_path) == []
    again = spool_file(tmp_path, age=100)
    FileSink(tmp_path).prepare(JOB)
    assert hidden(tmp_path) == [again]


@pytest.mark.rules("D44")
@pytest.mark.parametrize("aside", ["publish", "set aside"])
def test_bytes_that_can_take_no_name_at_all_stay_where_they_are_and_are_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aside: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    sink = FileSink(tmp_path / "Sales.pdf")
    sink.open(OFFER)
    sink.write(BODY)
    [spooled] = hidden(tmp_path)
    for name in ("os.link", "os.rename", "os.replace"):
        monkeypatch.setattr(name, refuse)
    if aside == "publish":
        with pytest.raises(NotKept, match="Permission denied") as caught:
            sink.publish(length_verified=True, warnings=())
        assert caught.value.path == str(spooled)
        assert str(spooled) in caught.value.message
    else:
        assert sink.set_aside("no end mark") == str(spooled)
    sink.discard()
    assert stat.S_IMODE(spooled.stat().st_mode) == 0o400
    assert swept(tmp_path) == [spooled]
    assert spooled.read_bytes() == BODY
