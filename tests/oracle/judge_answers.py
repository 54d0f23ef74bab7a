"""Judges what the client makes of single answers: which end a session, what it is called, what is asked next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.judge_time import cuts, unsent
from tests.oracle.session_state import NEAR
from tests.oracle.stories import Story, Turn, Violation, lost
from tests.oracle.table import REASON, meaning
from tests.oracle.vocabulary import DOWNLOADS, WITH_TOKEN, Event

__all__ = ["CHECKS"]

# Whose rule an answer that must end the session is.
_FINAL = {
    "REDIRECTED": "D31",
    "ELEMENT_NOT_ALLOWED": "D27",
    "ELEMENT_NOT_FOUND": "D27",
    "NOT_IMPLEMENTED": "R3",
    "INVALID_TOKEN": "R14",
    "INVALID_FORMAT": "R10",
    "NO_DOWNLOADS": "R9",
    "INVALID_STATE": "R2",
    "ENDPOINT_MISSING": "D29",
    "METHOD_NOT_ALLOWED": "D29",
    "OTHER": "D26",
    "UNREADABLE": "D17",
}


def _said(turn: Turn) -> str:
    """What the table says of this turn's answer; nothing where there is none, or it is late."""
    if turn.event is None or turn.answered is None or turn.kind not in DOWNLOADS or not turn.facts.live:
        return ""
    return meaning(turn.kind, turn.event)


def _by_clock(turn: Turn, story: Story) -> bool:
    """Whether the clock may have ended the session in this turn, whatever the answer was."""
    policy = story.began.policy
    documented = policy.expiry == "DOCUMENTED" and turn.facts.age(turn.at) >= policy.ttl - NEAR
    limit = policy.silence if turn.learned.contact else min(policy.silence, policy.first_contact)
    # Freedom: what `run` says while the alternatives are asked for may count, or not (D12, D19).
    silent = turn.at - turn.facts.heard_else_at >= limit - NEAR
    told = turn.event.retry_after if turn.event is not None else None
    until = max(turn.facts.told_until, turn.at + (told or 0.0))
    no_time_left = until >= turn.end - NEAR  # D19: Retry-After is honoured within the job's deadline
    return no_time_left or documented or (silent and turn.facts.state != "CONSUMED") or _unused(turn, story)


def final_answers_end_it(story: Story) -> Iterator[Violation]:
    """The table's final and protocol error: the session ends there and then, and is called so."""
    naming_in: int | None = None  # the session whose format was refused: its formats are asked for to name them (D12)
    for turn in story.turns:
        said = _said(turn)
        if turn.event is not None and turn.event.refusal == "INVALID_FORMAT" and turn.new("ListFormats"):
            naming_in = turn.facts.session
        # Where `run` has become needless, by READY or since its format was refused, its own answer adds nothing.
        needless = turn.kind == "Run" and (turn.facts.state != "RUNNING" or turn.facts.naming)
        if said not in {"final", "protocol"} or needless:
            continue
        event = turn.event
        assert event is not None
        rule = _FINAL.get(event.refusal or "", "D17")
        naming = event.refusal == "INVALID_FORMAT" and turn.new("ListFormats")  # D12
        inquiry = turn.kind == "ListFormats" and (turn.facts.run is not None or naming_in == turn.facts.session)
        if turn.session_ends() is None and not naming and not _put_off(turn, story):
            yield Violation(rule=rule, position=turn.position, what=f"{turn.kind} goes on after {event.refusal}")
        elif turn.ended is not None and not _well_named(turn, event, story) and not inquiry:
            reason = turn.ended[1].outcome.reason
            yield Violation(rule=rule, position=turn.ended[0], what=f"{event.refusal} is called {reason}")


def alternatives_are_named(story: Story) -> Iterator[Violation]:
    """D12: after `Invalid format` the formats are asked for where they are not known.

    Freedom: not where they cannot be at once, since a Retry-After is on, or the renewal of a dead credential not done.
    """
    for turn in story.turns:
        if not _unnamed(turn) or turn.ended is None or turn.ended[1].outcome.reason != "INVALID_FORMAT":
            continue
        free = turn.facts.renewing or turn.facts.told_until > turn.at
        needless = turn.kind == "Run" and turn.facts.state != "RUNNING"
        if not free and not needless and not _by_clock(turn, story):
            yield Violation(rule="D12", position=turn.ended[0], what="the alternatives are not asked for")


def _unnamed(turn: Turn) -> bool:
    """The format is refused, and what others there are is not known."""
    refused = turn.event is not None and turn.event.refusal == "INVALID_FORMAT" and turn.kind in DOWNLOADS
    return refused and turn.kind != "ListFormats" and turn.facts.listed is None and not turn.facts.naming


def _put_off(turn: Turn, story: Story) -> bool:
    """Whether the question for the alternatives has to wait, and does."""
    return _renewal_goes_on(turn) or _waits_as_told(turn, story)


def _waits_as_told(turn: Turn, story: Story) -> bool:
    """Freedom: a Retry-After that is on may be waited for before the alternatives are asked for (D12, D19)."""
    if not _unnamed(turn) or turn.facts.told_until <= turn.at or len(turn.issued) > len(turn.new("Wait")):
        return False
    others = [each for each in turn.after.values() if each.command.kind != "Run"]
    if [each.command.kind for each in others] != ["Wait"]:
        return False
    length = (others[0].command.deadline or 0.0) - others[0].at
    cut = any(abs(length - each) <= NEAR for each in cuts(story, turn, others[0]))
    return cut or length >= turn.facts.told_last - others[0].at - NEAR


def _renewal_goes_on(turn: Turn) -> bool:
    """Freedom: what is under way to renew a credential known to be dead may come before the alternatives (D12, D16).

    That is a renewal, or a Wait for one: it stays as it is, and nothing is asked beside it. A Wait that is over at
    this very moment may have become the renewal.
    """
    if not _unnamed(turn) or not turn.facts.renewing:
        return False
    under_way = [each.command for each in turn.before.values() if each.command.kind in {"RenewCredentials", "Wait"}]
    if not turn.issued:
        return any(command.number in turn.after for command in under_way)
    over = any(each.kind == "Wait" and (each.deadline or 0.0) <= turn.at for each in under_way)
    return over and len(turn.issued) == len(turn.new("RenewCredentials")) == 1


def only_the_alternatives(story: Story) -> Iterator[Violation]:
    """R10, D12: what comes before the question for the alternatives is for that question alone."""
    going_on = False
    for turn in story.turns:
        going_on = going_on and turn.facts.naming  # taken up again from before that answer (D43), it is not known yet
        for position, issued in turn.new(*DOWNLOADS) if going_on else []:
            if issued.command.kind != "ListFormats" and issued.session == turn.facts.session:
                yield Violation(rule="R10", position=position, what=f"{issued.command.kind} after INVALID_FORMAT")
        going_on = going_on or (not turn.facts.naming and turn.session_ends() is None and _put_off(turn, story))


def _well_named(turn: Turn, event: Event, story: Story) -> bool:
    assert turn.ended is not None
    reason = turn.ended[1].outcome.reason
    permitted = REASON.get(event.refusal or "", frozenset({"PROTOCOL"}))
    if event.status == "ERROR":
        permitted = frozenset({"GENERATION_FAILED", "REFUSED", "PROTOCOL", "SERVER_ERROR"})
    if turn.facts.lost_gets:
        permitted |= {"TRANSFER_LOST"}
    if turn.facts.age(turn.at) >= story.began.policy.ttl:
        permitted |= {"EXPIRED"}
    return reason in permitted or _by_clock(turn, story)


def a_lost_run_is_no_failure(story: Story) -> Iterator[Violation]:
    """D6: loss, 408, 429, 5xx, HTML, and a failure that `run` itself tells, are for `check` to decide."""
    for turn in story.turns:
        if turn.kind != "Run" or turn.facts.state != "RUNNING" or _said(turn) not in {"poll", "confirm"}:
            continue
        if turn.session_ends() is not None and not _by_clock(turn, story):
            yield Violation(rule="D6", position=turn.position, what="the loss of run ends the session")


def insurance_ends_nothing(story: Story) -> Iterator[Violation]:
    """D19: while `run` is alive, a check that fails ends nothing."""
    for turn in story.turns:
        if turn.kind != "Check" or not turn.facts.run_out or turn.facts.state != "RUNNING":
            continue
        if _said(turn) in {"repeat", "unreadable", "renew"} and turn.session_ends() and not _by_clock(turn, story):
            yield Violation(rule="D19", position=turn.position, what="a check that failed ends a live run")


def repeats_end_nothing(story: Story) -> Iterator[Violation]:
    """The table's repeat: only the clock ends it (D26, D29)."""
    for turn in story.turns:
        if _said(turn) != "repeat" or turn.session_ends() is None or _by_clock(turn, story):
            continue
        if not turn.facts.run_out and turn.ended and turn.ended[1].outcome.reason != "INVALID_FORMAT":
            yield Violation(rule="I8", position=turn.position, what=f"{turn.kind} is to be repeated, and ends it all")


def early_errors_are_confirmed(story: Story) -> Iterator[Violation]:
    """D18: within 10 s of sending `run`, before it answered. R22: any other ERROR is the end."""
    early = story.began.policy.early_error
    for turn in story.turns:
        if turn.kind != "Check" or turn.event is None or turn.event.status != "ERROR" or not turn.facts.live:
            continue
        run = turn.facts.run
        young = run is not None and turn.at - run.at < early - NEAR and turn.facts.run_out
        ends = turn.session_ends()
        if young and turn.facts.errors == 0 and turn.facts.state == "RUNNING":
            if ends is not None and not _by_clock(turn, story):
                yield Violation(rule="D18", position=turn.position, what="an early ERROR is not confirmed")
        elif ends is None and (run is None or turn.at - run.at - turn.facts.away > early + NEAR):
            yield Violation(rule="R22", position=turn.position, what="ERROR, and the session goes on")


def expired_or_error(story: Story) -> Iterator[Violation]:
    """D41: `Download failed` from 300 s on is EXPIRED, earlier ERROR; D21: after a lost get, the file is lost."""
    for turn in story.turns:
        if _said(turn) != "failed":
            continue
        assert turn.event is not None
        ends, ttl = turn.session_ends(), story.began.policy.ttl
        if turn.facts.lost_gets:
            if ends is None or (ends == "EXPIRED" and not _by_clock(turn, story)):
                yield Violation(rule="D21", position=turn.position, what=f"a lost file is {ends}")
            continue
        right = "EXPIRED" if turn.facts.age(turn.at) >= ttl else "ERROR"
        if ends != right and not (ends is not None and _by_clock(turn, story)):
            yield Violation(rule="D41", position=turn.position, what=f"Download failed is {ends}, not {right}")


def not_yet(story: Story) -> Iterator[Violation]:
    """D42: the state stays, and `check` comes before the next get."""
    for turn in story.turns:
        if _said(turn) != "not yet" or _by_clock(turn, story):
            continue
        if turn.session_ends() is not None:
            yield Violation(rule="D42", position=turn.position, what="IN PROGRESS to get ends the session")
            continue
        following = _next_with_token(story, turn)
        if following is not None and following[1] != "Check":
            yield Violation(rule="D42", position=following[0], what=f"{following[1]} after IN PROGRESS to get")


def lost_transfers(story: Story) -> Iterator[Violation]:
    """D21: `check`, then one more get, and no third."""
    for turn in story.turns:
        if turn.kind != "Get" or turn.event is None or not lost(turn.event) or _by_clock(turn, story):
            continue
        following = _next_with_token(story, turn)
        if turn.facts.lost_gets == 0:
            if turn.session_ends() is not None:
                yield Violation(rule="D21", position=turn.position, what="given up at the first lost get")
            elif following is not None and following[1] != "Check":
                yield Violation(rule="D21", position=following[0], what=f"{following[1]} after a lost get")
        elif turn.session_ends() is None:
            yield Violation(rule="D21", position=turn.position, what="a third get is on its way")


def _next_with_token(story: Story, turn: Turn) -> tuple[int, str] | None:
    for position, issued, _ in story.issued():
        if position > turn.position and issued.command.kind in WITH_TOKEN and issued.session == turn.facts.session:
            return position, issued.command.kind
    return None


def kept_or_not(story: Story) -> Iterator[Violation]:
    """D44: a file that cannot be kept is the end, and no second get; D20: after a whole file, nothing is a failure."""
    for turn in story.turns:
        if turn.kind != "Get" or turn.event is None or turn.answered is None:
            continue
        if turn.event.kind == "FileNotKept" and turn.session_ends() != "ERROR":
            yield Violation(rule="D44", position=turn.position, what="the session goes on after a file not kept")
        if turn.event.kind == "FileReceived" and turn.session_ends() != "CONSUMED":
            yield Violation(rule="D20", position=turn.position, what="the whole file has come, and it is no success")


def renewals(story: Story) -> Iterator[Violation]:
    """D16: renew, then the same command; an older credential's refusal repeats; only what was refused is renewed."""
    for turn in story.turns:
        if turn.event is None or turn.answered is None or not turn.facts.live:
            continue
        # A renewal does not end a Retry-After (D19).
        told = turn.facts.told_until > turn.at and turn.new("Wait")
        if turn.event.kind == "CredentialsRenewed" and not (turn.new(*DOWNLOADS) or told) and not turn.session_ends():
            yield Violation(rule="D16", position=turn.position, what="renewed, and nothing is asked again")
        refused = turn.event.refusal == "CREDENTIALS" or turn.facts.owed
        if turn.new("RenewCredentials") and not refused:
            yield Violation(rule="D16", position=turn.position, what="renewed without a refusal")
        newest = turn.credential >= turn.facts.credential
        if turn.new("RenewCredentials") and newest and turn.facts.fresh and turn.learned.fresh and not turn.waited:
            yield Violation(rule="I13", position=turn.position, what="renewed again: no success, and no pause, between")
        old = turn.event.refusal == "CREDENTIALS" and turn.kind != "RenewCredentials"
        if old and not newest and turn.new("RenewCredentials"):
            yield Violation(rule="D16", position=turn.position, what="renewed for the refusal of an older credential")
        # D12: where only the alternatives are asked for, the end is decided already, and needs no renewal.
        due = old and turn.facts.credential == 0 and not turn.facts.naming and not _unused(turn, story)
        if due and turn.session_ends() and not _by_clock(turn, story):
            yield Violation(rule="D16", position=turn.position, what="given up without a renewal")


def _unused(turn: Turn, story: Story) -> bool:
    """Freedom: a token of 300 s that no `run` ever used may be given up, whatever was refused (D1, D21)."""
    old = turn.learned.age(turn.at) >= story.began.policy.ttl - NEAR
    return old and unsent(turn.learned) and turn.session_ends() == "EXPIRED"


CHECKS: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    final_answers_end_it,
    alternatives_are_named,
    only_the_alternatives,
    a_lost_run_is_no_failure,
    insurance_ends_nothing,
    repeats_end_nothing,
    early_errors_are_confirmed,
    expired_or_error,
    not_yet,
    lost_transfers,
    kept_or_not,
    renewals,
)
