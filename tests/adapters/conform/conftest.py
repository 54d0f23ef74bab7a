"""Examinations of servers on this machine: the reference endpoint, and a mock made from the document alone."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import reportdl
from reportdl.conform import Examination, examine
from reportdl.origin import Origin
from reportdl.server import LoopbackServer
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.job import Job


def _loaded() -> Any:
    """The mock as a module: it stands alone, and belongs to no package."""
    spec = importlib.util.spec_from_file_location("document_mock", Path(__file__).with_name("document_mock.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


document_mock: Final = _loaded()


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
    """Starts the mock, as it is or with a handler that breaks a rule; its address."""
    running: list[Any] = []

    def start(handler: type | None = None, **options: Any) -> str:
        server = document_mock.Server(**options)
        server.RequestHandlerClass = handler or document_mock.Handler
        # Head and body go out in two writes: without this, each answer waits 40 ms for the system's own sake.
        server.RequestHandlerClass.disable_nagle_algorithm = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return server.url

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
