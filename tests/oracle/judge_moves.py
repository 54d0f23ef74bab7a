"""Judges the client's moves and what it has outstanding: the invariants that need no clock but the token's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.session_state import NEAR
from tests.oracle.stories import Story, Turn, Violation
from tests.oracle.table import may_move
from tests.oracle.traces import Issued, Moved
from tests.oracle.vocabulary import FINAL, REQUESTS, STATES, WITH_TOKEN

__all__ = ["CHECKS"]


def legal_moves(story: Story) -> Iterator[Violation]:
    """I1: only the moves of the table, from INIT on; I11: and only the six states."""
    states: dict[int, str] = {}
    for turn in story.turns:
        for position, moved in turn.moved:
            before = states.get(moved.session, "INIT")
            if moved.state not in STATES:
                yield Violation(rule="I11", position=position, what=f"{moved.state} is no state")
            elif not may_move(before, moved.state):
                yield Violation(rule="I1", position=position, what=f"{before} -> {moved.state}")
            states[moved.session] = moved.state


def nothing_after_the_end(story: Story) -> Iterator[Violation]:
    """I1: a final state issues no request. After EXPIRED one with a token is I6's, after any other a get is I5's."""
    final: dict[int, str] = {}
    over = False
    for turn in story.turns:
        records: list[tuple[int, Issued | Moved]] = [*turn.issued, *turn.moved]
        for position, record in sorted(records, key=lambda pair: pair[0]):
            if isinstance(record, Moved):
                if record.state in FINAL:
                    final[record.session] = record.state
                continue
            command = record.command
            if command.kind == "Finish" or (record.session not in final and not over):
                continue
            state = final.get(record.session, "the end")
            expired = state == "EXPIRED" and command.kind in WITH_TOKEN
            rule = "I6" if expired else "I5" if command.kind == "Get" else "I1"
            yield Violation(rule=rule, position=position, what=f"{command.kind} after {state}")
        over = over or turn.ended is not None
    for position, asked in story.asked:
        if story.ended is not None and position > story.ended[0]:
            yield Violation(rule="I1", position=position, what=f"request of command {asked.number} sent after the end")


def tokens_stay_at_home(story: Story) -> Iterator[Violation]:
    """I2: never without a token, nor with another's; element and segment are the job's."""
    job = story.began.job
    held: dict[int, str | None] = {}
    for turn in story.turns:
        if turn.event is not None and turn.event.kind == "TokenIssued" and turn.answered is not None:
            held[turn.answered.session] = turn.event.token
        for position, issued in turn.issued:
            command = issued.command
            if command.kind in WITH_TOKEN and (not command.token or command.token != held.get(issued.session)):
                yield Violation(rule="I2", position=position, what=f"{command.kind} with token {command.token!r}")
            elsewhere = (command.element, command.segment) != (job.element, job.segment)
            if command.kind in REQUESTS[:-1] and elsewhere:
                yield Violation(rule="I2", position=position, what=f"{command.kind} for another element or segment")


def formats_are_right(story: Story) -> Iterator[Violation]:
    """D9, D10, D11: a format, as it is listed, and the same for `get` as for `run`; D12: the preflight."""
    ran: dict[int, str | None] = {}
    refused = False
    for turn in story.turns:
        refused = refused or (turn.event is not None and turn.event.refusal == "INVALID_FORMAT")
        listed = turn.event.formats if turn.event and turn.event.kind == "FormatsListed" else turn.facts.listed
        for position, issued in turn.issued:
            kind, spelled = issued.command.kind, issued.command.format
            if kind == "ListFormats" and story.began.policy.preflight == "OFF" and not refused:
                yield Violation(rule="D12", position=position, what="the formats are asked for without a preflight")
            if kind not in {"Run", "Get"}:
                continue
            if not spelled:
                yield Violation(rule="D10", position=position, what=f"{kind} without a format")
            elif kind == "Run":
                ran[issued.session] = spelled
                if listed is not None and spelled not in listed:
                    yield Violation(rule="D11", position=position, what=f"{spelled} is not as listed: {listed}")
            elif spelled != ran.get(issued.session, spelled):
                yield Violation(rule="D9", position=position, what=f"get {spelled} after run {ran[issued.session]}")


def at_most_one_run_and_one_other(story: Story) -> Iterator[Violation]:
    """I4, after every turn."""
    for turn in story.turns:
        runs = [each for each in turn.after.values() if each.command.kind == "Run"]
        others = [each for each in turn.after.values() if each.command.kind != "Run"]
        if len(runs) > 1 or len(others) > 1:
            names = [each.command.kind for each in turn.after.values()]
            yield Violation(rule="I4", position=turn.position, what=f"outstanding at once: {names}")


def get_leaves_at_once(story: Story) -> Iterator[Violation]:
    """I4: on the answer of `run`, whatever check is out; D2: on READY, too."""
    for turn in story.turns:
        event = turn.event
        if event is None or turn.answered is None or turn.facts.state not in {"RUNNING", "READY"}:
            continue
        run_ok = turn.kind == "Run" and (event.kind == "RunFinished" or event.status in {"OK", "READY"})
        ready = turn.kind == "Check" and event.status == "READY"
        if not (ready or (run_ok and turn.facts.state == "RUNNING")) or turn.new("Get"):
            continue
        renewing = any(each.command.kind == "RenewCredentials" for each in turn.after.values())
        if turn.session_ends() or renewing or turn.facts.owed or turn.facts.naming:
            continue  # `naming`: the session is as good as over (R10)
        yield Violation(rule="I4" if run_ok else "D2", position=turn.position, what="READY, and no get leaves")


def never_a_second_run(story: Story) -> Iterator[Violation]:
    """I3, as the client sees it: only NOT_SENT, or one early 401 or 412, may be followed by another run."""
    early = story.began.policy.early_refusal
    allowed: dict[tuple[int, str | None], str] = {}
    repeated: set[tuple[int, str | None]] = set()
    for turn in story.turns:
        if turn.answered is not None and turn.kind == "Run" and turn.event is not None:
            key = (turn.answered.session, turn.answered.command.token)
            if turn.event.kind == "Lost" and turn.event.sent == "NOT_SENT":
                allowed[key] = "not sent"
            elif turn.event.refusal == "CREDENTIALS" and turn.at - turn.answered.at <= early + NEAR:
                allowed[key] = "refused"
        for position, issued in turn.new("Run"):
            key = (issued.session, issued.command.token)
            why = allowed.pop(key, None)
            first = key not in repeated and not any(
                each.command.token == key[1] and each.session == key[0] and at < position
                for at, each, _ in story.issued()
                if each.command.kind == "Run"
            )
            if first:
                continue
            if why is None or (why == "refused" and key in repeated):
                yield Violation(rule="I3", position=position, what=f"a second run with token {key[1]!r}")
            if why == "refused":
                repeated.add(key)


def each_command_answered_once(story: Story) -> Iterator[Violation]:
    """I7: nothing is answered that was never asked, nothing stays open, a late answer changes nothing."""
    shown: set[int] = set()
    for turn in story.turns:
        if turn.late and turn.event is not None:
            if turn.event.number not in shown:
                yield Violation(rule="I7", position=turn.position, what="an answer to no command")
            elif _effects(turn) and not _due(turn):
                yield Violation(rule="I7", position=turn.position, what="a late answer has an effect")
        for position, issued in turn.issued:
            if issued.command.number in shown:
                yield Violation(rule="I7", position=position, what=f"number {issued.command.number} again")
            shown.add(issued.command.number)
        for position, gone in turn.superseded:
            if gone.number not in shown:
                yield Violation(rule="I7", position=position, what="no such command to supersede")


def _effects(turn: Turn) -> bool:
    return bool(turn.issued or turn.superseded or turn.moved or turn.ended)


def _due(turn: Turn) -> bool:
    """Whether time alone would have brought something about."""
    deadlines = [each.command.deadline for each in turn.before.values() if each.command.deadline is not None]
    return turn.at >= min([turn.end, *deadlines])


def nothing_undocumented_is_raised(story: Story) -> Iterator[Violation]:
    """I11: whatever the server sends."""
    for position, raised in story.raised:
        if not raised.documented:
            yield Violation(rule="I11", position=position, what=raised.what)


def no_get_after_error(story: Story) -> Iterator[Violation]:
    """R23: a get after ERROR, unless READY has been said since.

    What `run` says once READY has made it needless adds nothing: `check` decides (D6), and has.
    """
    heard: dict[int, str] = {}
    for turn in story.turns:
        if turn.answered is not None and turn.event is not None:
            needless = turn.kind == "Run" and turn.facts.state != "RUNNING"
            if turn.event.status in {"ERROR", "READY"} and not needless:
                heard[turn.answered.session] = turn.event.status
            if turn.event.kind == "RunFinished" or (turn.kind == "Run" and turn.event.status == "OK"):
                heard[turn.answered.session] = "READY"
        for position, issued in turn.new("Get"):
            if heard.get(issued.session) == "ERROR":
                yield Violation(rule="R23", position=position, what="get after ERROR")


CHECKS: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    legal_moves,
    nothing_after_the_end,
    tokens_stay_at_home,
    formats_are_right,
    at_most_one_run_and_one_other,
    get_leaves_at_once,
    never_a_second_run,
    each_command_answered_once,
    nothing_undocumented_is_raised,
    no_get_after_error,
)
