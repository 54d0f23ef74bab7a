"""Decides what a trace holds of a job: how it began, and each move with its time, commands and state.

One JSON object a line, written before the commands are executed, so that a killed process leaves a trace too. Must
never hold a token, a credential, a URL or a folder, and never end a job because a trace cannot be written.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import FileIO
from typing import Any, Final, final

from reportdl.trace.codec import written, written_message
from reportdl.trace.places import command_without_places, event_without_places, json_without_places, without_places
from reportdl_core.commands import Command, Finish
from reportdl_core.download import Download
from reportdl_core.errors import LocalProtocolError, ReportdlError
from reportdl_core.events import Event
from reportdl_core.policy import instant

__all__ = ["VERSION", "Recording", "TraceUnwritable", "begun", "recording"]

VERSION: Final = 1


class TraceUnwritable(ReportdlError, ValueError):
    """A trace was asked for in a place where no file can be written; nothing was sent."""


def recording(path: str | os.PathLike[str]) -> Recording:
    """What `Client.download(observe=...)` takes to write the job's trace to `path`, which is replaced.

    One recording serves one job. Where the file cannot be opened, `download` raises TraceUnwritable before anything
    is asked.
    """
    return Recording(path)


@final
class Recording:
    """Writes one job down. `broken` is set where the rest could not be written; the job goes on all the same."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.broken: OSError | None = None
        self._path = path
        self._file: FileIO | None = None
        self._download: Download | None = None
        self._zero = 0.0
        self._running: dict[int, Command] = {}
        self._closing = threading.Lock()

    def __call__(self, download: Download) -> Recording:
        """Take the job that is about to begin (`drivers.Observe`)."""
        if self._download is not None:
            raise LocalProtocolError("a recording serves one job")
        try:
            self._file = FileIO(self._path, "w")
        except OSError as error:
            raise TraceUnwritable(f"the trace cannot be written: {error.strerror or error}") from error
        # A job that is cancelled tells nobody: the file is then closed with this object.
        weakref.finalize(self, self._file.close)
        self._download = download
        return self

    def close(self) -> None:
        """Close the file; a job that goes on is not recorded any further. May be called twice."""
        with self._closing, suppress(OSError):
            if self._file is not None:
                self._file.close()

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Write one move (`drivers.Observer`)."""
        download = self._download
        assert download is not None
        if event is None:
            self._begin(download, now)
        outstanding = {command.number: command for command in download.outstanding}
        answered = None if event is None else event.number
        gone = sorted(number for number in self._running if number not in outstanding and number != answered)
        self._running = outstanding
        move: dict[str, Any] = {"at": instant(now) - self._zero, "state": download.state.value}
        if event is not None:
            move["event"] = written_message(event_without_places(event))
        issued = begun(download) if event is None else new
        move["new"] = [written_message(command_without_places(self._shifted(command))) for command in issued]
        if gone:
            move["superseded"] = gone
        self._write(move)
        if download.outcome is not None:
            self.close()

    def _shifted(self, command: Command) -> Command:
        return command if isinstance(command, Finish) else replace(command, deadline=command.deadline - self._zero)

    def _begin(self, download: Download, now: float) -> None:
        session, job, policy, formats = download.session, download.job, download.policy, download.formats
        began = session.end - instant(policy.job_timeout)
        fresh = Download(job, policy=policy, seed=session.seed, now=began, formats=formats)
        same = fresh.snapshot(now=now) == download.snapshot(now=now)
        self._zero = began if same else instant(now)
        self._write(
            {
                "trace": VERSION,
                "reportdl": _version(),
                "python": platform.python_version(),
                "began": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "job": written(job),
                "policy": written(policy),
                "seed": session.seed,
                "formats": None if formats is None else [without_places(one) for one in formats],
                # A job that was taken up again begins with what it knew (D43); a new one is begun anew by any core.
                "snapshot": None if same else json_without_places(download.snapshot(now=now)),
            }
        )

    def _write(self, said: dict[str, Any]) -> None:
        with self._closing:
            if self.broken is not None or self._file is None or self._file.closed:
                return
            try:
                left = json.dumps(said, separators=(",", ":")).encode() + b"\n"
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self.broken = error


def begun(download: Download) -> tuple[Command, ...]:
    """What a job begins with: its first commands, or its end where nothing needs to be asked (D12)."""
    if download.outcome is None:
        return download.outstanding
    return (Finish(number=download.session.next_number - 1, outcome=download.outcome),)


def _version() -> str:
    try:
        return version("reportdl")
    except PackageNotFoundError:
        return "unknown"
