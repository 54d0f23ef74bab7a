"""Decides which paths there are, and puts the parts of the reference endpoint together.

The download path is matched on the raw target, before anything decodes it: `..%2F` is not a slash here. Must never
hold a rule of the protocol; those are in the core's endpoint and its switches.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from reportdl.server.accounts import Accounts
from reportdl.server.calls import CallLog
from reportdl.server.control import PATH
from reportdl.server.control import control as control_of
from reportdl.server.delivery import STALL
from reportdl.server.download import PREFIX, DownloadEndpoint
from reportdl.server.elements import element_info, elements, plugins, values
from reportdl.server.fault_grammar import fault_book
from reportdl.server.faults import Fault, FaultBook
from reportdl.server.get_token import get_token
from reportdl.server.lookup import Catalog
from reportdl.server.neighbours import Handler, Neighbour, known
from reportdl.server.openapi import described
from reportdl.server.plain import Plain, error_said
from reportdl.server.service import Service
from reportdl.server.session_loop import SessionLoop
from reportdl.server.sources import ReportSource, demo
from reportdl_core.endpoint import Endpoint
from reportdl_core.switches import Switches

__all__ = ["Options", "create_app"]

_DEFAULT: Final = Switches()


class Options(TypedDict, total=False):
    """The keywords of `create_app`, for those who pass them on."""

    sources: Sequence[ReportSource] | None
    accounts: Accounts | None
    switches: Switches
    faults: FaultBook | Iterable[Fault | str]
    generation_seconds: float
    generations_at_once: int
    stall: float
    calls: CallLog | None
    clock: Callable[[], float]
    control: bool


class _RawRoute(BaseRoute):
    """Everything under PREFIX, judged by the bytes that came."""

    def __init__(self, endpoint: DownloadEndpoint) -> None:
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Full or none: methods are the endpoint's own business."""
        mine = scope["type"] == "http" and scope["raw_path"].startswith(PREFIX)
        return (Match.FULL, {}) if mine else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        await self._endpoint(scope, receive, send)


def create_app(
    *,
    sources: Sequence[ReportSource] | None = None,
    accounts: Accounts | None = None,
    switches: Switches = _DEFAULT,
    faults: FaultBook | Iterable[Fault | str] = (),
    generation_seconds: float = 0.0,
    generations_at_once: int = 4,
    stall: float = STALL,
    calls: CallLog | None = None,
    clock: Callable[[], float] = time.monotonic,
    control: bool = False,
) -> Starlette:
    """The reference endpoint as a Starlette application; run it by `serve` or LoopbackServer.

    `sources` generate the files; by default the demo's. Without `accounts` no credential is asked for. `switches` are
    the readings of the protocol, `faults` what goes wrong on purpose (values, or texts of `fault_grammar`). A
    generation takes at least `generation_seconds`; `generations_at_once` run side by side.
    `stall` is how many seconds a client may take for one chunk (D35). `calls`, where given, remembers every call.
    `clock` is monotonic, in seconds. With `control`, faults can be changed by HTTP from this machine. Raises
    InvalidFault, InvalidCatalog where the demo's is broken, and ValueError for numbers that leave nothing to run.
    """
    catalog = Catalog([demo()] if sources is None else sources)
    sessions = SessionLoop(
        Endpoint(switches=switches), catalog, seconds=generation_seconds, at_once=generations_at_once, clock=clock
    )
    if control and calls is None:
        calls = CallLog()
    service = Service(
        sessions=sessions, catalog=catalog, accounts=accounts, faults=fault_book(faults), calls=calls, stall=stall
    )
    app = Starlette(
        routes=[_RawRoute(DownloadEndpoint(service)), *_neighbours(service), *(_control(service) if control else ())],
        lifespan=_living(sessions),
        exception_handlers={404: _not_found, Exception: _broken},
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


def _living(sessions: SessionLoop) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def living(app: Starlette) -> AsyncGenerator[None, None]:
        try:
            await sessions.start()
        except OSError as error:
            app.state.failure = error  # uvicorn says no more than that it did not start
            raise
        try:
            yield
        finally:
            await sessions.stop()

    return living


def _neighbours(service: Service) -> Iterable[BaseRoute]:
    async def openapi(scope: Scope, receive: Receive) -> Plain:
        return described()

    table: dict[str, dict[str, Handler]] = {
        "/api/get_token": get_token(service.accounts),
        "/api/element": {"GET": known(service, elements(service.catalog))},
        "/api/element_info": {"GET": known(service, element_info(service.catalog))},
        "/api/dimension_value": {"GET": known(service, values(service.catalog))},
        "/api/data_source_plugin": {"GET": known(service, plugins(service.catalog))},
        "/openapi.json": {"GET": openapi},
    }
    for path, methods in table.items():
        yield Route(path, Neighbour(service, path.rpartition("/")[2], methods))


def _control(service: Service) -> Iterable[BaseRoute]:
    assert service.calls is not None
    # Not noted among the calls, nor hit by faults: it is no part of what is tested.
    yield Route(PATH, Neighbour(replace(service, calls=None), "control", control_of(service.faults, service.calls)))


def _response(answer: Plain) -> Response:
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))


def _not_found(request: Request, error: Exception) -> Response:
    # Not the document's words: a client is to see that there is no endpoint here (D29).
    return _response(error_said(404, "Not found"))


def _broken(request: Request, error: Exception) -> Response:
    return _response(error_said(500, "Internal server error"))
