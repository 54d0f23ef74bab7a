"""Decides where a file waits between the server and its destination: whole, under a name that tells its row.

The server gives a file once, so what came is kept here until it is where it belongs: a kill or a failed upload in
between costs no second generation. A name in here means whole and verified (I10). Must never remove a file that has
not been delivered.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, final

from reportdl.files import Clash, FileSink
from reportdl.spool import FAILURES
from reportdl.spooling import TargetUnusable, reason_of
from reportdl_core.errors import LocalProtocolError
from reportdl_core.job import Job
from reportdl_core.names import file_name
from reportdl_core.outcome import Receipt
from reportdl_core.sink import Offer

__all__ = ["Held", "Holding", "HoldingSink", "held_from"]

_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A whole file that waits. `path` is where, `filename` what the server called it, made safe."""

    path: str
    filename: str
    size: int
    sha256: str


@final
class Holding:
    """The folder in which the files of one batch wait."""

    def __init__(self, folder: str) -> None:
        self.folder: str = os.path.abspath(folder)

    def prepare(self) -> None:
        """Make the folder. Raises TargetUnusable."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except FAILURES as error:
            raise TargetUnusable(f"cannot write to {self.folder!r}: {reason_of(error)}") from error

    def clear(self) -> None:
        """Remove what a dead process left half-written there. Only for whoever has the batch to itself."""
        for name in os.listdir(self.folder):
            if name.startswith(".") and name.endswith(".part"):
                with suppress(*FAILURES):
                    os.unlink(os.path.join(self.folder, name))

    def waiting(self) -> dict[int, str]:
        """The files that wait, by row: their paths."""
        found: dict[int, str] = {}
        for name in os.listdir(self.folder):
            row, dash, _ = name.partition("-")
            if dash and len(row) >= _DIGITS and row.isdigit() and not name.endswith((".unverified", ".part")):
                found[int(row)] = os.path.join(self.folder, name)
        return found

    def held(self, path: str) -> Held:
        """What waits at a path. Reads it whole; raises OSError."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
        return Held(path=path, filename=os.path.basename(path).partition("-")[2], size=size, sha256=digest)

    def sink(self, row: int) -> HoldingSink:
        """Where the file of a row goes when it comes."""
        return HoldingSink(self.folder, row)

    def put_away(self) -> None:
        """Remove the folder, if nothing waits in it any more."""
        try:
            os.rmdir(self.folder)
        except OSError:
            return


@final
class HoldingSink:
    """A `reportdl_core.sink.Sink` whose file's name begins with its row; the rest is what the server calls it."""

    __slots__ = ("_folder", "_inner", "_row")

    def __init__(self, folder: str, row: int) -> None:
        self._folder, self._row = folder, row
        self._inner: FileSink | None = None

    def open(self, offer: Offer) -> None:
        """Begin a file. Raises OSError, TargetUnusable."""
        name = f"{self._row:0{_DIGITS}}-{file_name(offer.filename, job=offer.job)}"
        self._inner = FileSink(os.path.join(self._folder, name), clash=Clash.OVERWRITE)
        self._inner.open(offer)

    def _opened(self) -> FileSink:
        if self._inner is None:
            raise LocalProtocolError("the sink is not open")
        return self._inner

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises OSError."""
        self._opened().write(data)

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        """Make it durable and give it its name in the folder. Raises NotKept."""
        return self._opened().publish(length_verified=length_verified, warnings=warnings)

    def set_aside(self, reason: str) -> str | None:
        """Keep the bytes as `.unverified` in the folder (D22)."""
        return self._opened().set_aside(reason)

    def discard(self) -> None:
        """Remove what was written. Never raises."""
        if self._inner is not None:
            self._inner.discard()


def held_from(receipt: Receipt, job: Job) -> Held:
    """What a receipt of the sink says."""
    assert receipt.path is not None
    path = os.fspath(receipt.path)
    name = file_name(receipt.offered, job=job)
    return Held(path=path, filename=name, size=receipt.size, sha256=receipt.sha256)
