"""Decides how a catalog file says what is wrong with it, and how its values are taken out: typed and by its place.

A `Section` knows the file and the way to itself, so that every complaint names file, element and key. A key that nobody
takes is an error, since it is most often a slip of the pen that would be silently ignored. Must never know what a
report is; of its words, only which characters they may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar, cast

from reportdl.server.generators.table import legible
from reportdl_core.errors import ReportdlError

__all__ = ["InvalidCatalog", "Section"]

E = TypeVar("E", bound=Enum)
_MOST_ID: Final = 10**19


class InvalidCatalog(ReportdlError, ValueError):
    """A catalog file that cannot be used. `place` is the way to the value, such as "element 7, name"."""

    def __init__(self, file: Path, place: str, problem: str) -> None:
        super().__init__(f"{file}: {place}: {problem}" if place else f"{file}: {problem}")
        self.file = file
        self.place = place
        self.problem = problem


class Section:
    """One table of the file. Use it in a `with`: leaving it refuses the keys that were not taken."""

    def __init__(self, file: Path, place: str, values: Mapping[str, object]) -> None:
        self.file = file
        self.place: str = place
        self._left = dict(values)

    def __enter__(self) -> Section:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._left:
            raise self.wrong(sorted(self._left)[0], "no such key here")

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def wrong(self, key: str, problem: str) -> InvalidCatalog:
        """The complaint about one key, to be raised."""
        return InvalidCatalog(self.file, f"{self.place}, {key}" if self.place else key, problem)

    def rename(self, place: str) -> None:
        """Be called by a better name, once the id is known."""
        self.place = place

    def text(self, key: str, default: str | None = None) -> str:
        """A string without control characters; required unless there is a default."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, f"must be a text, not {value!r:.60}")
        if legible(value) != value:
            raise self.wrong(key, "holds a control character")
        return value

    def number(self, key: str, default: int | None = None, *, below: int = _MOST_ID) -> int:
        """An integer from 0."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < below:
            raise self.wrong(key, f"must be an integer from 0 to {below - 1}, not {value!r:.60}")
        return value

    def day(self, key: str) -> date:
        """A date, written as TOML has it: 2026-09-30."""
        value = self._take(key, None)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong(key, f"must be a date such as 2026-09-30, not {value!r:.60}")
        return value

    def one_of(self, key: str, kind: type[E], default: E | None = None) -> E:
        """The member of an enumeration with this value."""
        word = self.text(key, default.value if default else None)
        for member in kind:
            if member.value == word:
                return member
        raise self.wrong(key, f"must be one of {', '.join(repr(one.value) for one in kind)}, not {word!r:.60}")

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        items = self._items(key, default)
        if not all(isinstance(item, str) for item in items):
            raise self.wrong(key, "must be a list of texts")
        return tuple(cast(list[str], items))

    def section(self, key: str) -> Section:
        """A table inside this one."""
        return self._inner(key, self._take(key, None), key)

    def sections(self, key: str, *, required: bool = True) -> tuple[Section, ...]:
        """A list of tables."""
        items = self._items(key, None if required else ())
        return tuple(self._inner(key, item, f"{key} {number}") for number, item in enumerate(items, 1))

    def mapping(self, key: str) -> dict[str, str]:
        """A table of strings."""
        inner = self.section(key)
        with inner:
            return {name: inner.text(name) for name in tuple(inner._left)}

    def _inner(self, key: str, value: object, name: str) -> Section:
        if not isinstance(value, dict):
            raise self.wrong(key, f"must be a table, not {value!r:.60}")
        return Section(self.file, f"{self.place}, {name}" if self.place else name, cast(dict[str, object], value))

    def _items(self, key: str, default: tuple[str, ...] | None) -> list[object]:
        value = self._take(key, None if default is None else list(default))
        if not isinstance(value, list):
            raise self.wrong(key, f"must be a list, not {value!r:.60}")
        return cast(list[object], value)

    def _take(self, key: str, default: object) -> object:
        value = self._left.pop(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        return value
