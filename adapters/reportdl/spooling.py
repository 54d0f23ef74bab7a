"""Decides what every sink does the same: spool, let go, keep what cannot be published, and say so (I10, D44).

Must never lose the only copy of a whole file: the token is spent by then.
"""

from __future__ import annotations

import functools
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from reportdl.spool import FAILURES, Spool, mode_of_new_files, sweep, sync_directory
from reportdl_core.errors import LocalProtocolError
from reportdl_core.outcome import Receipt
from reportdl_core.sink import NotKept, Offer

__all__ = ["Spooling", "TargetUnusable", "explained", "reason_of", "receipt_of", "status", "sweep_once", "tried"]


class TargetUnusable(NotKept):
    """The target cannot take a file, found before anything was asked for."""


class Spooling:
    """What both sinks do the same: one file at a time is spooled, and let go of when it is not wanted."""

    __slots__ = ("_offer", "_spool", "standing")

    def __init__(self) -> None:
        self._spool: Spool | None = None
        self._offer: Offer | None = None
        self.standing: Receipt | None = None
        """After `prepare`: the file that `Clash.SKIP` leaves as it is, so that nothing needs to be generated."""

    def _start(self, directory: str, offer: Offer) -> None:
        if self._spool is not None:
            raise LocalProtocolError("the sink is open already")
        self._spool, self._offer = Spool(directory), offer

    def _current(self) -> tuple[Spool, Offer]:
        if self._spool is None or self._offer is None:
            raise LocalProtocolError("the sink is not open")
        return self._spool, self._offer

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body, in order. Raises OSError, after which nothing of them is kept."""
        spool, _ = self._current()
        try:
            spool.write(data)
        except OSError as error:
            raise explained(error, f"cannot write into {spool.directory}; nothing was kept") from error

    def discard(self) -> None:
        """Remove what was written. Never raises, any number of times; what was published or kept stays."""
        spool, self._spool, self._offer = self._spool, None, None
        if spool is not None:
            spool.remove()

    def close(self) -> None:
        """The same: for a `finally`."""
        self.discard()

    def _kept(self, beside: str) -> str | None:
        """End the spool by keeping its bytes, at `beside` if that can be."""
        spool, _ = self._current()
        self._spool = self._offer = None
        path = spool.keep(beside)
        with suppress(*FAILURES):
            sync_directory(spool.directory)
        return path

    def _refuse(self, error: BaseException, what: str, beside: str) -> NoReturn:
        spool, _ = self._current()
        path = self._kept(beside)
        kept = "nothing of it could be kept" if path is None else f"its {spool.size:,} bytes are kept as {path}"
        raise NotKept(f"{what}: {reason_of(error)}; {kept}", path) from error


def receipt_of(
    path: Path | None, name: str, spool: Spool, offer: Offer, length_verified: bool, warnings: tuple[str, ...]
) -> Receipt:
    """The receipt of a spool that was published, as `path` or to a stream."""
    return Receipt(
        path=path,
        filename=name,
        content_type=offer.content_type,
        size=spool.size,
        sha256=spool.sha256,
        length_verified=length_verified,
        offered=offer.filename,
        warnings=warnings,
    )


def status(path: str) -> os.stat_result | None:
    """What has the name, links not followed; None if nothing has. Raises OSError, as for a name that is too long."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=256)
def sweep_once(directory: str) -> None:
    """Sweep a folder once in the life of this process: thousands of jobs would list it thousands of times."""
    sweep(directory)


def tried(directory: str) -> None:
    """Find out that files can be created in a folder, by trying. Raises OSError.

    What was found holds for a second: a thousand jobs that begin at once need not try a thousand times.
    """
    _tried(directory, os.stat(directory).st_mode, int(time.monotonic()))


@functools.lru_cache(maxsize=16)
def _tried(directory: str, mode: int, second: int) -> None:
    mode_of_new_files(directory)


def reason_of(error: BaseException) -> str:
    """What happened, in the system's words, without the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def explained(error: OSError, what: str) -> OSError:
    """The same error, of the same class, saying what it prevented."""
    return OSError(error.errno, f"{what}: {reason_of(error)}")
