"""Decides what is known of reportdl's own transports that the table does not say, each with its reason.

A contract expects just this difference in these cells, so that an entry which is no longer true fails. Must never hold
a cell in which a file is published that is not whole, or `run` leaves twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reportdl.testing.faults.expected import Deviation, Word
from reportdl_core.errors import Reason

__all__ = ["AIOHTTP", "URLLIB3"]

AIOHTTP: Final[Mapping[str, Deviation]] = MappingProxyType(
    {
        "longer than its length": Deviation(
            words={"formats": Word.AGAIN, "init": Word.AGAIN, "run": Word.POLL, "check": Word.AGAIN},
            why="aiohttp reads on after an answer, and gives a short one up with what is no HTTP there",
        ),
        "a length that is too small": Deviation(
            words={},
            why="aiohttp reads on after an answer: what is no HTTP there ends it before its JSON is seen to be broken",
            unheard={"http": Reason.UNREACHABLE, "https": Reason.UNREACHABLE},
        ),
        "a length said twice": Deviation(
            words={
                "formats": Word.AGAIN,
                "init": Word.AGAIN,
                "run": Word.POLL,
                "check": Word.AGAIN,
                "get": Word.FETCH,
            },
            why="aiohttp's parser refuses a head that says its length twice, even if it says the same twice",
        ),
        "no length, and a reset": Deviation(
            words={"get": Word.ASIDE},
            unheard={"http": Reason.ENDPOINT_MISSING, "https": Reason.ENDPOINT_MISSING},
            raced=("https",),
            why="aiohttp hands a reset on as the end of a body that has no length: a file is kept aside",
        ),
    }
)
"""Of `AiohttpTransport`."""

URLLIB3: Final[Mapping[str, Deviation]] = MappingProxyType(
    {
        "no length, and a reset": Deviation(
            words={"get": Word.ASIDE},
            schemes=("https",),
            unheard={"https": Reason.ENDPOINT_MISSING},
            raced=("https",),
            why="Python's ssl hands a reset on as an end: a body that has no length is kept aside",
        ),
    }
)
"""Of `Urllib3Transport`."""
