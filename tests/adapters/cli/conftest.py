"""The command as a person runs it: real processes against the reference endpoint on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer

SECRET = "canary-7f3a9"


@dataclass(frozen=True)
class Ran:
    """One run of the command."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would decide for the command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
    return {**kept, "REPORTDL_TOKEN": SECRET, "NO_PROXY": "*", **more}


COMMAND = [sys.executable, "-m", "reportdl"]


@pytest.fixture
def reportdl(tmp_path: Path) -> Callable[..., Ran]:
    """Runs the command in an empty folder."""

    def run(*words: str, url: str = "http://127.0.0.1:9", command: list[str] = COMMAND, **more: str) -> Ran:
        env = environment(REPORTDL_URL=url, **more)
        done = subprocess.run([*command, *words], capture_output=True, cwd=tmp_path, env=env, timeout=50, check=False)
        out, err = done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode()
        # I2, D39: whatever happens, the credential shows nowhere.
        assert SECRET not in out + err
        return Ran(done.returncode, out, err)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the command in an empty folder and leaves it running."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, url: str) -> subprocess.Popen[bytes]:
        env = environment(REPORTDL_URL=url)
        pipe = subprocess.PIPE
        running.append(subprocess.Popen([*COMMAND, *words], cwd=tmp_path, env=env, stdout=pipe, stderr=pipe))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def serving() -> Iterator[Callable[..., LoopbackServer]]:
    """Starts endpoints that end with the test."""
    running: list[LoopbackServer] = []

    def start(**options: Any) -> LoopbackServer:
        server = LoopbackServer(**options)
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)
