"""Decides how a token is held so that it cannot slip out: not by repr, str, format, vars, pickle or copy (D39).

Must never grow a method that returns the text under a name one could call by accident.
"""

from __future__ import annotations

from typing import Never, final

__all__ = ["Secret"]


@final
class Secret:
    """A text that shows as ``'***'``. `reveal()` is the only way to read it; equal by content, hashable."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The text itself, for the wire and for sealing alone."""
        text: str = object.__getattribute__(self, "_text")
        return text

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError("a secret does not change")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> Never:
        raise TypeError("a secret is never pickled; seal it (D39)")

    def __reduce__(self) -> Never:
        raise TypeError("a secret is never pickled; seal it (D39)")
