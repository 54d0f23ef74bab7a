"""Decides where the traces of a batch go: a folder, a file for each time that a job is begun or taken up.

As `reportdl get --trace` writes them: no token, no credential, no URL. Must never end a job, nor a batch that is under
way, because a trace cannot be written.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final, final

from reportdl.batch.rows import Row
from reportdl.drivers import Observer
from reportdl.spool import numbered
from reportdl.spooling import reason_of, tried
from reportdl.trace.recording import Recording, TraceUnwritable
from reportdl_core.download import Download
from reportdl_core.names import clean

__all__ = ["Traced", "Traces"]

_DIGITS: Final = 6


@final
class Traces:
    """A folder of traces. With `failed_only` those of jobs that went well are removed again.

    A file is called by line, server, element, segment and format, such as `000007-emea-1042-0-pdf.jsonl`; a job that is
    tried again gets one more, ` (2)`. `broken` is the first reason why a trace is missing or incomplete, if one is.
    """

    def __init__(self, folder: str | os.PathLike[str], *, failed_only: bool = False) -> None:
        self._folder, self._failed_only = os.path.abspath(folder), failed_only
        self.broken: str | None = None

    def prepare(self) -> None:
        """Make the folder, and try a file in it. Raises TraceUnwritable: nothing was sent then."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            tried(self._folder)
        except OSError as error:
            raise TraceUnwritable(f"no traces can be written to {self._folder!r}: {reason_of(error)}") from error

    def begin(self, row: Row) -> Traced:
        """The trace of a job that is about to begin."""
        return Traced(self, row, failed_only=self._failed_only)

    def taken(self, row: Row) -> str:
        """A name in the folder that nobody had, and that this job has now. Raises OSError."""
        job = row.job
        parts = (f"{row.line:0{_DIGITS}}", row.server, str(job.element), str(job.segment), job.format)
        stem = clean("-".join(part for part in parts if part))
        for path in numbered(os.path.join(self._folder, f"{stem}.jsonl")):
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
                return path
        raise FileExistsError(errno.EEXIST, "no name is free")

    def breaks(self, error: OSError) -> None:
        """A trace could not be written, or not to its end."""
        self.broken = self.broken or reason_of(error)


@final
class Traced:
    """The trace of one job."""

    def __init__(self, traces: Traces, row: Row, *, failed_only: bool) -> None:
        self._traces, self._row, self._failed_only = traces, row, failed_only
        self._path: str | None = None
        self._recording: Recording | None = None

    def of(self, download: Download) -> tuple[Observer, ...]:
        """Who is to be told of the job; nobody where the file cannot be opened."""
        try:
            self._path = self._traces.taken(self._row)
            self._recording = Recording(self._path)
            return (self._recording(download),)
        except TraceUnwritable as error:
            self._traces.breaks(error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)))
        except OSError as error:
            self._traces.breaks(error)
        return ()

    def end(self, *, well: bool) -> None:
        """The job is over, or stopped for now."""
        if self._recording is not None:
            self._recording.close()
            if self._recording.broken is not None:
                self._traces.breaks(self._recording.broken)
        if well and self._failed_only and self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)
