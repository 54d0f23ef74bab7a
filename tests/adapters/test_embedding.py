"""The worked example of docs/embed-the-core.md, as processes of their own that are killed at the worst moments."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from reportdl.server import LoopbackServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "embed_core.py"
CREDENTIAL = "cr3dential"


class Product:
    """The other product, installed in a folder: it can be started again and again for one job."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.target, self.database = folder, folder / "sales.pdf", folder / "jobs.sqlite"
        self.command = [sys.executable, "-P", str(EXAMPLE), url, "1042", "pdf", str(self.target), str(self.database)]

    @contextmanager
    def started(self):
        environment = {**os.environ, "MI_TOKEN": CREDENTIAL, "PYTHONPATH": str(ROOT / "core")}
        process = subprocess.Popen(
            self.command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def killed_at(self, server: LoopbackServer, state: str, count: int = 1) -> None:
        with self.started() as process:
            server.wait_for(state, count)
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL

    def finished(self) -> str:
        with self.started() as process:
            said, complaints = process.communicate(timeout=30)
            assert process.returncode == 0, complaints
            return said

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def server():
    with LoopbackServer(generation_seconds=3.0) as server:
        yield server


@pytest.fixture
def product(tmp_path, server):
    return Product(tmp_path, server.url)


def whole(path):
    data = path.read_bytes()
    return data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")


@pytest.mark.rules("D43", "I3", "I10")
def test_killed_in_the_middle_of_run_it_generates_once(product, server):
    product.killed_at(server, "run")
    assert product.left() == {"jobs.sqlite", "jobs.key"}
    assert product.finished().startswith("delivered")
    assert whole(product.target)
    assert (server.count("init"), server.count("run"), server.count("get")) == (1, 1, 1)
    assert product.left() == {"jobs.sqlite", "jobs.key", "sales.pdf"}


@pytest.mark.rules("D43", "I3")
def test_killed_again_and_again_it_generates_once(product, server):
    product.killed_at(server, "run")
    product.killed_at(server, "check", 1)
    product.killed_at(server, "check", 2)
    product.finished()
    assert whole(product.target)
    assert (server.count("init"), server.count("run"), server.count("get")) == (1, 1, 1)


@pytest.mark.rules("D43")
def test_killed_before_there_is_a_token_it_asks_for_one(product, server):
    server.fault("init.delay=1:1")
    product.killed_at(server, "init")
    product.finished()
    assert whole(product.target)
    assert server.count("run") == 1


@pytest.mark.rules("D21", "D43")
def test_killed_while_the_file_came_it_asks_once_more(product, server):
    server.fault("get.delay=2:1")
    product.killed_at(server, "get")
    product.finished()
    assert whole(product.target)
    assert server.count("run") == server.count("init")
    assert product.left() == {"jobs.sqlite", "jobs.key", "sales.pdf"}


def test_a_job_that_is_done_asks_nothing(product, server):
    product.finished()
    before = len(server.calls)
    product.finished()
    assert len(server.calls) == before


@pytest.mark.rules("D39")
def test_no_secret_lies_on_disk_in_clear(product, server):
    product.killed_at(server, "run")
    (run,) = [call for call in server.calls if call.state == "run"]
    (token,) = re.findall(r"token=([^&]+)", run.target)
    for path in product.folder.iterdir():
        data = path.read_bytes()
        for secret in (token, token.replace("%3D", "="), CREDENTIAL):
            assert secret.encode() not in data, path.name
    assert (product.folder / "jobs.key").stat().st_mode & 0o777 == 0o600


def test_it_embeds_the_core_and_nothing_else():
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(EXAMPLE.read_bytes()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported - sys.stdlib_module_names == {"reportdl_core", "cryptography"}
    script = f"import runpy, sys; runpy.run_path({str(EXAMPLE)!r}); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "core")}
    done = subprocess.run([sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "reportdl_core.exchange" in loaded, done.stderr
    assert not [name for name in loaded if name.partition(".")[0] in {"reportdl", "urllib3", "structlog"}]
