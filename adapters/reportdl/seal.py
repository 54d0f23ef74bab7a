"""Decides how a token is kept at rest: sealed by authenticated encryption under a key that is nobody else's (D39).

AES-256-GCM with a random nonce: 2**32 seals under one key are safe, and a token is sealed once a move. What is sealed
is bound to a context: moved elsewhere, it does not open. Must never write a key readable by others, use one that is,
or say of what it cannot open more than that it cannot.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Final, Never, final

from reportdl.extras import ExtraMissing
from reportdl.spool import FAILURES, Spool, sync_directory
from reportdl.spooling import reason_of
from reportdl_core.errors import ReportdlError
from reportdl_core.secret import Secret

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ModuleNotFoundError as _missing:
    raise ExtraMissing("reportdl.seal", "cryptography", "seal") from _missing

__all__ = ["KeyUnusable", "Seal", "SealBroken"]

_KEY: Final = 32
_NONCE: Final = 12
_ID: Final = 8
_TAG: Final = 16
_MAGIC: Final = b"rdl1"
_HEAD: Final = len(_MAGIC) + _ID + _NONCE


class KeyUnusable(ReportdlError, ValueError):
    """A key that is no key, or a key file that others can read or that cannot be read or made (D39)."""


class SealBroken(ReportdlError):
    """What was sealed does not open: it was damaged, moved from where it belongs, or sealed under another key."""


@final
class Seal:
    """Seals secrets under one key and opens them again. Safe to share between threads; never pickled.

    `key` is 32 random bytes of the caller's own, such as a secret store hands out. Raises KeyUnusable.
    """

    __slots__ = ("_cipher", "_id")

    def __init__(self, key: bytes) -> None:
        length = len(key)
        if length != _KEY:
            del key  # it would stand in a traceback that shows locals
            raise KeyUnusable(f"a key is {_KEY} random bytes, not {length}")
        # The key itself stays inside the cipher, where no repr, vars or debugger of Python's finds it.
        self._cipher = AESGCM(bytes(key))
        self._id = hashlib.sha256(b"reportdl key id\0" + key).digest()[:_ID]

    def __repr__(self) -> str:
        return f"reportdl.seal.Seal(key='***', id={self._id.hex()!r})"

    def __reduce__(self) -> Never:
        raise TypeError("a key is never pickled: each process reads its own key file (D39)")

    @classmethod
    def from_key_file(cls, path: str | os.PathLike[str]) -> Seal:
        """The key in a file of mode 0600, made there if there is none: 64 hex digits.

        Whole or not at all, and only once where several processes begin together. Raises KeyUnusable where others
        may read the file, where it is not the caller's, or holds no key.
        """
        shown = os.fspath(path)
        try:
            text = _read(shown)
            if text is None:
                _make(shown)
                text = _read(shown)
        except FAILURES as error:
            raise KeyUnusable(f"cannot use the key file {shown!r}: {reason_of(error)}") from error
        key = _key(text or b"")
        del text
        if key is None:
            raise KeyUnusable(f"the key file {shown!r} does not hold {2 * _KEY} hex digits")
        return cls(key)

    def seal(self, secret: Secret, *, context: bytes) -> bytes:
        """The secret, encrypted. `context` says where it belongs, and must be said again to open it."""
        nonce = os.urandom(_NONCE)
        head = _MAGIC + self._id + nonce
        return head + self._cipher.encrypt(nonce, secret.reveal().encode("utf-8", "surrogatepass"), head + context)

    def open(self, sealed: bytes, *, context: bytes) -> Secret:
        """The secret again. Raises SealBroken; which of its causes it was is said where it is known for sure."""
        head, body = sealed[:_HEAD], sealed[_HEAD:]
        if len(body) < _TAG or not head.startswith(_MAGIC):
            raise SealBroken("this is nothing that was sealed here")
        if head[len(_MAGIC) :][:_ID] != self._id:
            raise SealBroken("it was sealed under another key, or is damaged")
        try:
            return Secret(self._cipher.decrypt(head[-_NONCE:], body, head + context).decode("utf-8", "surrogatepass"))
        except InvalidTag:
            raise SealBroken("it is damaged, or does not belong here") from None


def _key(text: bytes) -> bytes | None:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    return key if len(key) == _KEY else None


def _read(path: str) -> bytes | None:
    """What the file holds; None where there is none. Raises OSError, and KeyUnusable where others can read it."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    try:
        # Of the file that was opened, not of its name: between two looks another one could have taken it.
        found = os.fstat(descriptor)
        _judge(path, found)
        return os.read(descriptor, 4 * _KEY)
    finally:
        os.close(descriptor)


def _judge(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeyUnusable(f"the key file {path!r} is not a regular file")
    if not hasattr(os, "geteuid"):
        return  # Windows has no such bits: the folder's own rights count there
    if found.st_uid not in (os.geteuid(), 0):
        raise KeyUnusable(f"the key file {path!r} belongs to somebody else (user {found.st_uid})")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise KeyUnusable(f"others can use the key file {path!r} (its mode is {mode:04o}): chmod 600 it, or remove it")


def _make(path: str) -> None:
    """Make the file with a new key. Raises OSError. Where another process was faster, its key is the one."""
    directory = os.path.dirname(os.path.abspath(path))
    spool = Spool(directory)  # its owner's alone from the start, and swept if this process dies here
    try:
        spool.write(os.urandom(_KEY).hex().encode() + b"\n")
        spool.permit(stat.S_IRUSR | stat.S_IWUSR)  # whatever the umask took away
        spool.seal()
        spool.become((os.path.abspath(path),))
        # A key whose name is lost with the power would leave tokens behind that nobody can open.
        sync_directory(directory)
    except FileExistsError:
        pass
    finally:
        spool.remove()
