"""Decides how the endpoint runs beside a test or a demo: in a thread of its own, on 127.0.0.1, on a free port.

Counts and keeps what it saw. Must never outlive its `with` block, nor touch signals or logging of the host process.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self, Unpack

from reportdl.server.app import Options, create_app
from reportdl.server.calls import CallLog, SeenCall
from reportdl.server.fault_grammar import fault_book, parse_fault
from reportdl.server.faults import Fault
from reportdl.server.serve import listen, make_server, unstarted, url_of
from reportdl.server.session_loop import SessionLoop
from reportdl_core.endpoint import SessionView

__all__ = ["LoopbackServer"]

_START: Final = 20.0


class LoopbackServer:
    """A context manager around a running endpoint.

    `options` are those of `create_app`. `grace` is how many seconds a call that is being answered may delay the end;
    by default none: its connection is cut. One instance serves once.
    """

    def __init__(self, *, grace: float = 0.0, **options: Unpack[Options]) -> None:
        self._faults = fault_book(options.get("faults", ()))
        self._calls = options.get("calls") or CallLog()
        options["faults"], options["calls"] = self._faults, self._calls
        self._app = app = create_app(**options)
        self._sessions: SessionLoop = app.state.service.sessions
        self._started = threading.Event()
        self._server = make_server(app, grace=grace, ready=self._started.set)
        self._listener = listen("127.0.0.1", 0)  # last: nobody would close it if an option were wrong
        self._thread = threading.Thread(target=self._run, name="reportdl-loopback", daemon=True)
        self.url: Final = url_of(self._listener)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._listener.close()
            self._started.set()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START) or not self._server.started:
            raise unstarted(self._app)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def calls(self) -> tuple[SeenCall, ...]:
        """Every call that came so far, with its raw target."""
        return self._calls.all()

    def count(self, state: str) -> int:
        """How many calls of `state` (or of a neighbour such as `get_token`) came so far."""
        return self._calls.count(state)

    def wait_for(self, state: str, count: int = 1, *, timeout: float = 10.0) -> None:
        """Return once `count` calls of `state` have come; raise TimeoutError after `timeout` seconds."""
        self._calls.wait_for(state, count, timeout=timeout)

    def fault(self, fault: Fault | str) -> None:
        """Put one more fault in force, now. Raises InvalidFault."""
        self._faults.add(parse_fault(fault) if isinstance(fault, str) else fault)

    def no_faults(self) -> None:
        """Take all faults out of force."""
        self._faults.clear()

    def sessions(self) -> tuple[SessionView, ...]:
        """The endpoint's sessions, oldest first, as they are now."""
        return self._server.ask(lambda: self._sessions.endpoint.sessions)
