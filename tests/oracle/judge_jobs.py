"""Judges a job as a whole: its restarts, its snapshots, its file, its last word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.session_state import NEAR
from tests.oracle.stories import Story, Turn, Violation, lost
from tests.oracle.traces import Restored
from tests.oracle.vocabulary import Policy

__all__ = ["CHECKS", "files_are_whole", "went_to_the_end"]


def _budgets(turn: Turn, policy: Policy) -> set[str]:
    """Which of D21's budgets the end of a session in this turn may draw on."""
    facts, found = turn.learned, set()
    ends = turn.session_ends()
    if facts.lost_gets and ends in {"ERROR", "EXPIRED"}:
        found.add("LOST")
    if ends == "EXPIRED":
        if facts.unheld:
            found.add("UNHELD")
        answer = facts.run_answer
        # The time away ages the token, and not `run` (D43).
        early = facts.run is not None and facts.run_answered_at - facts.run.at - facts.away <= policy.early_loss + NEAR
        never = facts.run is None or (
            answer is not None and (answer.sent == "NOT_SENT" or answer.refusal == "CREDENTIALS")
        )
        unproven = answer is not None and early and (lost(answer) or answer.refusal == "BUSY")
        if facts.state in {"INIT", "RUNNING"} and (unproven or never):
            found.add("UNPROVEN")
    return found


_BUDGETS = ("LOST", "UNHELD", "UNPROVEN")


def _spent(left: tuple[int, int, int], kind: str) -> tuple[int, int, int] | None:
    lost, unheld, unproven = left
    if kind == "LOST":
        return (lost - 1, unheld, unproven) if lost > 0 else None
    if kind == "UNHELD":
        return (lost, unheld - 1, unproven) if unheld > 0 else None
    return (lost, unheld, unproven - 1) if unproven > 0 else None


def restarts_within_the_budget(story: Story) -> Iterator[Violation]:
    """D21: what may be followed by another session, and how often; I13: their number. R29: from the beginning."""
    policy = story.began.policy
    # What may be left: an end that two budgets cover may have drawn on either.
    left = {(policy.restarts_lost, policy.restarts_unheld, policy.restarts_unproven)}
    highest = 1
    for turn in story.turns:
        started = {each.session for _, each in turn.issued} | {each.session for _, each in turn.moved}
        fresh = max(started, default=highest) > highest
        ends = turn.session_ends()
        kinds_of_end = sorted(_budgets(turn, policy))
        # Freedom: an end that two budgets cover, one of which is used up.
        covered = all(each[_BUDGETS.index(kind)] > 0 for each in left for kind in kinds_of_end)
        drawn = kinds_of_end if covered else []
        after = {spent for each in left for kind in kinds_of_end if (spent := _spent(each, kind)) is not None}
        if fresh:
            highest = max(started)
            kinds = [each.command.kind for _, each in turn.issued if each.session == highest]
            if kinds and kinds[0] not in {"ListFormats", "Init", "Wait"}:
                yield Violation(rule="R29", position=turn.position, what=f"a session that begins with {kinds[0]}")
            if not after:
                yield Violation(rule="D21", position=turn.position, what=f"another session after {ends}: no budget")
            left = after or left
        elif ends is not None and drawn and turn.at < turn.end and _owed(turn, drawn, policy):
            yield Violation(rule="D21", position=turn.position, what=f"given up with budget left: {drawn}")


def _owed(turn: Turn, drawn: list[str], policy: Policy) -> bool:
    """Whether the rules leave no other name for this end, so that the budget had to be used."""
    if turn.ended is None:
        return False
    outcome = turn.ended[1].outcome
    if turn.learned.told_until >= turn.end - NEAR:
        return False  # Retry-After leaves no time for another session (D19, I8)
    if policy.expiry == "DOCUMENTED" and turn.learned.lost_gets and turn.facts.age(turn.at) >= policy.ttl - NEAR:
        return False  # a lost transfer whose time is over by the clock: either name will do
    return (drawn == ["LOST"] and outcome.reason == "TRANSFER_LOST") or (
        outcome.state == "EXPIRED"
        and "LOST" not in drawn
        and ((outcome.unheld and "UNHELD" in drawn) or (outcome.run_unproven and "UNPROVEN" in drawn))
    )


def the_last_word(story: Story) -> Iterator[Violation]:
    """The outcome is what happened: its state, the state it ended in, its sessions (D21), its proof."""
    sessions, state = 1, "INIT"
    for turn in story.turns:
        for _, moved in turn.moved:
            if moved.session > sessions:
                sessions, state = moved.session, "INIT"
            state = moved.state
        for _, issued in turn.issued:
            sessions = max(sessions, issued.session)
        if turn.ended is None:
            continue
        position, ended = turn.ended
        outcome = ended.outcome
        if outcome.state != state:
            yield Violation(rule="I1", position=position, what=f"outcome {outcome.state} of a session in {state}")
        if outcome.sessions != sessions:
            yield Violation(rule="D21", position=position, what=f"{outcome.sessions} sessions told, {sessions} seen")
        if (outcome.state == "CONSUMED") != (outcome.reason == "DELIVERED"):
            yield Violation(rule="I10", position=position, what=f"{outcome.state} is called {outcome.reason}")
        if outcome.state == "CONSUMED" and not (turn.event and turn.event.kind == "FileReceived" and turn.answered):
            yield Violation(rule="I12", position=position, what="CONSUMED without a file")


def restoring_is_exact(story: Story) -> Iterator[Violation]:
    """I9, D43: the same commands, with the time that remained to them."""
    for turn in story.turns:
        if not isinstance(turn.cause, Restored):
            continue
        saved = [each for position, each in story.saved if position < turn.position]
        if not saved:
            yield Violation(rule="D43", position=turn.position, what="restored from nothing")
            continue
        last = saved[-1]
        then = {each.number: each for each in last.outstanding}
        now = {each.number: each for each in turn.cause.outstanding}
        if then.keys() != now.keys():
            yield Violation(rule="I9", position=turn.position, what=f"saved {sorted(then)}, restored {sorted(now)}")
            continue
        for number, command in now.items():
            was = then[number]
            same = (was.kind, was.token, was.format) == (command.kind, command.token, command.format)
            remained = (was.deadline or 0.0) - last.at
            remains = (command.deadline or 0.0) - turn.at
            if not same or abs(remained - remains) > NEAR:
                yield Violation(rule="I9", position=turn.position, what=f"command {number} came back as another")


def in_flight_is_lost(story: Story) -> Iterator[Violation]:
    """D43: after a restore each request in flight is answered Lost(UNKNOWN), before anything else."""
    for turn, following in zip(story.turns, story.turns[1:], strict=False):
        if not isinstance(turn.cause, Restored) or turn.cause.recovered:
            continue
        flying = {number for number, each in turn.after.items() if each.command.kind != "Wait"}
        event = following.event
        if not flying or event is None:
            continue
        unknown = (event.kind == "Lost" and event.sent == "UNKNOWN") or event.kind == "Cancelled"
        if event.number not in flying or not unknown:
            yield Violation(rule="D43", position=following.position, what="not answered as lost after a restore")


def saved_before_sent(story: Story) -> Iterator[Violation]:
    """D43: a snapshot that shows a command is written before the command is executed."""
    if not story.saved:
        return
    for position, asked in story.asked:
        shown = any(
            at < position and any(command.number == asked.number for command in saved.outstanding)
            for at, saved in story.saved
        )
        if not shown:
            yield Violation(rule="D43", position=position, what=f"command {asked.number} is sent, and not yet saved")


def files_are_whole(story: Story) -> Iterator[Violation]:
    """I10: whole and under its final name, or not at all, and told so."""
    for position, published in story.published:
        if not published.whole:
            yield Violation(rule="I10", position=position, what="half a file under a final name")
    if len(story.published) > 1:
        yield Violation(rule="I10", position=story.published[1][0], what="a second file")
    if story.ended is None:
        return
    position, ended = story.ended
    delivered = ended.outcome.state == "CONSUMED"
    if delivered and not story.published:
        yield Violation(rule="I10", position=position, what="delivered, and there is no file")
    if not delivered and any(published.whole for _, published in story.published):
        yield Violation(rule="I10", position=position, what=f"{ended.outcome.reason}, and the file is there")


def went_to_the_end(story: Story) -> Iterator[Violation]:
    """I8, of a trace that is complete."""
    if story.ended is None:
        yield Violation(rule="I8", position=story.last, what="never ended")


def asked_once(story: Story) -> Iterator[Violation]:
    """D23: one command is one request on the wire."""
    seen: set[int] = set()
    known: set[int] = {each.command.number for _, each, _ in story.issued()}
    for position, asked in story.asked:
        if asked.number in seen:
            yield Violation(rule="D23", position=position, what=f"command {asked.number} is sent twice")
        if asked.number not in known:
            yield Violation(rule="D23", position=position, what=f"command {asked.number} was never issued")
        seen.add(asked.number)


CHECKS: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    restarts_within_the_budget,
    the_last_word,
    restoring_is_exact,
    in_flight_is_lost,
    saved_before_sent,
    asked_once,
)
