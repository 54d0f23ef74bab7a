"""Judges the clock: when a token has expired, how long is waited, how long a request may live, when all is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.oracle.session_state import NEAR
from tests.oracle.stories import Facts, Story, Turn, Violation, lost
from tests.oracle.traces import Issued
from tests.oracle.vocabulary import DOWNLOADS, WITH_TOKEN, Event

__all__ = ["CHECKS", "cuts", "told_in_time", "unsent"]


def no_request_past_the_expiry(story: Story) -> Iterator[Violation]:
    """I6: under `documented` the clock alone expires the token, and nothing with it leaves from then on."""
    policy = story.began.policy
    if policy.expiry != "DOCUMENTED":
        return
    sent: dict[int, float] = {}
    for turn in story.turns:
        if turn.event is not None and turn.event.kind == "TokenIssued" and turn.answered is not None:
            sent[turn.answered.session] = turn.answered.at
        for position, issued in turn.new(*WITH_TOKEN):
            since = sent.get(issued.session)
            if since is not None and issued.at >= since + policy.ttl:
                yield Violation(rule="I6", position=position, what=f"{issued.command.kind} after the token's 300 s")


def expired_when_it_is(story: Story) -> Iterator[Violation]:
    """D1: under `documented` at 300 s; under `confirm` never by the clock alone, and only after one check has asked."""
    policy = story.began.policy
    for turn in story.turns:
        ends, age = turn.session_ends(), turn.learned.age(turn.at)
        if policy.expiry == "DOCUMENTED":
            getting = any(each.command.kind == "Get" for each in turn.before.values())
            overdue = age > policy.ttl + NEAR and turn.facts.live and not getting
            before = [each for each in turn.before.values() if each.at - _init(turn.facts) < policy.ttl]
            # What leaves with a token then is I6's.
            if overdue and turn.issued and not turn.new(*WITH_TOKEN) and ends is None and before and not turn.late:
                yield Violation(rule="D1", position=turn.position, what="alive after 300 s")
            if ends == "EXPIRED" and age < policy.ttl - NEAR:
                yield Violation(rule="D1", position=turn.position, what=f"expired after {age:g} s")
        elif ends == "EXPIRED" and not _confirmed(turn, age, policy.ttl):
            yield Violation(rule="D1", position=turn.position, what=f"expired after {age:g} s, unasked")


def _init(facts: Facts) -> float:
    return facts.init_sent if facts.init_sent is not None else 0.0


def _confirmed(turn: Turn, age: float, ttl: float) -> bool:
    """A refusal from 300 s on; IN PROGRESS where `run` is unproven; a run that was never sent may be given up."""
    if age < ttl - NEAR:
        return turn.event is not None and turn.event.refusal == "DOWNLOAD_FAILED"  # too early is D41's
    never_sent = turn.learned.run is None or unsent(turn.learned)
    return never_sent or (turn.event is not None and turn.event.kind in {"Refused", "StatusReported"})


def one_check_just_after(story: Story) -> Iterator[Violation]:
    """D1, `confirm`: no Wait for the next check sleeps over the moment just after 300 s, unless Retry-After says so."""
    policy = story.began.policy
    if policy.expiry != "CONFIRM":
        return
    for turn in story.turns:
        latest = _init(turn.facts) + policy.ttl + policy.expiry_margin
        if turn.facts.age(turn.at) < 0 or turn.at >= latest or turn.facts.state != "RUNNING":
            continue
        asked_late = (
            turn.event is not None and turn.event.status == "IN_PROGRESS" and turn.facts.age(turn.at) >= policy.ttl
        )
        if turn.facts.kept or turn.facts.naming or asked_late or turn.facts.told_until > turn.at:
            continue
        if turn.event is not None and (turn.event.retry_after or turn.event.sent == "NOT_SENT"):
            continue
        for position, issued in turn.new("Wait"):
            if issued.session != turn.facts.session:
                continue  # it is not this token's
            if turn.resumes(issued):
                continue
            repeating = turn.kind in {"RenewCredentials"} or unsent(turn.facts)
            if issued.command.deadline is not None and issued.command.deadline > latest + NEAR and not repeating:
                yield Violation(rule="D1", position=position, what="a wait that sleeps over the token's end")


def unsent(facts: Facts) -> bool:
    answer = facts.run_answer
    return answer is not None and (answer.sent == "NOT_SENT" or answer.refusal == "CREDENTIALS")


def waits(story: Story) -> Iterator[Violation]:
    """D19: 5 s exactly, then up to 30 s; once `run` is lost 0.5 to 15 s; Retry-After. Never no time at all (I13)."""
    policy = story.began.policy
    for turn in story.turns:
        for position, issued in turn.new("Wait"):
            deadline = issued.command.deadline
            if deadline is None or deadline <= issued.at:
                yield Violation(rule="I13", position=position, what="a wait of no length")
                continue
            if turn.resumes(issued):
                continue  # what is left of a Wait that was given up
            length = deadline - issued.at
            fresh = issued.session != turn.facts.session  # what it must wait for is the next check's
            told = turn.event.retry_after if turn.event is not None and not fresh else None
            if told:
                cut = any(abs(length - each) <= NEAR for each in cuts(story, turn, issued, told=True))
                if length < told - NEAR and not cut:
                    yield Violation(rule="D19", position=position, what=f"{length:g} s, not {told:g}")
                continue
            if turn.new("Run"):
                # No jitter, and not while a Retry-After is on. Freedom: its last word, or the longer wait.
                on = (turn.learned.told_last - issued.at, turn.learned.told_until - issued.at)
                right = [max(policy.first_check, each) for each in on]
                right += [each for each in cuts(story, turn, issued) if each < max(right)]
                if all(abs(length - each) > NEAR for each in right):
                    yield Violation(rule="D19", position=position, what=f"the first check after {length:g} s")
                continue
            alive = any(each.command.kind == "Run" for each in turn.after.values())
            longest = max(policy.longest_insurance, policy.longest_pause) if alive else policy.longest_pause
            shortest = min(policy.first_pause, policy.first_check) / 2
            cut = any(abs(length - each) <= NEAR for each in cuts(story, turn, issued))
            early = turn.kind == "Wait" and (alive or _rest_of_what_was_told(turn, deadline))
            told_until = turn.learned.told_until if fresh else turn.facts.told_until
            longest = max(longest, told_until - issued.at + longest)
            if length > longest + NEAR or (length < shortest - NEAR and not cut and not early):
                yield Violation(rule="D19", position=position, what=f"{length:g} s, not {shortest:g} to {longest:g}")


def _rest_of_what_was_told(turn: Turn, deadline: float) -> bool:
    """It lasts until a Retry-After that is on is over: that is no pause of one's own, and may be as short as it is."""
    return any(abs(deadline - until) <= NEAR for until in (turn.facts.told_until, turn.facts.told_last))


def a_session_waits_as_the_job_was_told(story: Story) -> Iterator[Violation]:
    """D19: Retry-After is honoured within the job's deadline, so that it outlives the session in which it was said.

    Freedom: where two are on, the server's last word holds, or the longer wait.
    """
    for turn in story.turns:
        for position, issued in turn.issued:
            command, left = issued.command, turn.learned.told_last - issued.at
            if issued.session == turn.facts.session or command.kind == "Finish" or left <= NEAR:
                continue
            length = (command.deadline or 0.0) - issued.at if command.kind == "Wait" else 0.0
            if command.kind != "Wait":
                yield Violation(rule="D19", position=position, what=f"{command.kind} {left:g} s before it may leave")
            elif length < left - NEAR and all(abs(length - each) > NEAR for each in cuts(story, turn, issued)):
                yield Violation(rule="D19", position=position, what=f"{length:g} s, not {left:g}")


def a_check_waits_as_it_was_told(story: Story) -> Iterator[Violation]:
    """D19: Retry-After is honoured by every `check`, as even D1's waits for it; READY lets `get` go at once, not these.

    What names no time takes back none. Freedom: the repeat after a renewal may leave at once (D16, I13); what comes of
    a token that no `run` used (D1, D21); and of two, the server's last word may hold.
    """
    for turn in story.turns:
        older = turn.event is not None and turn.event.refusal == "CREDENTIALS"
        if older or turn.kind == "RenewCredentials" or unsent(turn.learned):
            continue
        for position, issued in turn.new("Check"):
            left = turn.learned.told_last - issued.at
            if issued.session == turn.facts.session and left > NEAR:
                yield Violation(rule="D19", position=position, what=f"Check {left:g} s before it may leave")


def cuts(story: Story, turn: Turn, issued: Issued, *, told: bool = False) -> list[float]:
    """How long until something else is due: the job's end, the token's, silence.

    D1's check waits as it was told. Where `run` was never sent there is nothing to ask about: then the token ends it.
    """
    policy = story.began.policy
    found = [turn.end - issued.at]
    limits = {policy.silence} if turn.learned.contact else {policy.silence, policy.first_contact}
    if issued.session != turn.facts.session:  # it has no token yet, and its silence begins with it
        return [each for each in (*found, *limits) if each > 0]
    sent = turn.facts.init_sent
    if turn.event is not None and turn.event.kind == "TokenIssued" and turn.answered is not None:
        sent = turn.answered.at
    asks = turn.learned.run is not None and not unsent(turn.learned)
    if sent is not None and not (told and policy.expiry == "CONFIRM" and asks):
        found += [sent + policy.ttl - issued.at, sent + policy.ttl + policy.expiry_margin - issued.at]
    # Freedom: a silence begins with the last valid answer, or with what came to nothing; and to wait as one was told is
    # none (D19 says both); nor need `run` be heard while the alternatives are asked for (D12).
    told_until = max(turn.facts.told_until, turn.learned.told_until)
    heard, heard_else = turn.facts.heard_at, turn.facts.heard_else_at
    refused = turn.learned.refused_at if turn.learned.naming else heard
    for since in (heard, heard_else, refused, max(heard, turn.learned.lost_at), told_until, turn.at):
        found += [since + limit - issued.at for limit in limits]
    return [each for each in found if each > 0]


def silence_ends_it(story: Story) -> Iterator[Violation]:
    """D19: with `run` not alive, ten minutes without one valid answer end the session: nothing is issued any more.

    Freedom: they are counted from the last valid answer, from the loss of `run` or a `get`, or from the end of a wait
    that was told. What tells no time to come back moves none of these. Not judged where only the alternatives are asked
    for: the refusal of the format may begin a silence (D12).
    """
    policy = story.began.policy
    for turn in story.turns:
        alive = any(each.command.kind == "Run" for each in turn.after.values())
        if turn.answered is None or alive or turn.learned.naming:
            continue
        facts = turn.learned
        limit = policy.silence if facts.contact else max(policy.silence, policy.first_contact)
        silent = turn.at - max(facts.heard_at, facts.lost_at, facts.told_until)
        for position, issued in turn.issued:
            if issued.session == turn.facts.session and issued.command.kind != "Finish" and silent > limit + NEAR:
                yield Violation(rule="D19", position=position, what=f"goes on after {silent:g} s of silence")


def requests_have_limits(story: Story) -> Iterator[Violation]:
    """D35, and the default deadlines; D28: `run` 1800 s; I8: none outlives the job."""
    policy = story.began.policy
    limits = {"Run": policy.run_timeout, "Get": policy.get_timeout}
    for position, issued, turn in story.issued():
        kind, deadline = issued.command.kind, issued.command.deadline
        if kind in {"Wait", "Finish"}:
            continue
        limit = limits.get(kind, policy.request_timeout)
        rule = "D28" if kind == "Run" else "D35"
        if deadline is None or deadline > issued.at + limit + NEAR:
            yield Violation(rule=rule, position=position, what=f"{kind} may take until {deadline}")
        elif deadline > turn.end + NEAR:
            yield Violation(rule="I8", position=position, what=f"{kind} outlives the job")


def told_in_time(story: Story) -> Iterator[Violation]:
    """D35, I8: no command is answered after its deadline, so that no job ends after its own.

    It is the driver that this judges: whoever was told late can have ended no sooner.
    """
    for turn in story.turns:
        answered = turn.answered
        if answered is not None and answered.command.deadline is not None:
            since_restored = answered.command.deadline + NEAR
            if turn.at > since_restored:
                yield Violation(rule="D35", position=turn.position, what=f"{turn.kind} is answered after its deadline")
        if turn.ended is not None and turn.ended[1].at > turn.end + NEAR:
            yield Violation(rule="I8", position=turn.ended[0], what=f"ended {turn.ended[1].at - turn.end:g} s too late")


def all_ends(story: Story) -> Iterator[Violation]:
    """I8: at the overall deadline at the latest, as soon as anything is told."""
    for turn in story.turns:
        if (
            turn.ended is None
            and not turn.late
            and ((turn.at >= turn.end and turn.issued) or (turn.at > turn.end + NEAR and turn.after))
        ):
            yield Violation(rule="I8", position=turn.position, what="goes on after the job's deadline")


def no_hot_loop(story: Story) -> Iterator[Violation]:
    """I13: no failure is repeated without a pause, save once after each renewal."""
    failed: dict[str, Event] = {}  # by kind: the last answer, where it was a failure and no wait has elapsed since
    free = 0
    for turn in story.turns:
        event = turn.event
        if turn.waited:  # a Wait, or one whose deadline had come when it was superseded, whatever did that
            failed.clear()
        if isinstance(event, Event) and turn.answered is not None:
            if event.kind == "CredentialsRenewed":
                free = 1
            elif turn.kind in DOWNLOADS or turn.kind == "RenewCredentials":
                if _failure(turn.kind, event):
                    failed[turn.kind] = event
                else:
                    failed.pop(turn.kind, None)
                if turn.kind == "Run":
                    failed.pop("Check", None)  # what is asked from now on is another question (D6)
        old = event is not None and event.refusal == "CREDENTIALS" and turn.credential < turn.facts.credential
        for position, issued in turn.issued:
            kind = issued.command.kind
            if issued.session != turn.facts.session:
                failed.clear()
            if kind not in failed:
                continue
            why = failed.pop(kind)
            regained = kind == "Get" and lost(why) and turn.kind == "Check"  # D21's one more
            if old or regained or (kind == "Check" and why.status == "ERROR"):  # D18's one more
                continue
            # I13 does not say of what: a `run` that was never sent may leave with the new credential, too.
            never_sent = kind == "Run" and why.sent == "NOT_SENT" and turn.kind == "RenewCredentials"
            if (why.refusal == "CREDENTIALS" or never_sent) and free:
                free = 0
                continue
            yield Violation(rule="I13", position=position, what=f"{kind} again without a pause")


def _failure(kind: str, event: Event) -> bool:
    if event.kind in {"Lost", "Refused", "Cancelled"}:
        return True
    return event.kind == "StatusReported" and not (kind == "Check" and event.status == "READY")


CHECKS: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    no_request_past_the_expiry,
    expired_when_it_is,
    one_check_just_after,
    waits,
    a_session_waits_as_the_job_was_told,
    a_check_waits_as_it_was_told,
    silence_ends_it,
    requests_have_limits,
    all_ends,
    no_hot_loop,
)
