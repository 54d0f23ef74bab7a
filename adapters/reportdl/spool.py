"""Decides how bytes are held until they are known to be the file, and how they come under a name in one step (I10).

A spool is a hidden `.reportdl-<pid>-<random>.part` in the directory of the target, created for its owner alone and
locked while its process lives. Must never show bytes under a name that somebody asked for before all of them are
there, never take a name that another process has just taken, and never leave a descriptor open.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, final

if sys.platform != "win32":
    import fcntl

__all__ = ["FAILURES", "Spool", "mode_of_new_files", "numbered", "sweep", "sync_directory", "write_anew", "write_whole"]

FAILURES: Final = (OSError, MemoryError)
"""What the system says when it cannot: no disk, no rights, no memory."""

_PREFIX: Final = ".reportdl-"
_SUFFIX: Final = ".part"
_OLD: Final = 60.0  # seconds: the time between creating a spool and locking it, a thousand times over
_CHUNK: Final = 1024 * 1024
_FLAGS: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

# File systems that have no hard links say so in one of these ways (FAT, some of FUSE, some of SMB).
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
# And those that cannot flush: there is nothing that could be done better, so it is no failure.
_NO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_NO_DIRECTORY_SYNC: Final = _NO_SYNC | {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF}


@final
class Spool:
    """One hidden file being written. `become`, `replace`, `keep` or `remove` ends it and closes its descriptor.

    One thread writes; `remove` may come from another, as when a transfer is cancelled: the lock keeps it from closing
    a descriptor that a write is using, whose number the next file would get.
    """

    __slots__ = ("_descriptor", "_hash", "_path", "_writing", "directory", "size")

    def __init__(self, directory: str) -> None:
        """Create it. Raises OSError."""
        self.directory: str = directory
        self.size: int = 0
        from hashlib import sha256  # when a file comes: it loads OpenSSL

        self._hash = sha256()
        self._writing = threading.Lock()
        self._descriptor, self._path = _create(directory, 0o600)
        if sys.platform != "win32":
            # Where locks are not supported a sweep cannot take one either, and leaves the file alone.
            with suppress(*FAILURES):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def sha256(self) -> str:
        """Of what was written so far, in lower-case hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append all of it. Raises OSError."""
        with self._writing:
            if self._descriptor < 0:
                raise OSError(errno.EBADF, "the file was discarded")
            written = os.write(self._descriptor, data) if data else 0  # a signal does not end it (PEP 475)
            while written < len(data):
                more = os.write(self._descriptor, memoryview(data)[written:])
                if more <= 0:
                    raise OSError(errno.EIO, "the file system takes no more bytes")
                written += more
            self._hash.update(data)
            self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """What was written, from the start. Raises OSError, also where it is not as long as what was written."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        left = self.size
        while left > 0:
            chunk = os.read(self._descriptor, min(_CHUNK, left))
            if not chunk:
                raise OSError(errno.EIO, "the temporary file has lost bytes")
            left -= len(chunk)
            yield chunk

    def seal(self) -> None:
        """Make the bytes durable. Raises OSError where they may be lost."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def permit(self, mode: int) -> None:
        """Give it its final permissions. Never raises: the file is its owner's alone otherwise, which harms nobody."""
        if sys.platform != "win32":
            with (
                self._writing,
                suppress(*FAILURES),
            ):  # or a cancelling thread closes it, and another file has its number
                os.fchmod(self._descriptor, mode)

    def replace(self, target: str) -> None:
        """Take a name from whatever file has it, in one step. Raises OSError; the bytes are then where they were."""
        if sys.platform == "win32":
            self._close()  # an open file cannot be renamed there
        os.replace(self._path, target)
        self._path = ""
        self._close()

    def become(self, names: Iterable[str]) -> str:
        """Take the first of the names that nobody has, in one step, and say which.

        Raises FileExistsError where all are taken, OSError; the bytes are then where they were.
        """
        for name in names:
            with suppress(FileExistsError):
                self._take(name)
                return name
        raise FileExistsError(errno.EEXIST, "no name is free")

    def _take(self, target: str) -> None:
        if sys.platform == "win32":
            self._close()
            os.rename(self._path, target)  # never replaces there
            self._path = ""
        else:
            self._link(target)
        self.remove()

    def _link(self, target: str) -> None:
        try:
            os.link(self._path, target)
        except FileExistsError:
            # Over NFS a link whose answer was lost is asked for again, and finds itself.
            if not self._is(target):
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename_to_new(self._path, target)

    def _is(self, target: str) -> bool:
        try:
            return os.path.samestat(os.lstat(target), os.fstat(self._descriptor))
        except OSError:
            return False

    def keep(self, target: str) -> str | None:
        """Stay: as `target` or a numbered neighbour, else where it is. Returns the path, None if it is gone (D44)."""
        try:
            return self.become(numbered(target))
        except FAILURES:
            return self._keep_in_place()

    def _keep_in_place(self) -> str | None:
        path, self._path = self._path, ""
        try:
            os.chmod(path, stat.S_IRUSR)  # what is read-only is not swept
        except FileNotFoundError:
            return None
        except FAILURES:
            pass
        finally:
            self._close()
        return path

    def remove(self) -> None:
        """Let go of it, and of its hidden name. Never raises; any number of times."""
        self._close()
        path, self._path = self._path, ""
        if path:
            with suppress(*FAILURES):
                os.unlink(path)

    def _close(self) -> None:
        with self._writing:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # After fsync there is nothing that close could still lose, and the descriptor is gone whatever it says.
            with suppress(*FAILURES):
                os.close(descriptor)


def _create(directory: str, mode: int) -> tuple[int, str]:
    path = os.path.join(directory, f"{_PREFIX}{os.getpid()}-{os.urandom(8).hex()}{_SUFFIX}")
    return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode), path


def _rename_to_new(path: str, target: str) -> None:
    """For file systems without hard links. The directory's lock keeps our processes apart, and dies with them."""
    if sys.platform == "win32":
        os.rename(path, target)
        return
    guard = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(path, target)
    finally:
        with suppress(*FAILURES):
            os.close(guard)


def numbered(path: str) -> Iterator[str]:
    """The path, then `name (2).ext`, `name (3).ext` and so on to 9999."""
    yield path
    stem, extension = os.path.splitext(path)
    for number in range(2, 10_000):
        yield f"{stem} ({number}){extension}"


def mode_of_new_files(directory: str) -> int:
    """The permissions that a new file gets there. Raises OSError."""
    # By asking: the umask cannot be read without changing it for all threads, and a directory may have its own.
    descriptor, path = _created_for_a_look(directory)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        with suppress(*FAILURES):
            os.close(descriptor)
        if path is not None:
            with suppress(*FAILURES):
                os.unlink(path)


def _created_for_a_look(directory: str) -> tuple[int, str | None]:
    if sys.platform == "linux":
        with suppress(OSError):  # a file that never has a name costs a tenth; not all file systems have such
            return os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o666), None
    return _create(directory, 0o666)


def sync_directory(directory: str) -> None:
    """Make a new name durable. Raises OSError; where directories cannot be flushed there is nothing to do."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            with suppress(*FAILURES):
                os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise


def write_whole(path: str, data: bytes) -> None:
    """Put the bytes under the name in one step and durably, for the caller alone. Raises OSError; the old ones stay."""
    _write(path, data, 0o600)


def write_anew(path: str | os.PathLike[str], data: bytes) -> None:
    """The same for what is nobody's secret: permissions as the old file has them or a new one gets them.

    A link stays, and what it points to is replaced; what is no regular file, such as a pipe, is written to.
    """
    target = os.path.realpath(path)
    try:
        found = os.stat(path).st_mode
    except FileNotFoundError:
        found = stat.S_IFREG | mode_of_new_files(os.path.dirname(target))
    if stat.S_ISREG(found):
        _write(target, data, stat.S_IMODE(found))
    else:
        with open(path, "wb") as stream:
            stream.write(data)


def _write(path: str, data: bytes, mode: int) -> None:
    spool = Spool(os.path.dirname(os.path.abspath(path)))
    try:
        spool.write(data)
        spool.seal()
        if mode != 0o600:
            spool.permit(mode)
        spool.replace(path)
        sync_directory(spool.directory)
    finally:
        spool.remove()


def sweep(directory: str) -> int:
    """Remove the spools of processes that died there, and say how many. Never raises.

    Left alone: what is locked (its process lives), younger than a minute, or read-only (kept on purpose, D44).
    """
    try:
        names = [name for name in os.listdir(directory) if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
    except FAILURES:
        return 0
    return sum(_swept(os.path.join(directory, name)) for name in names)


def _swept(path: str) -> int:
    try:
        descriptor = os.open(path, _FLAGS | getattr(os, "O_NONBLOCK", 0))
    except FAILURES:
        return 0
    try:
        found = os.fstat(descriptor)
        old = time.time() - found.st_mtime > _OLD
        if not (stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IWUSR and old):
            return 0
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except FAILURES:
        return 0
    else:
        return 1
    finally:
        with suppress(*FAILURES):
            os.close(descriptor)
