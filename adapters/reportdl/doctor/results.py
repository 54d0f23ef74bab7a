"""Decides what one check can say: how it is, what was seen, what to do. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Health", "Place", "Result"]


class Health(Enum):
    """How it is."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "bad"
    SKIPPED = "skipped"  # something before it is bad, or it does not apply


class Place(Enum):
    """Where the trouble would be, if there is any; the exit code follows from it."""

    INSTALLATION = "installation"
    USAGE = "usage"
    NETWORK = "network"
    CREDENTIALS = "credentials"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check. `advice` says what to do, where there is something to do. No member holds a secret."""

    name: str
    place: Place
    health: Health
    said: str
    advice: str = ""
