"""Tokens at rest: sealed under a key that is nobody else's, and never opened where they do not belong (D39)."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reportdl
import reportdl_core
from reportdl.seal import KeyUnusable, Seal, SealBroken
from reportdl_core import ReportdlError
from reportdl_core.secret import Secret

ROOTS = [str(Path(module.__file__ or "").parents[1]) for module in (reportdl_core, reportdl)]
KEY = bytes(range(32))
TOKEN = "abcDEF123%3D"
CONTEXT = b"job 1"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.mark.rules("D39")
@given(text=st.text(), context=st.binary())
def test_what_is_sealed_opens_again_and_shows_nothing(text: str, context: bytes) -> None:
    seal = Seal(KEY)
    sealed = seal.seal(Secret(text), context=context)
    assert seal.open(sealed, context=context) == Secret(text)
    if len(text) > 4:
        assert text.encode("utf-8", "surrogatepass") not in sealed


@pytest.mark.rules("D39")
def test_two_seals_of_one_token_are_not_alike() -> None:
    seal = Seal(KEY)
    many = {seal.seal(Secret(TOKEN), context=CONTEXT) for _ in range(1000)}
    assert len({sealed[12:24] for sealed in many}) == len(many) == 1000


@pytest.mark.rules("D39")
def test_every_changed_bit_is_seen() -> None:
    seal = Seal(KEY)
    sealed = seal.seal(Secret(TOKEN), context=CONTEXT)
    for bit in range(8 * len(sealed)):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            seal.open(bytes(broken), context=CONTEXT)


@pytest.mark.rules("D39")
def test_every_shortened_seal_is_seen() -> None:
    seal = Seal(KEY)
    sealed = seal.seal(Secret(TOKEN), context=CONTEXT)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            seal.open(sealed[:length], context=CONTEXT)
    with pytest.raises(SealBroken):
        seal.open(sealed + b"\0", context=CONTEXT)


@pytest.mark.rules("D39", "I2")
def test_a_seal_opens_under_its_key_and_where_it_belongs_alone() -> None:
    sealed = Seal(KEY).seal(Secret(TOKEN), context=CONTEXT)
    with pytest.raises(SealBroken, match="another key"):
        Seal(bytes(32)).open(sealed, context=CONTEXT)
    with pytest.raises(SealBroken, match="does not belong here"):
        Seal(KEY).open(sealed, context=b"job 2")
    with pytest.raises(SealBroken, match="nothing that was sealed"):
        Seal(KEY).open(b"", context=CONTEXT)


@pytest.mark.rules("D39")
def test_a_seal_shows_no_key() -> None:
    seal = Seal(KEY)
    assert repr(seal) == str(seal) == f"{seal}" == f"reportdl.seal.Seal(key='***', id={seal._id.hex()!r})"
    assert not hasattr(seal, "__dict__")
    shown = " ".join(repr(getattr(seal, name)) for name in Seal.__slots__)
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
    for doing in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            doing(seal)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyUnusable, match=f"32 random bytes, not {length}"):
        Seal(bytes(length))
    assert issubclass(KeyUnusable, ReportdlError)
    assert issubclass(SealBroken, ReportdlError)


@POSIX
@pytest.mark.rules("D39")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "reportdl.key"
    before = os.umask(umask)
    try:
        first = Seal.from_key_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Seal.from_key_file(str(path))
    assert again.open(first.seal(Secret(TOKEN), context=CONTEXT), context=CONTEXT).reveal() == TOKEN
    assert [found.name for found in tmp_path.iterdir()] == ["reportdl.key"]
    other = Seal.from_key_file(tmp_path / "other.key")
    with pytest.raises(SealBroken):
        other.open(first.seal(Secret(TOKEN), context=CONTEXT), context=CONTEXT)


@POSIX
@pytest.mark.rules("D39")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o660, 0o644, 0o666, 0o777])
def test_a_key_that_others_can_use_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "reportdl.key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match=f"its mode is {mode:04o}.*chmod 600"):
        Seal.from_key_file(path)
    assert path.read_text() == KEY.hex()


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_somebody_put_there_is_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "reportdl.key"
    path.write_text(f"{KEY.hex().upper()}\n")
    path.chmod(mode)
    sealed = Seal(KEY).seal(Secret(TOKEN), context=CONTEXT)
    assert Seal.from_key_file(path).open(sealed, context=CONTEXT).reveal() == TOKEN


@POSIX
@pytest.mark.parametrize("text", ["", "\n", "x" * 64, KEY.hex()[:-2], KEY.hex() + "00", "\0" * 32])
def test_a_file_that_holds_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reportdl.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="does not hold 64 hex digits") as caught:
        Seal.from_key_file(path)
    assert path.read_text() == text
    assert len(text) < 5 or text not in str(caught.value)


@POSIX
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyUnusable, match="not a regular file"):
        Seal.from_key_file(tmp_path / "pipe")
    with pytest.raises(KeyUnusable, match="not a regular file"):
        Seal.from_key_file(tmp_path)
    with pytest.raises(KeyUnusable, match="No such file or directory"):
        Seal.from_key_file(tmp_path / "none" / "reportdl.key")


@POSIX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reportdl.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    os.chown(path, 65534, 65534)
    with pytest.raises(KeyUnusable, match="belongs to somebody else"):
        Seal.from_key_file(path)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    Seal.from_key_file(path)


@POSIX
@pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
def test_a_key_that_cannot_be_written_is_an_error_and_no_half_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "reportdl.key"
    with monkeypatch.context() as patch:
        patch.setattr(f"reportdl.spool.os.{call}", fail)
        with pytest.raises(KeyUnusable, match="No space left on device"):
            Seal.from_key_file(path)
    assert list(tmp_path.iterdir()) == []
    Seal.from_key_file(path)


@POSIX
@pytest.mark.rules("D39")
def test_processes_that_begin_together_share_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from reportdl.seal import Seal\nsys.stdin.readline()\nprint(repr(Seal.from_key_file(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    command = [sys.executable, "-c", script, str(tmp_path / "reportdl.key")]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) for _ in range(2)]
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = {one.communicate(timeout=50)[0] for one in running}
    assert len(said) == 1
    assert "key='***'" in said.pop()
    assert [found.name for found in tmp_path.iterdir()] == ["reportdl.key"]
