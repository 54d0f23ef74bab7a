"""The table of moves, exhaustively: every state with every move."""

from __future__ import annotations

import gc
import logging

import pytest
from transitions import Machine, MachineError

from reportdl_core import lifecycle
from reportdl_core.errors import LocalProtocolError
from reportdl_core.lifecycle import FINAL, MOVES, Cell, Move, State

# Written out from the rules, not from the table: the diagram of the six states.
LEGAL = {
    ("INIT", "RUN"): "RUNNING",
    ("RUNNING", "BECOME_READY"): "READY",
    ("READY", "CONSUME"): "CONSUMED",
    ("INIT", "FAIL"): "ERROR",
    ("RUNNING", "FAIL"): "ERROR",
    ("READY", "FAIL"): "ERROR",
    ("INIT", "EXPIRE"): "EXPIRED",
    ("RUNNING", "EXPIRE"): "EXPIRED",
    ("READY", "EXPIRE"): "EXPIRED",
}


@pytest.mark.rules("I1")
@pytest.mark.parametrize("move", Move, ids=lambda move: move.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_state_with_every_move(state: State, move: Move) -> None:
    cell = Cell(state)
    target = LEGAL.get((state.name, move.name))
    if target is None:
        with pytest.raises(LocalProtocolError, match=f"^no move {move.name} from {state.name}$"):
            cell.move(move)
        assert cell.state is state
    else:
        assert cell.move(move) is State[target]
        assert cell.state is State[target]


@pytest.mark.rules("I1")
def test_the_table_that_others_draw_from_is_the_one_that_moves() -> None:
    assert {(source.name, move.name): target.name for move, source, target in MOVES} == LEGAL
    assert len(MOVES) == len(LEGAL)


@pytest.mark.rules("I1")
def test_final_states_are_those_that_nothing_leaves() -> None:
    assert {state for state in State if state not in {source for _, source, _ in MOVES}} == FINAL


@pytest.mark.rules("I1")
def test_every_state_can_be_reached_from_init() -> None:
    reached = {State.INIT}
    for _ in State:
        reached |= {target for _, source, target in MOVES if source in reached}
    assert reached == set(State)


def test_a_cell_begins_in_init_and_holds_nothing_else() -> None:
    cell = Cell()
    assert cell.state is State.INIT
    with pytest.raises(AttributeError):
        cell.other = 1  # type: ignore[attr-defined]


def test_cells_do_not_share_their_state() -> None:
    one, other = Cell(), Cell()
    one.move(Move.RUN)
    assert (one.state, other.state) == (State.RUNNING, State.INIT)


@pytest.mark.rules("I1")
@pytest.mark.parametrize("move", Move, ids=lambda move: move.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_cell_moves_as_the_machine_would_if_it_were_triggered(state: State, move: Move) -> None:
    machine: Machine = vars(lifecycle)["_MACHINE"]
    triggered, cell = Cell(state), Cell(state)
    try:
        machine.events[move.value].trigger(triggered)
    except MachineError:
        with pytest.raises(LocalProtocolError):
            cell.move(move)
    else:
        cell.move(move)
    assert cell.state is triggered.state


def test_a_refused_move_shows_no_other_exception() -> None:
    with pytest.raises(LocalProtocolError) as refused:
        Cell().move(Move.CONSUME)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_the_machine_keeps_no_cell_alive() -> None:
    gc.collect()
    before = {id(one) for one in gc.get_objects() if isinstance(one, Cell)}  # of tests whose failure is still told
    cells = [Cell() for _ in range(100)]
    for cell in cells:
        cell.move(Move.RUN)
    del cell, cells
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Cell) and id(one) not in before]


def test_moving_is_silent_whatever_is_asked_to_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Cell().move(Move.RUN)
    assert not caplog.records


def test_names_are_shown_as_python() -> None:
    for one in (*State, *Move):
        assert eval(repr(one), {"State": State, "Move": Move}) is one
