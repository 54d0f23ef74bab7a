"""Decides what a job is: one report to get, checked before anything is asked for (D32).

Must never guess: an id that is not a plain integer could reach another path, since transports collapse dot segments.
"""

from __future__ import annotations

from dataclasses import dataclass

from reportdl_core.errors import InvalidJob

__all__ = ["Job", "identifier", "integer"]

_DIGITS = frozenset("0123456789")
_KEY = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")


def integer(value: object) -> int | None:
    """An element or dimension value id: an integer, or a string of 1 to 19 ASCII digits; else None (D32)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**19 else None
    if isinstance(value, str) and 1 <= len(value) <= 19 and _DIGITS.issuperset(value):
        return int(value)
    return None


def identifier(value: object, name: str) -> int:
    """The same of what a caller calls `name`; raises InvalidJob."""
    if (found := integer(value)) is None:
        raise InvalidJob(f"{name} must be an integer of 1 to 19 digits, not {value!r:.60}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One report to get.

    `element` is the External Report's id, `segment` a dimension *value* id or 0 for an unsegmented element (R4),
    `format` a format key as `formats` lists it (R7, R10). Raises InvalidJob.
    """

    element: int
    segment: int = 0
    format: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "element", identifier(self.element, "element"))
        object.__setattr__(self, "segment", identifier(self.segment, "segment"))
        if not _is_key(self.format):
            raise InvalidJob(f"format must be a key such as 'pdf', not {self.format!r:.60}")


def _is_key(key: object) -> bool:
    return isinstance(key, str) and 1 <= len(key) <= 64 and _KEY.issuperset(key)
