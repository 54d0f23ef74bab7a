"""Decides how commands, events and their values are written down as JSON, and read back by their types.

Only what a message is made of: numbers, texts, enumerations, secrets (always written as `***`), paths (by their name
alone), tuples and dataclasses. Must never write a secret, and never trust what it reads.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

from reportdl_core.commands import Command, LookUp
from reportdl_core.errors import ReportdlError
from reportdl_core.events import Event, LookedUp
from reportdl_core.secret import Secret

__all__ = ["MASK", "Unreadable", "read_command", "read_event", "read_value", "written", "written_message"]

MASK: Final = "***"

_UNION: Final = (Union, types.UnionType)


class Unreadable(ReportdlError, ValueError):
    """Something that no version of this program wrote; the message says what."""


def written_message(message: Command | Event) -> dict[str, Any]:
    """A command or an event: its class under `is`, and what differs from the defaults."""
    return {"is": type(message).__name__, **_members(message, every=False)}


def written(value: object) -> Any:
    """A value as JSON has it; a dataclass with every member."""
    if is_dataclass(value) and not isinstance(value, type):
        return _members(value, every=True)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case Secret():
            return MASK
        case Path():
            return value.name  # where it lay is nobody's business but the user's
        case tuple():
            return [written(one) for one in cast("tuple[object, ...]", value)]
        case _:
            raise TypeError(f"{type(value).__name__} has no form in a trace")


def _members(value: Any, *, every: bool) -> dict[str, Any]:
    members = ((spec, getattr(value, spec.name)) for spec in fields(value))
    return {spec.name: written(one) for spec, one in members if every or spec.default is MISSING or one != spec.default}


def read_command(value: object) -> Command:
    """The command that `written_message` wrote; its token is a mask. Raises Unreadable."""
    command: Command = _message(_by_name(Command), value)
    return command


def read_event(value: object) -> Event:
    """The event that `written_message` wrote; its token is a mask. Raises Unreadable."""
    event: Event = _message(_by_name(Event), value)
    return event


def _by_name(union: object) -> dict[str, type[Any]]:
    # A look-up belongs to no job, so that no trace has one.
    return {kind.__name__: kind for kind in get_args(union) if kind not in (LookUp, LookedUp)}


def _message(kinds: Mapping[str, type[Any]], value: object) -> Any:
    said = _mapping(value)
    kind = kinds.get(str(said.get("is")))
    if kind is None:
        raise Unreadable(f"no such message: {said.get('is')!r:.40}")
    return read_value(kind, {name: member for name, member in said.items() if name != "is"})


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"an object was expected, not {value!r:.40}")
    return cast("dict[str, Any]", value)


def read_value(kind: Any, value: object) -> Any:
    """`value` as `kind`, which is a type as annotations say it. Raises Unreadable."""
    if get_origin(kind) in _UNION:
        inner = next(one for one in get_args(kind) if one is not type(None))
        return None if value is None else read_value(inner, value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise Unreadable(f"a list was expected, not {value!r:.40}")
        return tuple(read_value(get_args(kind)[0], one) for one in cast("list[object]", value))
    if is_dataclass(kind):
        return _read_members(kind, _mapping(value))
    return _read_plain(kind, value)


def _read_plain(kind: Any, value: object) -> Any:
    sound = isinstance(value, _accepted(kind)) and (kind is bool or not isinstance(value, bool))
    if not sound or (isinstance(value, float) and not math.isfinite(value)):
        raise Unreadable(f"{kind.__name__} was expected, not {value!r:.40}")
    try:
        return kind(value)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _accepted(kind: Any) -> Any:
    if issubclass(kind, Enum | Secret | Path):
        return str
    return int | float if kind is float else kind


def _read_members(kind: Any, said: Mapping[str, Any]) -> Any:
    # A member that a later version has added says nothing to this one.
    known = {name: read_value(hint, said[name]) for name, hint in _hints(kind).items() if name in said}
    try:
        return kind(**known)
    except TypeError:
        missing = [spec.name for spec in fields(kind) if spec.default is MISSING and spec.name not in said]
        raise Unreadable(f"{kind.__name__} lacks {', '.join(missing)}") from None
    except ReportdlError as error:
        raise Unreadable(f"{kind.__name__}: {error}") from None


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, localns={"Path": Path})
