"""Decides how all reachable states of a model are visited: breadth first, to a fixpoint, each once.

A model says what it is in a key that forgets what can make no difference; two states with one key are one state. That
the key forgets nothing that matters is checked as it goes: now and then a state that was reached again is followed
anyway, and must lead to the same keys. Must never know what is explored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

__all__ = ["Exploration", "Failure", "Model", "explore", "replay"]


class Model(Protocol):
    """What can be explored."""

    def copied(self) -> Self:
        """Another one in the same state."""
        ...

    def key(self) -> Hashable:
        """The state, without what makes no difference to what may follow."""
        ...

    def moves(self) -> list[Any]:
        """All that may happen next, as labels that a person can read; empty where it is over."""
        ...

    def make(self, label: Any) -> None:
        """Let it happen. Raises where a rule is broken."""
        ...

    def over(self) -> bool:
        """Whether it may end here. A state without moves must be over (I8)."""
        ...

    def told(self) -> Iterable[str]:
        """What the last move was, a line for each thing that happened."""
        ...


class Failure(AssertionError):
    """A rule was broken. `path` are the labels from the start to there, `story` the lines they tell."""

    def __init__(self, reason: str, path: list[Any], story: list[str]) -> None:
        super().__init__("\n".join([reason, *story]))
        self.reason, self.path, self.story = reason, path, story


@dataclass(slots=True)
class Exploration:
    """What was visited. `ends` are the states that may end, `depth` the moves to the farthest state."""

    states: int = 0
    edges: int = 0
    depth: int = 0
    ends: int = 0
    twice: int = 0  # states reached again that were followed all the same
    seconds: float = 0.0
    parents: list[tuple[int, Any]] = field(default_factory=list)
    longest: int = 0  # moves on the longest path: every path ends

    def path(self, index: int) -> list[Any]:
        """The labels from the start to a state."""
        labels: list[Any] = []
        while index > 0:
            index, label = self.parents[index]
            labels.append(label)
        return labels[::-1]


_MASK: Final = (1 << 64) - 1


def explore(start: Model, *, most: int = 2_000_000, every: int = 101, ending: bool = True) -> Exploration:
    """Visit everything; Failure where a rule is broken, a state has no way on, or a path never ends.

    `ending=False` for a model whose environment may do something without effect again and again.
    """
    began = time.perf_counter()
    found = Exploration(states=1, parents=[(-1, None)])
    known: dict[Hashable, int] = {start.key(): 0}
    after: list[list[int]] = [[]]
    waiting: deque[tuple[int, int, Model]] = deque([(0, 0, start)])
    while waiting:
        index, depth, model = waiting.popleft()
        try:
            labels = model.moves()
        except Exception as error:
            raise _failure(found, start, index, None, f"{type(error).__name__}: {error}") from error
        if not labels:
            found.ends += 1
            if not model.over():
                raise _failure(found, start, index, None, "nothing can happen any more, and it is not over (I8)")
        for label in labels:
            new = model.copied()
            try:
                new.make(label)
                key = new.key()
            except Exception as error:
                raise _failure(found, start, index, label, f"{type(error).__name__}: {error}") from error
            found.edges += 1
            number = known.get(key)
            if number is None:
                number = known[key] = found.states
                found.states += 1
                found.depth = max(found.depth, depth + 1)
                found.parents.append((index, label))
                after.append([])
                waiting.append((number, depth + 1, new))
                if found.states > most:
                    raise _failure(found, start, index, label, f"more than {most:,} states: the key forgets too little")
            elif found.edges % every == 0:
                found.twice += 1
                _same(found, start, index, label, number, new)
            after[index].append(number)
    if ending:
        found.longest = _longest(after, found, start)
    found.seconds = time.perf_counter() - began
    return found


def _keys(model: Model) -> set[Hashable]:
    keys = set()
    for label in model.moves():
        new = model.copied()
        new.make(label)
        keys.add(new.key())
    return keys


def _same(found: Exploration, start: Model, index: int, label: Any, number: int, again: Model) -> None:
    first = start.copied()
    for one in found.path(number):
        first.make(one)
    ahead, other = _keys(first), _keys(again)
    if ahead != other:
        only = [*(ahead - other), *(other - ahead)]
        reason = f"two states with one key lead to different states: the key forgets something of {only[:2]}"
        raise _failure(found, start, index, label, reason)


def _longest(after: list[list[int]], found: Exploration, start: Model) -> int:
    """The moves of the longest path; Failure where there is a circle, for then some path never ends."""
    incoming = [0] * len(after)
    for targets in after:
        for target in targets:
            incoming[target] += 1
    length = [0] * len(after)
    free, done = [index for index, count in enumerate(incoming) if not count], 0
    while free:
        index = free.pop()
        done += 1
        for target in after[index]:
            length[target] = max(length[target], length[index] + 1)
            incoming[target] -= 1
            if not incoming[target]:
                free.append(target)
    if done < len(after):
        index = next(index for index, count in enumerate(incoming) if count)
        raise _failure(found, start, index, None, "a path comes back to where it was: it never ends (I8, I13)")
    return max(length)


def _failure(found: Exploration, start: Model, index: int, label: Any, reason: str) -> Failure:
    path = found.path(index) + ([] if label is None else [label])
    return Failure(reason, path, replay(start, path))


def replay(start: Model, path: list[Any]) -> list[str]:
    """The story of a path, up to where it breaks."""
    model, story = start.copied(), list(start.told())
    for label in path:
        try:
            model.make(label)
        except Exception as error:
            return [*story, *model.told(), f"!! {label}: {type(error).__name__}: {error}"]
        story.extend(model.told())
    return story
