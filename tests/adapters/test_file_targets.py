"""A target that cannot take a file is found before a generation of half an hour is started (D44)."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from reportdl.files import Clash, Destination, FileSink, StreamSink, TargetUnusable, destination
from reportdl_core.job import Job
from reportdl_core.sink import Offer, Sink

JOB = Job(element=1042, segment=7, format="pdf")


def offer(filename: str | None = "Sales.pdf") -> Offer:
    return Offer(job=JOB, filename=filename, content_type="application/pdf", length=None)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.rules("D44")
@pytest.mark.parametrize(
    "target",
    [
        "",
        "a\0b",
        "\udfff\ud800",
        "missing/report.pdf",
        "file/report.pdf",
        "file/",
        "pipe",
        "loop",
        "x" * 300,
        "/proc/x",
    ],
)
def test_a_target_that_cannot_be_used_is_found_before_a_generation_starts(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = names(tmp_path)
    with pytest.raises(TargetUnusable) as caught:
        destination(f"{tmp_path}/{target}" if target else "", job=JOB)
    assert caught.value.path is None
    assert names(tmp_path) == before


def test_what_is_no_file_system_is_refused() -> None:
    with pytest.raises(TargetUnusable, match="No such file"):
        destination("/proc/report.pdf", job=JOB)


def test_the_device_that_swallows_everything_is_not_replaced_by_a_file() -> None:
    with pytest.raises(TargetUnusable, match="not a regular file"):
        destination("/dev/null", job=JOB)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_destination_is_prepared_and_typed(tmp_path: Path) -> None:
    made: list[Destination] = [
        destination(tmp_path, job=JOB, clash=Clash.SKIP),
        destination(str(tmp_path), job=JOB),
        destination(io.BytesIO(), job=JOB),
    ]
    sinks: list[Sink] = [*made]
    assert [type(sink) for sink in sinks] == [FileSink, FileSink, StreamSink]
    assert names(tmp_path) == []
    assert repr(made[0]) == f"FileSink({os.fspath(tmp_path)!r}, clash=Clash.SKIP)"


def test_opening_without_preparing_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot write to .*there is no folder"):
        FileSink(tmp_path / "missing" / "report.pdf").open(offer())
    with pytest.raises(TargetUnusable):
        FileSink(f"{tmp_path}/a\0b").open(offer())
