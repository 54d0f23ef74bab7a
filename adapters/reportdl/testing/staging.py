"""Decides how a contract's tests come to a stage: plain and TLS, sync or async, with the transport under test.

Must never be needed by anything but tests: certificates are made by `trustme`, which is imported here alone.
"""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from reportdl.network import Network
from reportdl.testing.raw_server import RawServer
from reportdl.testing.stage import MakeTransport, Stage

__all__ = ["Staged", "authorities", "certified", "staged"]

_MAKING: Final = threading.Lock()


def staged(
    make: MakeTransport,
    library: str | None,
    scheme: str,
    folder: Path,
    peer: Callable[..., RawServer] = RawServer,
) -> Stage:
    """A stage for a scheme; certificates for https are made in `folder`."""
    if scheme == "http":
        return Stage(make, library=library, peer=peer)
    network = Network(ca_bundle=authorities(folder), proxy="")
    return Stage(make, library=library, server_tls=certified("127.0.0.1", "localhost"), network=network, peer=peer)


def authorities(folder: Path) -> Path:
    """The PEM file, in `folder`, of the one authority that vouches for every certificate made here."""
    bundle = folder / "authority.pem"
    bundle.write_bytes(_authority().cert_pem.bytes())
    return bundle


@functools.cache
def certified(*names: str) -> ssl.SSLContext:
    """A server's context, with a certificate for these names and addresses alone."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(*names).configure_cert(tls)
    return tls


def _authority() -> Any:
    with _MAKING:  # two threads that come first must not get two authorities, of which neither knows the other's
        return _made()


@functools.cache
def _made() -> Any:
    return pytest.importorskip("trustme").CA()


class Staged:
    """The fixtures of every contract. Give it `make_transport`; set `library` for an async one."""

    library: ClassVar[str | None] = None
    """None for a sync transport; "asyncio" or "trio" for an async one."""

    peer: ClassVar[Callable[..., Any]] = RawServer
    """What stands at the other end; `MemoryPeer` for a transport without sockets."""

    @pytest.fixture
    def make_transport(self) -> MakeTransport:
        """A function from `Origin` and `Network` to the transport. It is called where the event loop runs."""
        raise NotImplementedError("a contract needs a fixture make_transport")

    @pytest.fixture(params=["http", "https"])
    def scheme(self, request: pytest.FixtureRequest) -> str:
        """Both, for every test."""
        scheme: str = request.param
        return scheme

    @pytest.fixture
    def stage(self, make_transport: MakeTransport, scheme: str, tmp_path: Path) -> Iterator[Stage]:
        """One server and one transport."""
        stage = staged(make_transport, self.library, scheme, tmp_path, self.peer)
        yield stage
        stage.close()
