"""Decides how faults are put in force while the endpoint runs, by HTTP: only where somebody asked for this route.

Any language's test suite can use it. Must never be there by default, nor answer anybody but this machine: it is asked
from loopback, under a loopback name (no page of another site can reach it), and with a JSON body.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, cast

from starlette.types import Receive, Scope

from reportdl.server.calls import CallLog
from reportdl.server.fault_grammar import InvalidFault, parse_fault
from reportdl.server.faults import Fault, FaultBook
from reportdl.server.neighbours import Handler
from reportdl.server.plain import Plain, error_said, json_said
from reportdl.server.service import read_body
from reportdl_core.envelope import read_object

__all__ = ["PATH", "control"]

PATH: Final = "/control"
_HOSTS: Final = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})


def control(faults: FaultBook, calls: CallLog) -> dict[str, Handler]:
    """GET shows faults in force and calls seen; POST `{"faults": [text, ...]}` adds; DELETE takes all away."""

    async def show(scope: Scope, receive: Receive) -> Plain:
        return _strange(scope) or _shown(faults, calls)

    async def add(scope: Scope, receive: Receive) -> Plain:
        strange = _strange(scope)
        if strange is not None:
            return strange
        if dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
            return error_said(415, "application/json is asked for")
        try:
            for fault in _asked(await read_body(receive)):
                faults.add(fault)
        except TimeoutError:
            return error_said(408, "Request timeout")
        except InvalidFault as error:
            return error_said(400, str(error))
        return _shown(faults, calls)

    async def clear(scope: Scope, receive: Receive) -> Plain:
        strange = _strange(scope)
        if strange is None:
            faults.clear()
            calls.clear()
        return strange or _shown(faults, calls)

    return {"GET": show, "POST": add, "DELETE": clear}


def _strange(scope: Scope) -> Plain | None:
    """A refusal, unless the caller is this machine and says so."""
    peer = scope.get("client")
    host = dict(scope["headers"]).get(b"host", b"")
    name = host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() else host
    local = peer is not None and ipaddress.ip_address(peer[0]).is_loopback
    return None if local and name in _HOSTS else error_said(403, "Only this machine")


def _asked(body: bytes | None) -> list[Fault]:
    """All of the faults, or none: a text that is wrong changes nothing."""
    try:
        said = None if body is None else read_object(body)
    except ValueError:
        said = None
    texts: object = None if said is None else said.get("faults")
    if not isinstance(texts, list):
        raise InvalidFault('write {"faults": ["STATE.KIND[=ARG][:TIMES]", ...]}')
    return [parse_fault(text if isinstance(text, str) else repr(text)) for text in cast("list[object]", texts)]


def _shown(faults: FaultBook, calls: CallLog) -> Plain:
    left: Sequence[tuple[Fault, int | None]] = faults.left()
    return json_said(
        {
            "faults": [
                {"state": fault.state, "effect": repr(fault.effect), "times_left": times} for fault, times in left
            ],
            "calls": [
                {"state": call.state, "method": call.method, "connection": call.connection, "at": call.at}
                for call in calls.all()
            ],
        }
    )
