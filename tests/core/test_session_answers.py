"""What each answer means: every cell of the rules' table, written down here from the rules and not from the code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Cancelled,
    Check,
    CredentialsRenewed,
    Event,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Run,
    RunFinished,
    Secret,
    Sent,
    Session,
    State,
    Status,
    StatusReported,
    TokenIssued,
    Wait,
    WaitElapsed,
)
from reportdl_core.answers import MEANINGS, Answer
from reportdl_core.commands import LookUp

JOB = Job(element=1042, format="pdf")
KINDS = (ListFormats, Init, Run, Check, Get)


def reach(kind: type) -> Playbook[Session]:
    """A session in which a command of this kind is out; `check` after `run` was lost within 5 s, unproven."""
    play = Playbook(Session(JOB, now=0.0)) << ListFormats
    if kind is ListFormats:
        return play
    play.at(1.0) >> FormatsListed(number=play[ListFormats], formats=("image", "pdf"))
    if kind is Init:
        return play << Init
    play.at(2.0) >> TokenIssued(number=play[Init], token=Secret("abc%3D"))
    play << (Run, Wait)
    if kind is Run:
        return play
    if kind is Check:
        play.at(6.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        # At 7 s the Wait of `run`'s insurance has been replaced by that of a lost `run`.
        return play.alarm() << Check
    play.at(3.0) >> RunFinished(number=play[Run])
    return play << Get


def lost(sent: Sent) -> Callable[[int], Event]:
    return lambda number: Lost(number=number, sent=sent)


def refused(refusal: Refusal, code: int = 400, retry_after: float | None = None) -> Callable[[int], Event]:
    return lambda number: Refused(number=number, refusal=refusal, code=code, retry_after=retry_after)


def status(said: Status) -> Callable[[int], Event]:
    return lambda number: StatusReported(number=number, status=said)


ANSWERS: dict[str, Callable[[int], Event]] = {
    "not sent": lost(Sent.NOT_SENT),
    "lost": lost(Sent.UNKNOWN),
    "cancelled": lambda number: Cancelled(number=number),
    "5xx": refused(Refusal.UNAVAILABLE, 502),
    "html": refused(Refusal.NO_ENVELOPE, 200),
    # Longer than the ten minutes of silence that end a session: a server that says when is not silent (D19).
    "429": refused(Refusal.BUSY, 429, 700.0),
    "401": refused(Refusal.CREDENTIALS, 401),
    "3xx": refused(Refusal.REDIRECTED, 302),
    "403": refused(Refusal.ELEMENT_NOT_ALLOWED, 403),
    "404": refused(Refusal.ELEMENT_NOT_FOUND, 404),
    "404 without the document's body": refused(Refusal.ENDPOINT_MISSING, 404),
    "405": refused(Refusal.METHOD_NOT_ALLOWED, 405),
    "Invalid token": refused(Refusal.INVALID_TOKEN),
    "Invalid state": refused(Refusal.INVALID_STATE),
    "Not implemented": refused(Refusal.NOT_IMPLEMENTED),
    "No downloads": refused(Refusal.NO_DOWNLOADS),
    "Invalid format": refused(Refusal.INVALID_FORMAT),
    "Download failed": refused(Refusal.DOWNLOAD_FAILED),
    "418": refused(Refusal.OTHER, 418),
    "ERROR": status(Status.ERROR),
    "IN PROGRESS": status(Status.IN_PROGRESS),
    "READY": status(Status.READY),
    "OK": status(Status.OK),
    "unreadable": refused(Refusal.UNREADABLE, 200),
}

REPEAT, THEN, POLL, POLL_THEN, RENEW, GET, LOST_GET, ODD = (
    "repeat",
    "then",
    "poll",
    "poll then",
    "renew",
    "get",
    "lost",
    "odd",
)
PROTOCOL, SERVER = Reason.PROTOCOL, Reason.GENERATION_FAILED

# The columns: formats, init, run, check, get. A Reason is the end of the session.
TABLE: dict[str, tuple[object, ...]] = {
    "not sent": (REPEAT, REPEAT, REPEAT, REPEAT, REPEAT),
    "lost": (REPEAT, REPEAT, POLL, REPEAT, LOST_GET),
    "cancelled": (REPEAT, REPEAT, POLL, REPEAT, LOST_GET),
    "5xx": (REPEAT, REPEAT, POLL, REPEAT, LOST_GET),
    "html": (REPEAT, REPEAT, POLL, REPEAT, LOST_GET),
    "429": (THEN, THEN, POLL_THEN, THEN, THEN),
    "401": (RENEW, RENEW, RENEW, RENEW, RENEW),
    "3xx": (Reason.REDIRECTED,) * 5,
    "403": (Reason.ACCESS_DENIED,) * 5,
    "404": (Reason.NOT_FOUND,) * 5,
    "404 without the document's body": (Reason.ENDPOINT_MISSING,) * 5,
    "405": (Reason.ENDPOINT_MISSING, Reason.ENDPOINT_MISSING, POLL, Reason.ENDPOINT_MISSING, Reason.ENDPOINT_MISSING),
    "Invalid token": (Reason.REFUSED,) * 5,
    "Invalid state": (Reason.REFUSED,) * 5,
    "Not implemented": (Reason.NOT_IMPLEMENTED,) * 5,
    "No downloads": (Reason.NO_DOWNLOADS,) * 5,
    "Download failed": (PROTOCOL, PROTOCOL, POLL, SERVER, SERVER),
    "418": (Reason.REFUSED, Reason.REFUSED, POLL, Reason.REFUSED, Reason.REFUSED),
    "ERROR": (Reason.REFUSED, Reason.REFUSED, POLL, SERVER, SERVER),
    "IN PROGRESS": (PROTOCOL, PROTOCOL, POLL, REPEAT, LOST_GET),
    "READY": (PROTOCOL, PROTOCOL, GET, GET, PROTOCOL),
    "OK": (PROTOCOL, PROTOCOL, GET, ODD, PROTOCOL),  # `run`'s OK, however a driver calls it
    "unreadable": (PROTOCOL, PROTOCOL, POLL, ODD, PROTOCOL),
}

CELLS = [
    pytest.param(answer, kind, meaning, id=f"{kind.__name__}-{answer}")
    for answer, row in TABLE.items()
    for kind, meaning in zip(KINDS, row, strict=True)
]


def waits_then(play: Playbook[Session], kind: type, *, at_least: float = 0.0) -> None:
    """One Wait, not of no length, and at its end the command (I13)."""
    began = play.now
    assert isinstance(play.driven.outstanding[-1], Wait), str(play)
    assert play.last(Wait).deadline > began
    play.alarm() << ((Run, Wait) if kind is Run else kind)
    assert play.now - began >= at_least, str(play)


@pytest.mark.rules("I7", "I13", "R21", "R23", "R26", "D5", "D6", "D17", "D19", "D26", "D27", "D29", "D31")
@pytest.mark.parametrize(("answer", "kind", "meaning"), CELLS)
def test_what_each_answer_means(answer: str, kind: type, meaning: object) -> None:
    play = reach(kind)
    play.after(0.5) >> ANSWERS[answer](play[kind])
    match meaning:
        case Reason():
            play << Finish
            outcome = play.driven.outcome
            assert outcome is not None
            assert (outcome.state, outcome.reason) == (State.ERROR, meaning)
            assert outcome.evidence[-1].asked == kind.__name__
            assert play.driven.outstanding == ()
        case "repeat" | "odd":
            waits_then(play, kind)
        case "then":
            waits_then(play, kind, at_least=700.0)
        case "poll":
            waits_then(play, Check)
        case "poll then":
            waits_then(play, Check, at_least=700.0)
        case "renew":
            play << RenewCredentials
            play.after(0.1) >> CredentialsRenewed(number=play[RenewCredentials])
            play << ((Run, Wait) if kind is Run else kind)
        case "get":
            play << Get
            assert play.driven.state is State.READY
        case "lost":
            assert play.driven.state is State.READY
            waits_then(play, Check)
            play.after(0.1) >> StatusReported(number=play[Check], status=Status.READY)
            play << Get
        case _:
            raise AssertionError(meaning)


def test_the_table_has_every_answer_that_a_server_can_give() -> None:
    assert TABLE.keys() == ANSWERS.keys() - {"Invalid format"}


@pytest.mark.rules("D12", "R10")
@pytest.mark.parametrize("kind", [Check, Get])
def test_invalid_format_names_the_formats_that_the_preflight_listed(kind: type) -> None:
    play = reach(kind)
    play.after(0.5) >> ANSWERS["Invalid format"](play[kind])
    play << Finish
    outcome = play.driven.outcome
    assert outcome is not None
    assert (outcome.reason, outcome.alternatives) == (Reason.INVALID_FORMAT, ("image", "pdf"))


@pytest.mark.rules("D17", "D19")
@pytest.mark.parametrize("answer", ["OK", "unreadable"])
def test_a_second_odd_answer_to_check_is_final_but_not_after_a_valid_one(answer: str) -> None:
    play = reach(Check)
    play.after(0.1) >> ANSWERS[answer](play[Check])
    play.alarm() << Check
    play.after(0.1) >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
    play.alarm() << Check
    play.after(0.1) >> ANSWERS[answer](play[Check])
    play.alarm() << Check
    play.after(0.1) >> ANSWERS[answer](play[Check])
    play << Finish


@pytest.mark.rules("D17", "D21")
def test_ready_is_a_valid_answer_between_two_odd_ones() -> None:
    play = reach(Check)
    play.after(0.1) >> ANSWERS["unreadable"](play[Check])
    play.alarm() << Check
    play.after(0.1) >> StatusReported(number=play[Check], status=Status.READY)
    play.after(0.1) >> Lost(number=play[Get], sent=Sent.UNKNOWN)
    play.alarm() << Check
    play.after(0.1) >> ANSWERS["unreadable"](play[Check])
    play << Wait
    play.alarm() << Check
    play.after(0.1) >> ANSWERS["unreadable"](play[Check])
    play << Finish


@pytest.mark.rules("D17", "D19")
def test_odd_answers_to_check_never_end_a_live_run() -> None:
    play = reach(Run)
    for _ in range(5):
        play.alarm() << Check
        play.after(0.1) >> ANSWERS["unreadable"](play[Check])
        play << Wait
    play.after(0.1) >> RunFinished(number=play[Run])
    play << Get


@pytest.mark.rules("D19", "I4")
def test_an_answer_to_run_supersedes_the_check_that_is_out() -> None:
    play = reach(Run).alarm() << Check
    out = play[Check]
    play.after(0.2) >> RunFinished(number=play[Run])
    play << Get
    play >> StatusReported(number=out, status=Status.ERROR) << None  # late: it changes nothing (I7)
    assert play.driven.state is State.READY
    assert len(play.driven.outstanding) == 1


@pytest.mark.rules("D19")
def test_ready_seen_by_check_goes_to_get_while_run_is_still_out() -> None:
    play = reach(Run).alarm() << Check
    play.after(0.2) >> StatusReported(number=play[Check], status=Status.READY)
    play << Get
    assert [type(command) for command in play.driven.outstanding] == [Run, Get]
    play.after(0.1) >> Refused(number=play[Run], refusal=Refusal.DOWNLOAD_FAILED) << None
    assert play.driven.state is State.READY


@pytest.mark.rules("D19")
def test_the_first_check_comes_after_five_seconds_exactly() -> None:
    play = reach(Run)
    assert play.last(Wait).deadline == 7.0
    assert play.driven.alarm == (7.0, WaitElapsed(number=play[Wait]))


@pytest.mark.rules("D42", "R26")
def test_early_answers_to_get_never_lose_the_file() -> None:
    play = reach(Get)
    for _ in range(4):
        play.after(0.1) >> StatusReported(number=play[Get], status=Status.IN_PROGRESS)
        play.alarm() << Check
        play.after(0.1) >> StatusReported(number=play[Check], status=Status.READY)
        play << Get
    assert play.driven.state is State.READY


AGAIN: dict[str, tuple[object, ...]] = {
    "not sent": (Reason.UNREACHABLE, Reason.UNREACHABLE, Reason.EXPIRED, Reason.UNREACHABLE, Reason.UNREACHABLE),
    "lost": (Reason.UNREACHABLE, Reason.UNREACHABLE, None, Reason.UNREACHABLE, Reason.TRANSFER_LOST),
    "cancelled": (Reason.UNREACHABLE, Reason.UNREACHABLE, None, Reason.UNREACHABLE, Reason.TRANSFER_LOST),
    "5xx": (Reason.SERVER_ERROR, Reason.SERVER_ERROR, None, Reason.SERVER_ERROR, Reason.TRANSFER_LOST),
    "html": (Reason.ENDPOINT_MISSING, Reason.ENDPOINT_MISSING, None, Reason.ENDPOINT_MISSING, Reason.TRANSFER_LOST),
    "429": (Reason.TIMED_OUT, Reason.TIMED_OUT, None, Reason.TIMED_OUT, Reason.TIMED_OUT),
    "IN PROGRESS": (None, None, None, Reason.EXPIRED, Reason.TIMED_OUT),
    "OK": (None, None, None, PROTOCOL, None),
    "unreadable": (None, None, None, PROTOCOL, None),
}


@pytest.mark.rules("I8", "I13", "D17", "D19", "D21", "D42")
@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        pytest.param(answer, kind, reason, id=f"{kind.__name__}-{answer}")
        for answer, row in AGAIN.items()
        for kind, reason in zip(KINDS, row, strict=True)
        if reason is not None
    ],
)
def test_the_same_answer_again_and_again_ends_it(answer: str, kind: type, reason: Reason) -> None:
    """Every command of this kind is answered so, and a `check` after a `get` with READY: which end, and how soon."""
    play = reach(kind)
    given = 0
    for _ in range(2_000):
        if play.driven.outcome is not None:
            break
        asked = next((one for one in play.driven.outstanding if isinstance(one, kind)), play.driven.outstanding[-1])
        if isinstance(asked, kind):
            given += 1
            play.after(0.01) >> ANSWERS[answer](asked.number)
        elif isinstance(asked, Check):
            play.after(0.01) >> StatusReported(number=asked.number, status=Status.READY)
        else:
            play.alarm()
    outcome = play.driven.outcome
    assert outcome is not None
    assert outcome.reason is reason, str(play)[-400:]
    match reason:
        case Reason.UNREACHABLE | Reason.SERVER_ERROR | Reason.ENDPOINT_MISSING:
            assert 600 <= play.now < 610
        case Reason.TIMED_OUT:
            assert play.now == 3600.0
        case Reason.EXPIRED:
            assert 301.0 <= play.now < 303.0
            assert outcome.run_unproven
        case _:
            assert given == 2


# The rules' table once more, a word a cell, since two words can mean the same to a session.
WORDS = {
    "lost, not sent": "REPEAT REPEAT REPEAT REPEAT REPEAT",
    "lost, unknown; 408; 5xx; HTML or no envelope": "REPEAT REPEAT POLL REPEAT LOST_GET",
    "429, 503 with Retry-After": "REPEAT REPEAT POLL REPEAT REPEAT",
    "401, 412": "RENEW RENEW RENEW RENEW RENEW",
    "3xx": "FINAL FINAL FINAL FINAL FINAL",
    "403, 404, other documented 400": "FINAL FINAL FINAL FINAL FINAL",
    "400 Download failed": "PROTOCOL PROTOCOL POLL FINAL FINAL",
    "any other 4xx; 400 with no or an unknown message": "FINAL FINAL POLL FINAL FINAL",
    "status ERROR": "FINAL FINAL POLL FINAL FINAL",
    "IN PROGRESS": "PROTOCOL PROTOCOL POLL POLL NOT_YET",
    "READY": "PROTOCOL PROTOCOL READY READY PROTOCOL",
    Answer.UNREADABLE.value: "PROTOCOL PROTOCOL POLL REPEAT_ONCE PROTOCOL",
}


def test_the_table_says_what_the_rules_say() -> None:
    written = {
        (answer, kind.__name__): word
        for answer, row in WORDS.items()
        for kind, word in zip((*KINDS, LookUp), (*row.split(), row.split()[0]), strict=True)  # LookUp like ListFormats
    }
    assert {(answer.value, kind.__name__): meaning.name for (answer, kind), meaning in MEANINGS.items()} == written
