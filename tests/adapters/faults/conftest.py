"""Decides where nginx and HAProxy come from, and how what the matrix measured gets into its store.

A proxy is a process of the test's own, on a free port, gone with the test. Where REPORTDL_RECORD=1 (the `deep` parts
set it), each column of the matrix that passed whole is written into `measured.json`, from which
`test_faults_page.py` makes a page. Must never record a column that was not played to its end.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from reportdl.server import LoopbackServer
from reportdl.testing.faults import FAULTS

STORE = Path(__file__).parent / "measured.json"
ITEM = re.compile(r"::Test(\w+)Faults::test_a_fault_that_(strikes_once|never_heals)\[(https?)-(.+)\]$")

_passed: dict[tuple[str, str, str], set[str]] = defaultdict(set)
"""By transport, scheme and test: the faults whose five cells came out as expected."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """With several workers, the process that collects their reports is told of all of them."""
    if report.when == "call" and report.passed and (item := ITEM.search(report.nodeid)):
        transport, test, scheme, fault = item.groups()
        _passed[transport, scheme, test].add(fault)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("REPORTDL_RECORD") != "1" or hasattr(session.config, "workerinput"):
        return
    whole = [" ".join(column) for column, faults in _passed.items() if faults == set(FAULTS)]
    STORE.touch()
    with STORE.open("r+", encoding="utf-8") as store:
        fcntl.flock(store, fcntl.LOCK_EX)  # two parts may end at once
        measured = json.loads(store.read() or "{}")
        measured.update(dict.fromkeys(whole, len(FAULTS)))
        store.seek(0)
        store.write(json.dumps(measured, indent=2, sort_keys=True) + "\n")
        store.truncate()


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream endpoint {{ {upstreams} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://endpoint; {options} }}
  }}
}}
"""
HAPROXY = """
global
  maxconn 256
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
{defaults}
frontend front
  bind 127.0.0.1:{port}
  default_backend endpoint
backend endpoint
{servers}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            assert process.poll() is None, (folder / "output").read_text()
            time.sleep(0.02)
        else:
            raise AssertionError((folder / "output").read_text())
        yield
    finally:
        process.terminate()
        process.wait(10.0)


class Proxies:
    """Starts proxies; each lives until the test is over."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self._folder, self._cleanup = folder, cleanup

    def nginx(self, *ports: int, options: str = "", each: str = "") -> str:
        """An nginx before endpoints on these ports; `each` stands on every upstream's line, `options` at its place."""
        port = free_port()
        upstreams = " ".join(f"server 127.0.0.1:{one} {each};" for one in ports)
        config = self._folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self._folder, port=port, upstreams=upstreams, options=options))
        command = [shutil.which("nginx") or "nginx", "-p", str(self._folder), "-c", str(config)]
        self._cleanup.enter_context(running(command, port, self._folder))
        return f"http://127.0.0.1:{port}"

    def haproxy(self, *ports: int, defaults: str = "", backend: str = "", each: str = "") -> str:
        """The same with HAProxy; a `%` in `each` is the server's own name."""
        port = free_port()
        lines = [f"  server s{one} 127.0.0.1:{one} {each.replace('%', f's{one}')}" for one in ports]
        config = self._folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port, defaults=defaults, servers="\n".join([backend, *lines])))
        command = [shutil.which("haproxy") or "haproxy", "-db", "-f", str(config)]
        self._cleanup.enter_context(running(command, port, self._folder))
        return f"http://127.0.0.1:{port}"

    def asked(self) -> list[str]:
        """The state words that clients asked nginx for, in order: its own log."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [line.split('"')[1].split(" ")[1].partition("?")[0].rpartition("/")[2] for line in lines]


@pytest.fixture
def proxies(tmp_path: Path) -> Iterator[Proxies]:
    folder = tmp_path / "proxy"
    folder.mkdir()
    with ExitStack() as cleanup:
        yield Proxies(folder, cleanup)


@pytest.fixture
def endpoint() -> Iterator[Callable[..., LoopbackServer]]:
    """Start a reference endpoint with these options."""
    with ExitStack() as cleanup:
        yield lambda **options: cleanup.enter_context(LoopbackServer(**options))
