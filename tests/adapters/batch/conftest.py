"""A batch as a person runs it: the command in processes of its own, against an endpoint that counts."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer

SECRET = "canary-7f3a9"
COMMAND = [sys.executable, "-m", "reportdl"]


@dataclass(frozen=True)
class Ran:
    """One run of the command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """The objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(url: str | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
    server = {} if url is None else {"REPORTDL_URL": url, "REPORTDL_TOKEN": SECRET}
    return {**kept, **server, "NO_PROXY": "*", **more}


class Desk:
    """A folder with a list of jobs, and the command to try on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "night.ledger"
        self._running: list[subprocess.Popen[bytes]] = []

    def jobs(self, *lines: str) -> None:
        """Write night.csv."""
        (self.folder / "night.csv").write_text("\n".join(["element,format,name", *lines, ""]))

    def run(self, *words: str, url: str | None, **more: str) -> Ran:
        """Run the command to its end; `more` is put into its environment."""
        env = environment(url, **more)
        done = subprocess.run(
            [*COMMAND, *words], capture_output=True, cwd=self.folder, env=env, timeout=50, check=False
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert SECRET not in out + err  # D39: whatever happens, the credential shows nowhere
        assert not [value for name, value in more.items() if name.endswith("_TOKEN") and value in out + err]
        return Ran(done.returncode, out, err)

    def start(self, *words: str, url: str | None, **more: str) -> subprocess.Popen[bytes]:
        """Start the command and leave it running."""
        pipe = subprocess.PIPE
        command = [*COMMAND, *words]
        process = subprocess.Popen(command, cwd=self.folder, env=environment(url, **more), stdout=pipe, stderr=pipe)
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """With -9."""
        process.kill()
        process.communicate()

    @property
    def files(self) -> list[str]:
        """What is in out/, hidden things included."""
        found = (path for path in (self.folder / "out").rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder / "out")) for path in found)

    def rows(self, columns: str) -> list[Any]:
        """Columns of the ledger, by line."""
        rows = sqlite3.connect(self.ledger)
        try:
            found = rows.execute(f"SELECT {columns} FROM jobs ORDER BY line").fetchall()
        finally:
            rows.close()
        return [row[0] if len(row) == 1 else row for row in found]

    def end(self) -> None:
        """Leave nothing running."""
        for process in self._running:
            process.kill()
            process.communicate()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty folder."""
    desk = Desk(tmp_path)
    yield desk
    desk.end()


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
