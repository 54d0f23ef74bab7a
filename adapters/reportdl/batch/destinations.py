"""Decides how a held file comes to its destination: a local folder, or any URL that fsspec knows.

In one step under its final name, or not at all (I10). The name is told before it is taken, so that whoever comes back
after a kill finds its own file there instead of making a second one. Must never fetch or generate anything.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias, final

from reportdl.batch.holding import Held
from reportdl.files import Clash
from reportdl.spool import FAILURES, Spool, mode_of_new_files, numbered, sync_directory
from reportdl.spooling import TargetUnusable, reason_of
from reportdl_core.errors import ReportdlError

__all__ = [
    "Delivered",
    "Destination",
    "Folder",
    "NotDelivered",
    "Objects",
    "destination_of",
    "is_url",
    "refuse_password",
]

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")
_PASSWORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)(://[^/@:]*):[^/@]+@")
# Stores that show an object only when all of it is there; elsewhere a hidden name is written, then moved.
_ATOMIC: Final = frozenset({"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "oss", "s3", "s3a"})
_CHUNK: Final = 1024 * 1024
_NO_NAME: Final = "that name is taken, and each that has a number"


class NotDelivered(ReportdlError):
    """The destination did not take the file, which stays held: delivering it again costs no generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Where a file is. `standing` where one of this name was there and was left as it was (Clash.SKIP)."""

    path: str
    standing: bool = False


Choose: TypeAlias = Callable[[str], bool]


class Destination(Protocol):
    """Where the files of a batch go. Called from worker threads."""

    def prepare(self) -> None:
        """Find out whether files can be put there. Raises TargetUnusable."""
        ...

    def standing(self, name: str) -> str | None:
        """The path of a file that has this name already and is to stay (Clash.SKIP), else None."""
        ...

    def has(self, path: str, *, size: int, sha256: str) -> bool:
        """Whether this file is there under this path, whole. Raises NotDelivered where that cannot be found out."""
        ...

    def deliver(self, held: Held, name: str, *, chosen: str | None, choose: Choose) -> Delivered:
        """Bring the file under its name, or one beside it. Raises NotDelivered; the file is then held as before.

        `choose` is told each path before it is taken, and says whether the batch has it free; `chosen` is the one that
        was told before a kill.
        """
        ...


def is_url(text: str) -> bool:
    """Whether a destination is an fsspec URL. A drive's letter is none."""
    return _URL.match(text) is not None


def refuse_password(text: str) -> None:
    """A destination is written down, shown and sent to workers. Raises TargetUnusable where it holds a password."""
    if (found := _PASSWORD.match(text)) is None:
        return
    scheme, shown = found[1], _PASSWORD.sub(r"\1\2:***@", text)
    variable = f"FSSPEC_{re.sub('[^A-Z0-9]', '_', scheme.upper())}_PASSWORD"
    raise TargetUnusable(
        f"{shown} holds a password, which belongs into the environment ({variable}): a destination is written down"
    )


def destination_of(text: str, *, clash: Clash = Clash.SUFFIX, options: dict[str, Any] | None = None) -> Destination:
    """The destination that a text names: a URL such as `s3://bucket/night`, else a folder."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return Objects(text, clash=clash, options=options) if is_url(text) else Folder(text, clash=clash)


def _check_text(place: str) -> None:
    """Raises TargetUnusable for bytes that are no text: a ledger holds none, and what came could not be delivered."""
    try:
        place.encode()
    except UnicodeEncodeError:
        raise TargetUnusable(f"cannot write to {place!r}: its name is not UTF-8") from None


@final
class _Numbers:
    """The names to try for a file, in their order, without the first ones that are other jobs'.

    Some servers call all of a report's segments the same: a thousand would ask the ledger half a million times.
    """

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def of(self, path: str) -> Iterator[tuple[int, str]]:
        taken = self._taken.get(path, 0)
        return enumerate(islice(numbered(path), taken, None), taken)

    def refused(self, path: str, number: int) -> None:
        """This name is another job's."""
        if number == self._taken.get(path, 0):
            self._taken[path] = number + 1


@final
class Folder:
    """A local folder, made if it is not there, with the folders that names ask for."""

    def __init__(self, root: str, *, clash: Clash = Clash.SUFFIX) -> None:
        self.root: str = os.path.abspath(root)
        self.clash = clash
        self._numbers = _Numbers()

    def prepare(self) -> None:
        """Make it, and try a file in it. Raises TargetUnusable."""
        _check_text(self.root)
        try:
            os.makedirs(self.root, exist_ok=True)
            Spool(self.root).remove()
        except FAILURES as error:
            raise TargetUnusable(f"cannot write to {self.root!r}: {reason_of(error)}") from error

    def standing(self, name: str) -> str | None:
        """As `Destination.standing`."""
        path = self._path(name)
        return path if self.clash is Clash.SKIP and os.path.lexists(path) else None

    def deliver(self, held: Held, name: str, *, chosen: str | None, choose: Choose) -> Delivered:
        """As `Destination.deliver`: by a link where there are links, so that nothing is copied."""
        path = self._path(name)
        try:
            if chosen is not None and self.has(chosen, size=held.size, sha256=held.sha256):
                _let_go(held)
                return Delivered(path=chosen)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.chmod(held.path, mode_of_new_files(os.path.dirname(path)))
            return self._placed(held, path, choose)
        except FAILURES as error:
            raise NotDelivered(f"cannot write {path!r}: {reason_of(error)}") from error

    def _path(self, name: str) -> str:
        return os.path.join(self.root, *name.split("/"))

    def has(self, path: str, *, size: int, sha256: str) -> bool:
        """As `Destination.has`."""
        try:
            return os.path.isfile(path) and os.path.getsize(path) == size and _digest(path) == sha256
        except FAILURES as error:
            raise NotDelivered(f"cannot read {path!r}: {reason_of(error)}") from error

    def _placed(self, held: Held, path: str, choose: Choose) -> Delivered:
        for number, one in self._numbers.of(path):
            # Looked at before, so that what is told is nearly always what is taken.
            there = os.path.lexists(one)
            if there and self.clash is Clash.SUFFIX:
                continue
            if not choose(one):
                self._numbers.refused(path, number)
                continue
            if self.clash is Clash.OVERWRITE:
                os.replace(held.path, one)
                _synced(one)
                return Delivered(path=one)
            if not there:
                try:
                    _take(held.path, one)
                except FileExistsError:
                    if self.clash is Clash.SUFFIX:
                        continue
                    there = True
                _synced(one)
            _let_go(held)
            return Delivered(path=one, standing=there)
        raise FileExistsError(errno.EEXIST, _NO_NAME)


def _take(source: str, target: str) -> None:
    """Give the file a second name that nobody has. Raises FileExistsError, OSError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # no links here, or another file system behind a folder of the name
        spool = Spool(os.path.dirname(target))
        try:
            with open(source, "rb") as file:
                while chunk := file.read(_CHUNK):
                    spool.write(chunk)
            spool.seal()
            spool.permit(os.stat(source).st_mode & 0o777)
            spool.become((target,))
        finally:
            spool.remove()


def _let_go(held: Held) -> None:
    with suppress(*FAILURES):
        os.unlink(held.path)


def _synced(path: str) -> None:
    with suppress(*FAILURES):
        sync_directory(os.path.dirname(path))


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@final
class Objects:
    """Any store that fsspec knows, by URL; `options` are the store's own, such as `endpoint_url` for S3.

    The finished file is put, never streamed: a store opened for writing publishes what it has when a body breaks.
    """

    def __init__(self, url: str, *, clash: Clash = Clash.SUFFIX, options: dict[str, Any] | None = None) -> None:
        self.url: str = url.rstrip("/")
        self.clash = clash
        self._options = dict(options or {})
        self._store: Any = None
        self._numbers = _Numbers()
        self._root = ""

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"  # the options may hold a key

    def prepare(self) -> None:
        """Load what speaks to the store. Raises TargetUnusable, which names the package that is missing."""
        _check_text(self.url)
        try:
            core: Any = import_module("fsspec.core")  # without types of its own
        except ModuleNotFoundError:
            raise TargetUnusable(f"{self.url} needs fsspec: pip install 'reportdl[batch]'") from None
        try:
            self._store, self._root = core.url_to_fs(self.url, **self._options)
        except Exception as error:  # some log in here, and a store raises what its library does
            raise TargetUnusable(f"cannot write to {self.url}: {_said(error)}") from error

    def standing(self, name: str) -> str | None:
        """As `Destination.standing`. Raises NotDelivered where the store does not say."""
        if self.clash is not Clash.SKIP:
            return None
        key = self._key(name)
        return self._shown(key) if self._asked(lambda: self._store.exists(key), key) else None

    def deliver(self, held: Held, name: str, *, chosen: str | None, choose: Choose) -> Delivered:
        """As `Destination.deliver`."""
        key = self._key(name)
        return self._asked(lambda: self._delivered(held, key, chosen, choose), key)  # type: ignore[no-any-return]

    def _delivered(self, held: Held, key: str, chosen: str | None, choose: Choose) -> Delivered:
        if chosen is not None and self._holds(chosen, held.size, held.sha256):
            _let_go(held)
            return Delivered(path=chosen)
        for number, one in self._numbers.of(key):
            # Two batches that write into one place may still take one name: a store has no lock to hold.
            there = self.clash is not Clash.OVERWRITE and self._store.exists(one)
            if there and self.clash is Clash.SUFFIX:
                continue
            if not choose(self._shown(one)):
                self._numbers.refused(key, number)
                continue
            if not there:
                self._put(held, one)
            _let_go(held)
            return Delivered(path=self._shown(one), standing=there)
        raise FileExistsError(errno.EEXIST, _NO_NAME)

    def _put(self, held: Held, key: str) -> None:
        store, target = self._store, key
        if not _ATOMIC & set(_protocols(store)):
            folder, _, last = key.rpartition("/")
            store.makedirs(folder, exist_ok=True)
            target = f"{folder}/.{last}.reportdl-part"
        store.put_file(held.path, target)
        store.invalidate_cache()
        size = store.info(target)["size"]
        if size != held.size:
            raise OSError(f"the store says {size} bytes, and {held.size} were sent")
        if target != key:
            store.mv(target, key)

    def has(self, path: str, *, size: int, sha256: str) -> bool:
        """As `Destination.has`."""
        return self._asked(lambda: self._holds(path, size, sha256), path)  # type: ignore[no-any-return]

    def _holds(self, shown: str, size: int, sha256: str) -> bool:
        key = self._store._strip_protocol(shown)
        if not self._store.exists(key) or self._store.info(key)["size"] != size:
            return False
        digest = hashlib.sha256()
        with self._store.open(key, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == sha256

    def _key(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _shown(self, key: str) -> str:
        return str(self._store.unstrip_protocol(key))

    def _asked(self, question: Callable[[], Any], key: str) -> Any:
        try:
            return question()
        except Exception as error:  # a store raises what its library does, and never is the file lost by it
            raise NotDelivered(f"{self.url} did not take {key.rpartition('/')[2]!r}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


def _protocols(store: Any) -> tuple[str, ...]:
    spoken = store.protocol
    return (spoken,) if isinstance(spoken, str) else tuple(spoken)
