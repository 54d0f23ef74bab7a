"""Both tables of the core, broken in every way there is: each row dropped, each target swapped, each row added.

mutmut changes functions; these are values at module level. Each mutant is put in place and the tests of the table are
called on it, in this process: one of them must fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from runpy import run_path
from types import ModuleType

import pytest

from reportdl_core import lifecycle
from reportdl_core.answers import MEANINGS, Answer, Meaning, answer_of
from reportdl_core.commands import Check, Get, Init, ListFormats, LookUp, Run
from reportdl_core.errors import Reason
from reportdl_core.lifecycle import MOVES, Move, State

CORE_TESTS = Path(__file__).parent.parent / "core"
record = run_path(str(CORE_TESTS.parent / "proof" / "figures.py"))["record"]
KINDS = (ListFormats, Init, Run, Check, Get)


def loaded(stem: str) -> ModuleType:
    """A test file as a module of its own, whose names can be changed without harm to the real one."""
    spec = spec_from_file_location(f"mutants_of_{stem}", CORE_TESTS / f"{stem}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def fails(test: Callable[[], None]) -> bool:
    try:
        test()
    except (Exception, pytest.fail.Exception):
        return True
    return False


# ---- the table of moves


Row = tuple[Move, State, State]


def broken_moves() -> Iterator[tuple[str, tuple[Row, ...]]]:
    """Every table that is one row away from the real one."""
    legal = {(move, source) for move, source, _ in MOVES}
    for row in MOVES:
        yield f"without {row}", tuple(one for one in MOVES if one is not row)
        for target in set(State) - {row[2]}:
            swapped = (row[0], row[1], target)
            yield f"{row} becomes {swapped}", tuple(swapped if one is row else one for one in MOVES)
    for move in Move:
        for source in State:
            if (move, source) not in legal:
                for target in State:
                    yield f"and {move} {source} {target}", (*MOVES, (move, source, target))


def lifecycle_with(rows: tuple[Row, ...]) -> ModuleType:
    """`lifecycle.py` itself, run anew with another table in it."""
    assert lifecycle.__file__ is not None
    text = Path(lifecycle.__file__).read_text()
    head, mark, rest = text.partition("MOVES: Final[tuple[tuple[Move, State, State], ...]] = (\n")
    _, end, tail = rest.partition("\n)\n")
    assert mark, "the table has moved"
    written = "".join(f"    ({move!r}, {source!r}, {target!r}),\n" for move, source, target in rows)
    module = ModuleType("mutated_lifecycle")
    exec(compile(head + mark + written + end + tail, "mutated_lifecycle.py", "exec"), module.__dict__)
    return module


@pytest.mark.rules("I1")
def test_every_mutant_of_the_table_of_moves_is_killed_by_what_it_does_and_by_what_it_says() -> None:
    suite = loaded("test_lifecycle")
    pairs = [(state.name, move.name) for state in State for move in Move]

    def put(rows: tuple[Row, ...]) -> ModuleType:
        mutant = lifecycle_with(rows)
        for name in ("FINAL", "MOVES", "Cell", "Move", "State"):
            setattr(suite, name, getattr(mutant, name))
        return mutant

    def does(mutant: ModuleType) -> bool:
        every = suite.test_every_state_with_every_move
        return any(fails(partial(every, mutant.State[state], mutant.Move[move])) for state, move in pairs)

    assert not does(put(MOVES))
    assert not fails(suite.test_the_table_that_others_draw_from_is_the_one_that_moves)
    count = 0
    for said, rows in broken_moves():
        count += 1
        try:
            mutant = put(rows)
        except KeyError:  # a move without a single row: the core cannot even be imported
            assert {move for move, _, _ in rows} != set(Move)
            continue
        assert does(mutant), f"moves as before {said}"
        assert fails(suite.test_the_table_that_others_draw_from_is_the_one_that_moves), f"reads as before {said}"
    assert count == 9 + 9 * 5 + 21 * 6
    record("mutants of the table of moves", f"{count} of {count} killed", target="all", met=True, by="make test")


# ---- the table of meanings


Cell = tuple[Answer, type]

# What `run` brought but an OK, a READY, a final refusal or a proof that it never left is one thing to a session:
# `check` decides. Each of these words for it does the same, so what it does cannot tell them apart; the table's own
# test can.
ALL_ONE = {Meaning.POLL, Meaning.LOST_GET, Meaning.NOT_YET, Meaning.PROTOCOL, Meaning.REPEAT_ONCE}


# What is looked up means what `formats` means, and is not asked within a session: the table's own test holds it.
ASIDE = LookUp


def broken_meanings() -> Iterator[tuple[str, Cell, Meaning | None]]:
    """Every cell gone, and every cell with each other meaning."""
    for (answer, kind), meaning in MEANINGS.items():
        yield f"{answer.name} to {kind.__name__}: nothing", (answer, kind), None
        for other in set(Meaning) - {meaning}:
            yield f"{answer.name} to {kind.__name__}: {other.name}", (answer, kind), other


def transcripts(suite: ModuleType, cell: Cell) -> list[Callable[[], None]]:
    """The transcripts of this answer to this kind of command."""
    answer, kind = cell
    told: list[Callable[[], None]] = [
        partial(suite.test_what_each_answer_means, *param.values)
        for param in suite.CELLS
        if param.values[1] is kind and answer_of(suite.ANSWERS[param.values[0]](1)) is answer
    ]
    told += [
        partial(suite.test_the_same_answer_again_and_again_ends_it, *param)
        for param in again(suite)
        if param[1] is kind and answer_of(suite.ANSWERS[param[0]](1)) is answer
    ]
    if kind is Check and answer in (Answer.UNREADABLE, Answer.IN_PROGRESS):
        told.append(partial(suite.test_a_second_odd_answer_to_check_is_final_but_not_after_a_valid_one, "OK"))
        told.append(suite.test_odd_answers_to_check_never_end_a_live_run)
    if answer is Answer.IN_PROGRESS and kind is Get:
        told.append(suite.test_early_answers_to_get_never_lose_the_file)
    return told


def again(suite: ModuleType) -> list[tuple[str, type, Reason]]:
    return [
        (answer, kind, reason)
        for answer, row in suite.AGAIN.items()
        for kind, reason in zip(KINDS, row, strict=True)
        if reason is not None
    ]


@pytest.mark.rules("I7", "I13")
def test_every_mutant_of_the_table_of_meanings_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = loaded("test_session_answers")
    assert not fails(suite.test_the_table_says_what_the_rules_say)
    for cell in MEANINGS:
        assert cell[1] is ASIDE or not any(fails(run) for run in transcripts(suite, cell)), (
            f"fails before it was broken: {cell}"
        )
    real, count, same, aside = dict(MEANINGS), 0, 0, 0
    for said, cell, meaning in list(broken_meanings()):
        count += 1
        with monkeypatch.context() as patch:
            if meaning is None:
                patch.delitem(MEANINGS, cell)
            else:
                patch.setitem(MEANINGS, cell, meaning)
            assert fails(suite.test_the_table_says_what_the_rules_say), f"reads as before: {said}"
            if cell[1] is ASIDE:
                aside += 1
                continue
            if cell[1] is Run and {meaning, Meaning.POLL} <= ALL_ONE and real[cell] is Meaning.POLL:
                same += 1
                continue
            assert any(fails(run) for run in transcripts(suite, cell)), f"does as before: {said}"
    assert (count, same, aside) == (72 + 72 * 8, 28, 12 + 12 * 8)
    measured = f"{count} of {count} killed, {count - same - aside} of them by what a session does"
    record("mutants of the table of answers", measured, target="all", met=True, by="make test")
