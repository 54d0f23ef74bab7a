"""Decides how the formats of a report are asked for by themselves: `formats`, without a session (R8).

Must never be used for a request that has an effect.
"""

from __future__ import annotations

from typing import Final, final

from reportdl_core.asking import Asking
from reportdl_core.commands import ListFormats
from reportdl_core.events import Event
from reportdl_core.job import Job
from reportdl_core.policy import Policy

__all__ = ["Inquiry"]

_DEFAULT: Final = Policy()


@final
class Inquiry(Asking[tuple[str, ...]]):
    """Asks which formats a report offers; driven like a `Session`.

    `outcome` becomes the tuple of formats, or an `Outcome` that says why there is none.
    """

    __slots__ = ()

    def __init__(self, *, element: int, segment: int = 0, policy: Policy = _DEFAULT, seed: int = 0, now: float) -> None:
        job = Job(element=element, segment=segment, format="any")  # never sent: `formats` takes no format
        super().__init__(job, policy, seed=seed, now=now)

    def _question(self, *, number: int, deadline: float) -> ListFormats:
        return ListFormats(number=number, job=self._record.job, deadline=deadline)

    def _learn(self, event: Event) -> None:
        """Nothing: the record keeps the formats."""

    def _answer(self) -> tuple[str, ...] | None:
        return self._record.facts.formats

    def _without(self) -> None:
        return None
