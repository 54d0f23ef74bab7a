"""Decides what is kept of a job so that another process can take it up again, and how it is written down (D39, D43).

A checkpoint is the core's snapshot and what belongs to it: the server, the token, the hour. It is made before the
commands that it shows are executed. Must never be written with its token in clear, nor taken to another server.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast, final

from reportdl.errands import Errands
from reportdl.origin import Origin
from reportdl.spool import write_whole
from reportdl_core.commands import Command
from reportdl_core.download import Download
from reportdl_core.errors import InvalidJob, LocalProtocolError, ReportdlError
from reportdl_core.events import Event
from reportdl_core.job import Job
from reportdl_core.lifecycle import FINAL, State
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

if TYPE_CHECKING:
    from reportdl.seal import Seal  # an extra: only who writes a checkpoint down needs it

__all__ = ["Checkpoint", "CheckpointFile", "CheckpointUnusable", "Checkpointing", "OnCheckpoint", "gone_on", "taken_up"]

_VERSION: Final = 1
_CONTEXT: Final = b"reportdl checkpoint\0"
_COOKIES: Final = b"cookies\0"


class CheckpointUnusable(ReportdlError):
    """A checkpoint that is damaged, under another key, of another server, or of a job that is over: begin anew."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A job at one moment: what `Client.resume` goes on from, in this process or another one (D43).

    `origin` is the server's base URL, `snapshot` the core's own record as JSON values, `written` the hour in seconds
    since 1970. `token` and the values of `cookies`, those of `affinity_cookies`, are in no repr, and never pickled:
    `sealed` writes all of it down.
    """

    origin: str
    job: Job
    state: State
    snapshot: Mapping[str, Any]
    token: Secret | None
    written: float
    cookies: Mapping[str, Secret] = field(default_factory=dict[str, Secret])

    @property
    def over(self) -> bool:
        """Whether the job has ended, well or not: there is nothing to resume."""
        return self.state in FINAL

    def sealed(self, seal: Seal) -> str:
        """One line of JSON, its token sealed to all the rest of the line: another line's token does not fit it."""
        said: dict[str, Any] = {
            "version": _VERSION,
            "origin": self.origin,
            "job": [self.job.element, self.job.segment, self.job.format],
            "state": self.state.value,
            "written": self.written,
            "snapshot": dict(self.snapshot),
        }
        context = _context(said)
        said["token"] = None if self.token is None else _sealed(self.token, seal, context)
        if self.cookies:
            cookies = json.dumps({name: value.reveal() for name, value in self.cookies.items()})
            said["cookies"] = _sealed(Secret(cookies), seal, _COOKIES + context)
        return json.dumps(said, allow_nan=False)

    @classmethod
    def opened(cls, line: str | bytes, *, seal: Seal) -> Checkpoint:
        """What `sealed` wrote. Raises CheckpointUnusable for anything else, and under another key."""
        try:
            return _opened(line, seal)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, LocalProtocolError) as error:
            # Never with the line itself in the text: it may be anything.
            raise CheckpointUnusable("the checkpoint is damaged: begin the job anew") from error
        except ReportdlError as error:
            raise CheckpointUnusable(f"the checkpoint's token cannot be used ({error}): begin the job anew") from error


def _context(said: Mapping[str, Any]) -> bytes:
    return _CONTEXT + json.dumps(said, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def _sealed(secret: Secret, seal: Seal, context: bytes) -> str:
    return base64.b64encode(seal.seal(secret, context=context)).decode("ascii")


def _unsealed(sealed: object, seal: Seal, context: bytes) -> Secret:
    try:
        raw = base64.b64decode(str(sealed), validate=True)
    except binascii.Error:
        raw = b""
    return seal.open(raw, context=context)


def _opened(line: str | bytes, seal: Seal) -> Checkpoint:
    read: object = json.loads(line)
    if not isinstance(read, dict):
        raise ValueError("no object")
    said = cast("dict[str, Any]", read)
    sealed, cookies = said.pop("token"), said.pop("cookies", None)
    context = _context(said)
    token = None if sealed is None else _unsealed(sealed, seal, context)
    held: dict[str, object] = {}
    if cookies is not None:
        held = dict(json.loads(_unsealed(cookies, seal, _COOKIES + context).reveal()))
    if said["version"] != _VERSION or not isinstance(said["snapshot"], dict):
        raise ValueError("another version")
    element, segment, format = said["job"]
    return Checkpoint(
        origin=str(said["origin"]),
        job=Job(element=element, segment=segment, format=format),
        state=State(said["state"]),
        snapshot=cast("dict[str, Any]", said["snapshot"]),
        token=token,
        written=float(said["written"]),
        cookies={name: Secret(str(value)) for name, value in held.items()},
    )


OnCheckpoint = Callable[[Checkpoint], None]
"""Called on every move before its commands are executed, and once more when the job is over; see `Client.download`."""


@final
class Checkpointing:
    """Observes one download: hands a checkpoint over at every move (see `drivers.Observer`)."""

    __slots__ = ("_download", "_errands", "_on_checkpoint", "_origin")

    def __init__(self, download: Download, errands: Errands, *, origin: Origin, on_checkpoint: OnCheckpoint) -> None:
        self._download, self._origin, self._on_checkpoint = download, str(origin), on_checkpoint
        self._errands = errands

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Where this raises, nothing of `new` is executed: a `run` that no checkpoint shows could be sent twice."""
        download = self._download
        self._on_checkpoint(
            Checkpoint(
                origin=self._origin,
                job=download.job,
                state=download.state,
                snapshot=download.snapshot(now=now),
                token=download.token,
                written=time.time(),  # the next process has another monotonic clock
                cookies=self._errands.cookies,
            )
        )


def taken_up(checkpoint: Checkpoint, *, origin: Origin, policy: Policy, now: float) -> Download:
    """The job as it was, older by the time away, with all in flight lost (D43). Raises CheckpointUnusable."""
    download = gone_on(checkpoint, origin=origin, policy=policy, now=now)
    download.recover(now=now)
    return download


def gone_on(checkpoint: Checkpoint, *, origin: Origin, policy: Policy, now: float) -> Download:
    """The same exactly, where it is certain that nothing of what it shows has been sent: it was handed over.

    In any doubt `taken_up`: a `run` would else be sent twice (I3). Raises CheckpointUnusable.
    """
    if checkpoint.over:
        raise CheckpointUnusable(f"the job ended already ({checkpoint.state.value}): there is nothing to resume")
    if checkpoint.origin != str(origin):
        # The token is that server's, and goes to no other (D31).
        raise CheckpointUnusable(f"the checkpoint is of {checkpoint.origin}, not of {origin}: begin the job anew")
    try:
        return Download.restore(
            checkpoint.snapshot,
            job=checkpoint.job,
            policy=policy,
            token=checkpoint.token,
            now=now,
            # A clock that was set back in the meantime makes a token look younger, never the job's deadline.
            elapsed=max(0.0, time.time() - checkpoint.written),
        )
    except (LocalProtocolError, InvalidJob, OverflowError) as error:
        raise CheckpointUnusable(f"the checkpoint is damaged ({error}): begin the job anew") from error


@final
class CheckpointFile:
    """A job's checkpoint in a file of its own: hand it over as `on_checkpoint`, and `read` it in the next process.

    Each one replaces the last in one step and is on disk before the job goes on; when the job is over the file is
    removed. One process at a time may use it.
    """

    __slots__ = ("_path", "_seal")

    def __init__(self, path: str | os.PathLike[str], *, seal: Seal) -> None:
        self._path: str = os.path.abspath(path)
        self._seal = seal

    def __repr__(self) -> str:
        return f"reportdl.CheckpointFile({self._path!r})"

    def __call__(self, checkpoint: Checkpoint) -> None:
        """Write it down. Raises OSError where that cannot be: the job ends there, with nothing sent unrecorded."""
        if checkpoint.over:
            with suppress(OSError):  # what stays says of the job what `resume` would find out
                os.unlink(self._path)
        else:
            write_whole(self._path, checkpoint.sealed(self._seal).encode() + b"\n")

    def read(self) -> Checkpoint | None:
        """What was written last; None where there is none. Raises CheckpointUnusable, OSError."""
        try:
            with open(self._path, "rb") as file:
                line = file.read()
        except FileNotFoundError:
            return None
        return Checkpoint.opened(line, seal=self._seal)
