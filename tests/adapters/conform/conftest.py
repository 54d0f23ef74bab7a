"""Examinations of servers on this machine: the reference endpoint, and somebody's mock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reportdl
from reportdl.conform import Examination, examine
from reportdl.origin import Origin
from reportdl.server import LoopbackServer
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.job import Job

MOCK = Path(__file__).with_name("sloppy_mock.py")


def examined(url: str, **options: Any) -> Examination:
    """One examination over real HTTP."""
    origin = Origin.parse(url)
    transport = Urllib3Transport(origin)
    said = {
        "credentials": reportdl.Token("canary-credential"),
        "job": Job(element=1042, format="csv"),
        "patience": 20.0,
        **options,
    }
    try:
        return examine(origin, transport=transport, **said)
    finally:
        transport.close()


@pytest.fixture
def conform() -> Callable[..., Examination]:
    """Examines the server at a URL."""
    return examined


@pytest.fixture
def reference() -> Callable[..., Examination]:
    """Starts a reference endpoint with these options and examines it."""

    def run(*steps: str, seconds: float = 0.0, server: dict[str, Any] | None = None, **options: Any) -> Examination:
        with LoopbackServer(generation_seconds=seconds, **(server or {})) as running:
            return examined(running.url, steps=steps, **options)

    return run


@pytest.fixture
def mock() -> Iterator[Callable[..., str]]:
    """Starts the mock as the program it is; its address."""
    running: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(MOCK)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()
