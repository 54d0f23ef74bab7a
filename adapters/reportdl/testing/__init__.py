"""Decides which names are handed out for other people's tests, and loads none of them before it is asked for.

Endpoints to test against: the fixtures of `plugin`, or `ReportEndpoint` and `MemoryEndpoint` by hand. A server that
spoils one answer: `FaultServer`, by a name of `FAULTS`. Contracts to subclass: `TransportContract`,
`HandedInContract`, `DriverContract`, `FaultContract`. For the core and what embeds it: `Playbook`, `DownloadMachine`,
and the Hypothesis strategies in `reportdl.testing.strategies`. Each needs the extra that its own module imports; must
never make one of them need another's.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reportdl.testing.auditor import Auditor
    from reportdl.testing.driver_contract import AsyncDriverContract, DriverContract
    from reportdl.testing.faults import FAULTS
    from reportdl.testing.faults.contract import FaultContract
    from reportdl.testing.faults.server import FaultServer
    from reportdl.testing.handed_in_contract import HandedIn, HandedInContract
    from reportdl.testing.journey import Embedded, Journey
    from reportdl.testing.machine import DownloadMachine
    from reportdl.testing.memory_endpoint import DOCUMENTED, Behaviour, MemoryEndpoint, MemoryOptions
    from reportdl.testing.memory_sink import MemorySink
    from reportdl.testing.playbook import Playbook
    from reportdl.testing.plugin import MakeMemoryEndpoint, MakeReportEndpoint
    from reportdl.testing.report_endpoint import ReportEndpoint
    from reportdl.testing.transport_contract import TransportContract

__all__ = [
    "DOCUMENTED",
    "FAULTS",
    "AsyncDriverContract",
    "Auditor",
    "Behaviour",
    "DownloadMachine",
    "DriverContract",
    "Embedded",
    "FaultContract",
    "FaultServer",
    "HandedIn",
    "HandedInContract",
    "Journey",
    "MakeMemoryEndpoint",
    "MakeReportEndpoint",
    "MemoryEndpoint",
    "MemoryOptions",
    "MemorySink",
    "Playbook",
    "ReportEndpoint",
    "TransportContract",
]

_PLACES: Final = {
    "AsyncDriverContract": "driver_contract",
    "Auditor": "auditor",
    "Behaviour": "memory_endpoint",
    "DOCUMENTED": "memory_endpoint",
    "DownloadMachine": "machine",
    "DriverContract": "driver_contract",
    "Embedded": "journey",
    "FAULTS": "faults",
    "FaultContract": "faults.contract",
    "FaultServer": "faults.server",
    "HandedIn": "handed_in_contract",
    "HandedInContract": "handed_in_contract",
    "Journey": "journey",
    "MakeMemoryEndpoint": "plugin",
    "MakeReportEndpoint": "plugin",
    "MemoryEndpoint": "memory_endpoint",
    "MemoryOptions": "memory_endpoint",
    "MemorySink": "memory_sink",
    "Playbook": "playbook",
    "ReportEndpoint": "report_endpoint",
    "TransportContract": "transport_contract",
}


# What a place imports that the package itself does without.
_NEEDS: Final = {
    "driver_contract": "pytest",
    "faults.contract": "pytest",
    "handed_in_contract": "pytest",
    "machine": "hypothesis",
    "plugin": "pytest",
    "report_endpoint": "starlette",
    "transport_contract": "pytest",
}


if not TYPE_CHECKING:
    # To a checker, a `__getattr__` would make every misspelt name an Any.

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'reportdl.testing' has no attribute {name!r}")
        return getattr(import_module(f"reportdl.testing.{_PLACES[name]}"), name)

    def __dir__() -> list[str]:
        # For `help` and completion, which load what they list: only what the installed extras can load.
        can_load = [name for name, place in _PLACES.items() if place not in _NEEDS or find_spec(_NEEDS[place])]
        return sorted({*globals(), *can_load})
