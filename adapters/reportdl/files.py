"""Decides where a file goes and what happens to one that has its name: whole under its final name, or not at all (I10).

A named file is replaced in one step; in a folder an existing name gets a suffix; what arrived whole and could not be
published stays beside and is named (D22, D24, D44). Must never follow a name that a server chose out of its folder,
through a link or onto a device, never raise but NotKept and OSError, and never wait for the end of a generation to
say that the target cannot be used.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, assert_never, final

from reportdl.spool import FAILURES, Spool, mode_of_new_files, numbered, sync_directory
from reportdl.spooling import Spooling, TargetUnusable, explained, reason_of, receipt_of, status, sweep_once, tried
from reportdl.streams import StreamSink
from reportdl_core.errors import LocalProtocolError
from reportdl_core.formats import known
from reportdl_core.job import Job
from reportdl_core.names import file_name
from reportdl_core.outcome import Receipt
from reportdl_core.sink import Offer

__all__ = ["Clash", "Destination", "FileSink", "StreamSink", "TargetUnusable", "destination"]

# What a file system says to a name that it cannot hold; the job's own plain name is then the better one.
_BAD_NAME: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})
_ALREADY: Final = "a file of this name was already there and was left as it was"


class Clash(Enum):
    """What happens to a file that has the name already (D24)."""

    SUFFIX = "suffix"  # the new one becomes `name (2).ext`
    OVERWRITE = "overwrite"  # the new one replaces it, in one step
    SKIP = "skip"  # the old one stays, and the receipt describes it

    def __repr__(self) -> str:
        return f"Clash.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """`directory` is absolute. The file's name comes from the server."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """`shown` is the absolute path as it was given, `path` the same with its links followed, in `directory`."""

    directory: str
    path: str
    shown: str


def _understood(target: str) -> _Folder | _Named:
    """An existing folder, or a text that ends in a separator, is a folder; anything else is a file.

    A link that the user named is followed, so that the file it points to is replaced and the link stays.
    """
    shown = os.path.abspath(_without_parents(target))
    if os.path.isdir(shown) or target.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        return _Folder(directory=shown)
    found = status(shown)  # following each folder on the way would cost a look at each
    path = os.path.realpath(shown) if found is not None and stat.S_ISLNK(found.st_mode) else shown
    return _Named(directory=os.path.dirname(path), path=path, shown=shown)


def _without_parents(target: str) -> str:
    """What `..` means is for the system to say: behind a link it is not the folder that the text names."""
    if os.pardir not in target:
        return target
    folder, name = os.path.split(target)
    return os.path.realpath(target) if name == os.pardir else os.path.join(os.path.realpath(folder), name)


@final
class FileSink(Spooling):
    """A file, or a folder that takes its name from the server.

    What is relative is relative to the current directory at `prepare`, whatever becomes of that one afterwards.
    `target` is a folder where it exists as one or ends in a separator (it is created then), and a file otherwise.
    Without a `clash`, a named file is replaced and a file in a folder gets a suffix (D24). A replaced file hands its
    permissions on; a new one gets what new files get. A link that the user named is followed; a link that has the
    name which the server chose is itself what is in the way.
    """

    __slots__ = ("_absolute", "_clash", "_mode", "_place", "_target")

    def __init__(self, target: str | os.PathLike[str], *, clash: Clash | None = None) -> None:
        super().__init__()
        self._target = os.fspath(target)
        self._absolute = ""
        self._clash = clash
        self._place: _Folder | _Named | None = None
        self._mode = 0o600

    def __repr__(self) -> str:
        return f"FileSink({self._target!r}, clash={self._clash!r})"

    def prepare(self, job: Job) -> None:
        """Find out now whether the job's file can be kept, by trying. Creates a folder that ends in a separator.

        Removes what dead processes left there. Raises TargetUnusable.
        """
        try:
            place = self._found()
            match place:
                case _Folder():
                    status(os.path.join(place.directory, file_name(None, job=job)))
                case _Named():
                    self.standing: Receipt | None = self._standing_file(place, job)
                case _:
                    assert_never(place)
            sweep_once(place.directory)
            tried(place.directory)
        except (*FAILURES, ValueError) as error:  # ValueError: a path that no file system could hold
            raise TargetUnusable(f"cannot write to {self._target!r}: {reason_of(error)}") from error

    def _found(self) -> _Folder | _Named:
        if not self._target:
            raise ValueError("the path is empty")
        if not self._absolute:
            self._absolute = os.path.join(os.getcwd(), self._target)
        place = _understood(self._absolute)
        match place:
            case _Folder():
                os.makedirs(place.directory, exist_ok=True)
            case _Named():
                if not os.path.isdir(place.directory):
                    raise FileNotFoundError(errno.ENOENT, f"there is no folder {place.directory}")
            case _:
                assert_never(place)
        return place

    def _standing_file(self, place: _Named, job: Job) -> Receipt | None:
        found = status(place.path)
        if found is None:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if self._clash is not Clash.SKIP:
            return None
        row = known(job.format)
        media_type = "application/octet-stream" if row is None else row.media_types[0]
        return _standing(place.shown, Offer(job=job, filename=None, content_type=media_type, length=None))

    def open(self, offer: Offer) -> None:
        """Create the spool in the folder of the target. Raises OSError, TargetUnusable."""
        try:
            self._place = self._found()
            self._mode = mode_of_new_files(self._place.directory)  # asked anew: the umask may be another one by now
            self._start(self._place.directory, offer)
        except OSError as error:
            raise explained(error, f"cannot write to {self._target!r}") from error
        except ValueError as error:
            raise TargetUnusable(f"cannot write to {self._target!r}: {error}") from error

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        """Make the bytes durable, then visible under the final name in one step (I10).

        Raises NotKept, which names what was kept: `<name>.unverified` where the disk would not confirm the bytes,
        `<name>.part` where they are whole and only the name could not be had (D44).
        """
        spool, offer = self._current()
        wanted, clash = self._wanted(offer)
        try:
            spool.seal()
        except FAILURES as error:
            self._refuse(error, f"{wanted} could not be made durable", f"{wanted}.unverified")
        try:
            path = self._placed(spool, offer, wanted, clash)
        except FileExistsError as error:
            if clash is Clash.SKIP:
                return self._skipped(wanted, offer, warnings)
            self._refuse(error, f"{wanted} could not be written", f"{wanted}.part")
        except FAILURES as error:
            self._refuse(error, f"{wanted} could not be written", f"{wanted}.part")
        self._spool = self._offer = None
        shown = self._shown(path)
        warnings += _synced(spool.directory)
        return receipt_of(Path(shown), os.path.basename(shown), spool, offer, length_verified, warnings)

    def _wanted(self, offer: Offer) -> tuple[str, Clash]:
        match self._place:
            case _Folder() as folder:
                name = file_name(offer.filename, job=offer.job)
                return os.path.join(folder.directory, name), self._clash or Clash.SUFFIX
            case _Named() as named:
                return named.path, self._clash or Clash.OVERWRITE
            case None:
                raise LocalProtocolError("the sink is not open")
            case _:
                assert_never(self._place)

    def _shown(self, path: str) -> str:
        place = self._place
        return place.shown if isinstance(place, _Named) and path == place.path else path

    def _placed(self, spool: Spool, offer: Offer, wanted: str, clash: Clash) -> str:
        try:
            return _take(spool, wanted, clash, self._mode)
        except OSError as error:
            if isinstance(self._place, _Named) or error.errno not in _BAD_NAME:
                raise
            return _take(spool, os.path.join(spool.directory, file_name(None, job=offer.job)), clash, self._mode)

    def _skipped(self, wanted: str, offer: Offer, warnings: tuple[str, ...]) -> Receipt:
        try:
            receipt = _standing(self._shown(wanted), offer, warnings)
        except FAILURES as error:
            self._refuse(error, f"{wanted} is there and cannot be read", f"{wanted}.part")
        self.discard()
        return receipt

    def set_aside(self, reason: str) -> str | None:
        """Keep the bytes as `<name>.unverified` beside the target, and let go of them (D22, D34).

        `reason` stands in the error that follows. Returns the path, None where nothing could be kept. Never raises.
        """
        spool, offer = self._current()
        wanted, _ = self._wanted(offer)
        with suppress(*FAILURES):
            spool.seal()
        spool.permit(self._mode)
        return self._kept(f"{wanted}.unverified")


def _take(spool: Spool, wanted: str, clash: Clash, mode: int) -> str:
    """Bring the spool under the name, or under one beside it. Returns the path; raises OSError."""
    match clash:
        case Clash.OVERWRITE:
            spool.permit(_inherited(wanted, mode))
            spool.replace(wanted)
            return wanted
        case Clash.SUFFIX:
            spool.permit(mode)
            return spool.become(numbered(wanted))
        case Clash.SKIP:
            spool.permit(mode)
            return spool.become((wanted,))
        case _:
            assert_never(clash)


def _inherited(wanted: str, mode: int) -> int:
    """The permissions of the file to be replaced. Raises OSError where it is none: a device is not replaced."""
    found = status(wanted)
    if found is None or stat.S_ISLNK(found.st_mode):
        return mode
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EEXIST, "something that is not a regular file has this name")
    return found.st_mode & 0o777


def _synced(directory: str) -> tuple[str, ...]:
    # The file is whole under its name by now: to call it lost would be wrong.
    try:
        sync_directory(directory)
    except FAILURES as error:
        return (f"the name may not outlast a power failure: {reason_of(error)}",)
    return ()


def _standing(path: str, offer: Offer, warnings: tuple[str, ...] = ()) -> Receipt:
    """The receipt of a file that was there before. Raises OSError."""
    from hashlib import file_digest

    # Not waiting: what has the name could be a pipe.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EEXIST, "something that is not a regular file has this name")
        digest = file_digest(file, "sha256").hexdigest()
    return Receipt(
        path=Path(path),
        filename=os.path.basename(path),
        content_type=offer.content_type,
        size=found.st_size,
        sha256=digest,
        length_verified=False,
        offered=offer.filename,
        warnings=(*warnings, _ALREADY),
    )


Destination = FileSink | StreamSink


def destination(to: str | os.PathLike[str] | BinaryIO, *, job: Job, clash: Clash | None = None) -> Destination:
    """The sink for a target, prepared: what cannot take the job's file raises TargetUnusable now.

    `clash` means nothing to a stream. Where `standing` is set on the sink there is nothing to download.
    """
    sink = FileSink(to, clash=clash) if isinstance(to, str | os.PathLike) else StreamSink(to)
    sink.prepare(job)
    return sink
