"""Decides what a transport must prove on the wire, as one class to subclass.

    class TestMine(TransportContract):
        library = None  # or "asyncio", "trio"

        @pytest.fixture
        def make_transport(self):
            return lambda origin, network: MyTransport(origin, network=network)

pytest runs it against real sockets, plain and TLS (the latter needs `trustme`). Subclass `HandedInContract` too where
a user's own pool, session or client can be handed in. Must never hold a test itself: they stand in its four parts.
"""

from __future__ import annotations

from reportdl.testing.body_contract import BodyContract
from reportdl.testing.connect_contract import ConnectContract
from reportdl.testing.connection_contract import ConnectionContract
from reportdl.testing.request_contract import RequestContract

__all__ = ["TransportContract"]


class TransportContract(RequestContract, BodyContract, ConnectContract, ConnectionContract):
    """What every transport must do. Give it the fixture `make_transport`; set `library` for an async one."""
