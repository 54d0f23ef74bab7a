"""Decides how a reading of the protocol is written on a command line: NAME=VALUE, checked against the switches.

Must never know a switch by name: what there is, is what `Switches` has.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any, get_type_hints

from reportdl_core.switches import Switches

__all__ = ["switched"]


def switched(texts: tuple[str, ...]) -> Switches:
    """The switches with these readings. ValueError and LocalProtocolError say what there would have been."""
    kinds: dict[str, type[Any]] = get_type_hints(Switches)
    chosen: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        kind = kinds.get(name)
        if kind is None:
            listed = "; ".join(f"{one}={_words(kinds[one])}" for one in sorted(kinds))
            raise ValueError(f"{name!r:.40} is no switch. There are: {listed}")
        try:
            chosen[name] = kind(value)
        except ValueError:
            raise ValueError(f"{name} takes {_words(kind)}, not {value!r:.40}") from None
    return replace(Switches(), **chosen)


def _words(kind: type[Any]) -> str:
    if issubclass(kind, Enum):
        return "|".join(f"'{one.value}'" if " " in one.value else str(one.value) for one in kind)
    return {"int": "COUNT", "float": "SECONDS"}[kind.__name__]
