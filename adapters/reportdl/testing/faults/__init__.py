"""Decides which faults there are: every way in which the fault server can be wrong, by name.

Names are prose: they say what happens on the wire. Must never hold two of one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reportdl.testing.faults.connections import CONNECTIONS
from reportdl.testing.faults.contents import CONTENTS
from reportdl.testing.faults.fault import At, Ends, Fault
from reportdl.testing.faults.framings import FRAMINGS
from reportdl.testing.faults.heads import HEADS
from reportdl.testing.faults.statuses import STATUSES

__all__ = ["FAULTS", "PARTS", "At", "Ends", "Fault"]

PARTS: Final[Mapping[str, tuple[Fault, ...]]] = MappingProxyType(
    {
        "Before the answer": CONNECTIONS,
        "The head": HEADS,
        "The framing": FRAMINGS,
        "The content": CONTENTS,
        "The status": STATUSES,
    }
)
"""All faults, in the order in which an answer comes."""

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for part in PARTS.values() for fault in part})
"""All faults by name."""
