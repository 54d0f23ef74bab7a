"""Decides how one of many values is written on a command line: NAME=VALUE, a switch of the endpoint or of a policy.

Must never know one by name: what there is, is what the dataclass has.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any, Final, TypeVar, get_type_hints

from reportdl_core.switches import Switches

__all__ = ["chosen", "switched"]

T = TypeVar("T")

_FLAGS: Final = {"yes": True, "no": False}


def switched(texts: tuple[str, ...]) -> Switches:
    """The switches with these readings. ValueError and LocalProtocolError say what there would have been."""
    return chosen(Switches(), texts, "switch")


def chosen(values: T, texts: tuple[str, ...], what: str) -> T:
    """`values`, a dataclass, with these members. ValueError and LocalProtocolError say what there would have been."""
    kinds: dict[str, type[Any]] = get_type_hints(type(values))
    said: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        kind = kinds.get(name)
        if kind is None:
            listed = "; ".join(f"{one}={_words(kinds[one])}" for one in sorted(kinds))
            raise ValueError(f"{name!r:.40} is no {what}. There are: {listed}")
        try:
            said[name] = _flag(value) if kind is bool else kind(value)
        except ValueError:
            raise ValueError(f"{name} takes {_words(kind)}, not {value!r:.40}") from None
    return replace(values, **said)  # type: ignore[type-var]


def _words(kind: type[Any]) -> str:
    if issubclass(kind, Enum):
        return "|".join(f"'{one.value}'" if " " in one.value else str(one.value) for one in kind)
    return {"int": "COUNT", "float": "SECONDS", "bool": "yes|no"}[kind.__name__]


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text]
