"""Decides which names of the reference endpoint are public: run it, give it accounts, sources, readings and faults."""

from __future__ import annotations

from reportdl.server.accounts import Accounts
from reportdl.server.app import Options, create_app
from reportdl.server.calls import CallLog, SeenCall
from reportdl.server.fault_grammar import InvalidFault, parse_fault
from reportdl.server.faults import Fault, FaultBook
from reportdl.server.loopback import LoopbackServer
from reportdl.server.serve import CannotServe, PublicWithoutCredentials, serve
from reportdl_core.switches import Switches

__all__ = [
    "Accounts",
    "CallLog",
    "CannotServe",
    "Fault",
    "FaultBook",
    "InvalidFault",
    "LoopbackServer",
    "Options",
    "PublicWithoutCredentials",
    "SeenCall",
    "Switches",
    "create_app",
    "parse_fault",
    "serve",
]
