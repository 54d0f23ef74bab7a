"""Decides how a file goes to a binary stream: after it is there and verified, not while it comes (I10).

A stream cannot take back half a file, so the bytes wait in a temporary folder. Must never close the stream.
"""

from __future__ import annotations

import errno
import io
import os
from typing import BinaryIO, final

from reportdl.spool import FAILURES, Spool
from reportdl.spooling import Spooling, TargetUnusable, explained, reason_of, receipt_of, status, sweep_once
from reportdl_core.job import Job
from reportdl_core.names import file_name
from reportdl_core.outcome import Receipt
from reportdl_core.sink import Offer

__all__ = ["StreamSink"]


@final
class StreamSink(Spooling):
    """A binary stream, such as `sys.stdout.buffer`. It is never closed here.

    Nothing is written to it before the file is there and verified: the bytes wait in a temporary folder, since a
    stream cannot take back half a file (I10). What the stream did not take is kept there and named (D44).
    """

    __slots__ = ("_directory", "_stream")

    def __init__(self, stream: BinaryIO, *, directory: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self._stream = stream
        if directory is None:
            from tempfile import gettempdir  # for streams alone: it brings archives and random numbers along

            directory = gettempdir()
        chosen: str = os.fspath(directory)
        self._directory: str = os.path.abspath(chosen)

    def prepare(self, job: Job) -> None:
        """Find out now whether the stream takes bytes, and the job's file can wait in the temporary folder.

        Raises TargetUnusable.
        """
        if (reason := _unfit(self._stream)) is not None:
            raise TargetUnusable(reason)
        try:
            status(os.path.join(self._directory, file_name(None, job=job)))
            sweep_once(self._directory)
            Spool(self._directory).remove()
        except FAILURES as error:
            raise TargetUnusable(f"cannot write to {self._directory!r}: {reason_of(error)}") from error

    def open(self, offer: Offer) -> None:
        """Create the spool in the temporary folder. Raises OSError."""
        try:
            self._start(self._directory, offer)
        except OSError as error:
            raise explained(error, f"cannot write to {self._directory!r}") from error

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        """Write the whole file to the stream. Raises NotKept, which names what was kept (D44).

        Whatever a stream raises: it may be another library's, and its exceptions too.
        """
        spool, offer = self._current()
        name = file_name(offer.filename, job=offer.job)
        try:
            for chunk in spool.chunks():
                self._write_out(memoryview(chunk))
            self._stream.flush()
        except Exception as error:  # noqa: BLE001 - the token is spent, and this is the only copy
            # The kind is all that is left of a foreign traceback.
            kind = "" if isinstance(error, OSError) else f" ({type(error).__name__})"
            kept = os.path.join(spool.directory, f"{name}.part")
            self._refuse(error, f"the stream did not take the file{kind}", kept)
        self.discard()
        return receipt_of(None, name, spool, offer, length_verified, warnings)

    def _write_out(self, view: memoryview) -> None:
        while view:
            view = view[self._taken(self._stream.write(view), len(view)) :]

    def _taken(self, answer: object, offered: int) -> int:
        if isinstance(answer, int) and answer > 0:
            return answer
        if answer is None and not isinstance(self._stream, io.RawIOBase):
            return offered  # some file-like objects take everything and say nothing
        raise OSError(errno.EAGAIN, "it takes no more bytes now")

    def set_aside(self, reason: str) -> str | None:
        """Keep the bytes as `<name>.unverified` in the temporary folder (D22); return the path, or None. No errors."""
        spool, offer = self._current()
        return self._kept(os.path.join(spool.directory, f"{file_name(offer.filename, job=offer.job)}.unverified"))


def _unfit(stream: object) -> str | None:
    """Why bytes cannot go there, as far as that can be known without writing; None where nothing speaks against it."""
    # A caller without a type checker hands in `sys.stdout`; the module `tempfile` hides a stream in its wrapper.
    if isinstance(stream, io.TextIOBase) or isinstance(getattr(stream, "file", None), io.TextIOBase):
        return "the stream takes text; hand in its `buffer`, or open it in binary mode"
    if not all(callable(getattr(stream, name, None)) for name in ("write", "flush")):
        return f"neither a path, as str or os.PathLike, nor a binary stream: {type(stream).__name__}"
    if getattr(stream, "closed", False) is True:
        return "the stream is closed"
    writable = getattr(stream, "writable", None)
    # Only a plain no counts: what is no stream of the standard library's may mean anything by the word.
    return "the stream is open for reading only" if callable(writable) and writable() is False else None
