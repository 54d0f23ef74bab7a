"""Decides what becomes of a session whose machine sleeps, and whose driver gives Waits up before their time.

The simulator as it is, with dice of its own for these two, so that what else a seed deals stays the same. While the
machine sleeps the server goes on; alarms ring and answers come when it wakes, in any order. Must never look at how a
session goes.
"""

from __future__ import annotations

from math import floor
from typing import Final

from reportdl_core import Cancelled, Event, Wait
from tests.proof.scenarios import Dice
from tests.proof.simulator import TICK, Flight, Onlooker, Simulation

__all__ = ["SleepingSimulation"]

_NAPS: Final = (1.0, 20.0, 100.0, 299.0, 301.0, 610.0, 2000.0, 4000.0)
_OTHER_DICE: Final = 1 << 62


class SleepingSimulation(Simulation):
    """One job on a machine that sleeps now and then."""

    def __init__(self, seed: int, *, referee: bool = False, onlooker: Onlooker | None = None) -> None:
        self.naps, self.awake = Dice(seed + _OTHER_DICE), 0.0
        super().__init__(seed, referee=referee, onlooker=onlooker)

    def _next(self) -> None:
        if self.now >= self.awake and self.naps.chance(0.03):
            self._fall_asleep()
        elif self.naps.chance(0.02):
            self._give_up()
        if self.download.outcome is None:
            super()._next()

    def _fall_asleep(self) -> None:
        nap = self.naps.between(0.0, self.naps.one(_NAPS))
        self.met["nap"] += 1
        self.awake = floor((self.now + nap) / TICK) * TICK
        self.snooze = max(self.snooze, self.awake)

    def _latest(self) -> float:
        # Nobody looks at the job's deadline before the machine wakes.
        return max(super()._latest(), self.awake + self.dealt.late + 0.001)

    def _give_up(self) -> None:
        if self.now < self.awake:
            return
        # To the oracle two times nearer than 2 ms are one: a Wait with as little left is over, or given up.
        soon = self.now + self.offset + 0.1
        waits = [one.number for one in self.download.outstanding if isinstance(one, Wait) and one.deadline > soon]
        if waits:
            self.met["given up"] += 1
            self._hear(Cancelled(number=waits[0]))

    def _come(self, flight: Flight, event: Event) -> None:
        if self.now < self.awake:
            # A whole step later where times are cut to steps, or it would come before, again and again.
            self._at(self.awake - self.now + self.dealt.grid, self._come, flight, event)
        else:
            super()._come(flight, event)
