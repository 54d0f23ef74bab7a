"""Decides which state a session may move to, for both ends of the protocol.

This is the only file that moves a state. The client's session and the server's endpoint move by the same
table; the documentation draws its diagram from it, and the exhaustive tests walk it. It must never hold a
callback, a condition or a clock: *when* a move happens is decided elsewhere, *whether* it may is decided here.

The table is one `transitions.Machine` for the whole process. Since it has no callback and no condition, what it
would do is known beforehand: it is asked once for each state and move, and a session looks its answer up.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from transitions import Machine

from reportdl_core.errors import LocalProtocolError

__all__ = ["FINAL", "MOVES", "Cell", "Move", "State"]


class State(Enum):
    """The life of one token. ERROR, CONSUMED and EXPIRED are final (I1)."""

    INIT = "INIT"
    RUNNING = "RUNNING"
    READY = "READY"
    ERROR = "ERROR"
    CONSUMED = "CONSUMED"
    EXPIRED = "EXPIRED"

    def __repr__(self) -> str:
        return f"State.{self.name}"


class Move(Enum):
    """What may happen to a session."""

    RUN = "run"
    BECOME_READY = "become_ready"
    CONSUME = "consume"
    FAIL = "fail"
    EXPIRE = "expire"

    def __repr__(self) -> str:
        return f"Move.{self.name}"


# Sources are listed one by one: a wildcard source would let a final state move.
MOVES: Final[tuple[tuple[Move, State, State], ...]] = (
    (Move.RUN, State.INIT, State.RUNNING),
    (Move.BECOME_READY, State.RUNNING, State.READY),
    (Move.CONSUME, State.READY, State.CONSUMED),
    (Move.FAIL, State.INIT, State.ERROR),
    (Move.FAIL, State.RUNNING, State.ERROR),
    (Move.FAIL, State.READY, State.ERROR),
    (Move.EXPIRE, State.INIT, State.EXPIRED),
    (Move.EXPIRE, State.RUNNING, State.EXPIRED),
    (Move.EXPIRE, State.READY, State.EXPIRED),
)
"""The table: what happens, in which state, and the state that follows. Nothing else moves."""

FINAL: Final = frozenset({State.ERROR, State.CONSUMED, State.EXPIRED})
"""The states that no move leaves (I1)."""

_MACHINE: Final = Machine(
    model=None,
    states=State,
    initial=State.INIT,
    auto_transitions=False,
    transitions=[{"trigger": move.value, "source": source, "dest": target} for move, source, target in MOVES],
)
# To trigger it at every move would take a twelfth of all the processor time of a short job.
_NEXT: Final = {
    (move, State[source]): State[str(transition.dest)]
    for move in Move
    for source, (transition,) in _MACHINE.events[move.value].transitions.items()
}


class Cell:
    """Holds one session's state. Only `move` changes it."""

    __slots__ = ("state",)

    def __init__(self, state: State = State.INIT) -> None:
        self.state: State = state

    def move(self, move: Move) -> State:
        """Make the move and return the new state; raise LocalProtocolError if the table has no such move (I1)."""
        state = _NEXT.get((move, self.state))
        if state is None:
            raise LocalProtocolError(f"no move {move.name} from {self.state.name}")
        self.state = state
        return state
