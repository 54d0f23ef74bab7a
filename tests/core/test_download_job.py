"""One job over several tokens: the restart budget, numbers that go on, and being taken up in another process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    CredentialsRenewed,
    Download,
    Event,
    Expiry,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    LocalProtocolError,
    Lost,
    Policy,
    Preflight,
    Reason,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Restart,
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
)
from reportdl_core.policy import instant

JOB = Job(element=1042, segment=7, format="pdf")
TOKEN = Secret("abc")
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)


@pytest.mark.rules("R10", "D11", "D12")
@pytest.mark.parametrize("preflight", Preflight)
def test_formats_that_are_known_decide_before_anything_is_sent(preflight: Preflight) -> None:
    policy = Policy(preflight=preflight)
    download = Download(JOB, policy=policy, now=0.0, formats=("image", "csv"))
    assert (download.outstanding, download.state, download.token) == ((), State.ERROR, None)
    outcome = download.outcome
    assert outcome is not None
    assert (outcome.reason, outcome.alternatives, outcome.ended_in) == (
        Reason.INVALID_FORMAT,
        ("image", "csv"),
        State.INIT,
    )
    assert (outcome.retryable, outcome.evidence, outcome.sessions) == (False, (), 1)
    with pytest.raises(LocalProtocolError, match="over"):
        _ = download.alarm
    Playbook(Download(JOB, policy=policy, now=0.0, formats=("image", "PDF"))) << Init  # as the server spells it
    assert Download(JOB, policy=policy, now=0.0, formats=()).outcome is not None


def started(policy: Policy | None = None) -> Playbook[Download]:
    play = Playbook(Download(JOB, policy=policy or Policy(), now=0.0)) << ListFormats
    play.at(0.1) >> FormatsListed(number=1, formats=("pdf",))
    play.at(0.2) >> TokenIssued(number=play[Init], token=TOKEN)
    return play << (Run, Wait)


def lose_the_transfer(play: Playbook[Download]) -> None:
    play.after(1.0) >> RunFinished(number=play[Run])
    play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
    play.alarm() << Check
    play >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)


def lose_the_run(play: Playbook[Download]) -> None:
    play.after(1.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
    restarts = play.driven.restarts
    while play.driven.outcome is None and play.driven.restarts == restarts:
        if isinstance(play.driven.outstanding[-1], Check):
            play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
        else:
            play.alarm()


def refused_beside_a_lost_transfer(play: Playbook[Download], retry_after: float) -> None:
    """The transfer is lost; the server then asks for time, and at last says that the file is gone."""
    play.after(1.0) >> RunFinished(number=play[Run])
    play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
    play.alarm() << Check
    play >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=retry_after)


@pytest.mark.rules("D19", "D21", "I6")
def test_the_next_session_waits_for_the_retry_after_of_the_last_one() -> None:
    play = started(Policy(expiry=Expiry.DOCUMENTED))
    refused_beside_a_lost_transfer(play, 400.0)
    said = play.now + 400.0
    play << Wait
    play.alarm() << Wait  # the token's five minutes are over, and the file is lost: a session more
    assert play.now == pytest.approx(300.1)
    assert play.driven.restarts == (Restart.LOST,)
    assert play.last(Wait).deadline == pytest.approx(said)
    play.alarm() << Init
    assert play.now == pytest.approx(said)


@pytest.mark.rules("D19")
def test_the_silence_of_the_next_session_begins_where_its_retry_after_ends() -> None:
    play = started(Policy(expiry=Expiry.DOCUMENTED, silence=350.0))
    refused_beside_a_lost_transfer(play, 400.0)
    said = play.now + 400.0
    play.alarm().alarm() << Init
    while play.driven.outcome is None:
        play.alarm()
    assert play.driven.outcome.reason is Reason.UNREACHABLE
    assert play.now == pytest.approx(said + 350.0)


@pytest.mark.rules("D19")
def test_a_server_that_has_answered_is_no_stranger_to_the_next_session() -> None:
    play = started(Policy(first_contact=30.0, silence=200.0))
    lose_the_transfer(play)
    begun = play.now
    assert play.driven.restarts == (Restart.LOST,)
    while play.driven.outcome is None:
        play.alarm()
    assert play.driven.outcome.reason is Reason.UNREACHABLE
    assert play.now == pytest.approx(begun + 200.0)


@pytest.mark.rules("D21", "R29", "I13")
@pytest.mark.parametrize(
    ("spoil", "cause", "reason"),
    [(lose_the_transfer, Restart.LOST, Reason.TRANSFER_LOST), (lose_the_run, Restart.UNPROVEN, Reason.EXPIRED)],
)
def test_each_cause_has_one_more_session_and_no_third(
    spoil: Callable[[Playbook[Download]], None], cause: Restart, reason: Reason
) -> None:
    play = started()
    spoil(play)
    play << Wait  # not at once (I13)
    assert (play.driven.restarts, play.driven.state, play.driven.outcome) == ((cause,), State.INIT, None)
    first = play[Run]
    play.alarm() << Init  # no second preflight
    assert play[Init] > first  # numbers go on: an old answer is late by construction (I7)
    play.after(0.1) >> TokenIssued(number=play[Init], token=Secret("def"))
    play >> RunFinished(number=first) << None
    spoil(play)
    play << Finish
    outcome = play.driven.outcome
    assert outcome is not None
    assert (outcome.reason, outcome.sessions, outcome.retryable) == (reason, 2, True)


@pytest.mark.rules("D21", "R29")
def test_the_second_session_brings_the_file() -> None:
    play = started()
    lose_the_transfer(play)
    play.alarm() >> TokenIssued(number=play[Init], token=Secret("def"))
    assert play.driven.token == Secret("def")
    play.after(1.0) >> RunFinished(number=play[Run])
    play >> FileReceived(number=play[Get], receipt=RECEIPT)
    outcome = play.driven.outcome
    assert outcome is not None
    assert (outcome.receipt, outcome.sessions, play.driven.formats) == (RECEIPT, 2, ("pdf",))


@pytest.mark.rules("D21")
@pytest.mark.parametrize(
    "event",
    [
        lambda number: StatusReported(number=number, status=Status.ERROR),
        lambda number: Refused(number=number, refusal=Refusal.DOWNLOAD_FAILED),
    ],
)
def test_a_failed_generation_or_an_expiry_in_it_is_not_tried_again(event: Callable[[int], Event]) -> None:
    for when in (20.0, 310.0):
        play = started()
        play.at(when) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        play.alarm() >> event(play[Check])
        assert play.driven.outcome is not None
        assert play.driven.restarts == ()


@pytest.mark.rules("D21", "I8")
def test_a_budget_of_none_and_a_job_out_of_time_do_not_begin_again() -> None:
    play = started(Policy(restarts_lost=0))
    lose_the_transfer(play)
    assert play.driven.outcome is not None
    play = started(Policy(job_timeout=60.0))
    play.after(1.0) >> RunFinished(number=play[Run])
    play.alarm()
    assert play.now == 60.0
    assert play.driven.outcome is not None
    assert play.driven.outcome.reason is Reason.TIMED_OUT


@pytest.mark.rules("I11", "D37")
def test_misuse_is_refused_by_a_download_too() -> None:
    download = Download(JOB, now=0.0)
    with pytest.raises(LocalProtocolError):
        download.receive(RunFinished(number=1), now=0.0)
    assert Download(JOB, policy=Policy(job_timeout=0.0), now=0.0).outcome is not None


# ---- taken up again


def again(download: Download, *, now: float, at: float, elapsed: float = 0.0, token: Secret | None = None) -> Download:
    snapshot = json.loads(json.dumps(download.snapshot(now=now)))
    assert "abc" not in json.dumps(snapshot)  # D39
    return Download.restore(
        snapshot,
        job=JOB,
        policy=download.policy,
        token=token or download.token,
        now=at,
        elapsed=elapsed,
    )


SCRIPT: list[tuple[float, Callable[[Playbook[Download]], Event]]] = [
    (0.1, lambda play: Refused(number=play[ListFormats], refusal=Refusal.CREDENTIALS)),
    (0.2, lambda play: Lost(number=play[RenewCredentials], sent=Sent.UNKNOWN)),
    (1.2, lambda play: play.driven.alarm[1]),
    (1.3, lambda play: Refused(number=play[RenewCredentials], refusal=Refusal.BUSY, retry_after=2.0)),
    (4.3, lambda play: play.driven.alarm[1]),
    (5.0, lambda play: _renewed(play)),
    (5.2, lambda play: FormatsListed(number=play[ListFormats], formats=("PDF",))),
    (6.0, lambda play: TokenIssued(number=play[Init], token=TOKEN)),
    (11.0, lambda play: play.driven.alarm[1]),
    (11.5, lambda play: StatusReported(number=play[Check], status=Status.IN_PROGRESS)),
    (12.0, lambda play: Lost(number=play[Run], sent=Sent.UNKNOWN, message="cut")),
    (13.0, lambda play: play.driven.alarm[1]),
    (13.1, lambda play: StatusReported(number=play[Check], status=Status.READY)),
    (13.2, lambda play: Lost(number=play[Get], sent=Sent.UNKNOWN)),
    (14.0, lambda play: play.driven.alarm[1]),
    (14.1, lambda play: Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)),
    (15.0, lambda play: play.driven.alarm[1]),
    (15.1, lambda play: TokenIssued(number=play[Init], token=TOKEN)),
    (16.0, lambda play: RunFinished(number=play[Run])),
    (17.0, lambda play: FileReceived(number=play[Get], receipt=RECEIPT)),
]


def _renewed(play: Playbook[Download]) -> Event:
    return CredentialsRenewed(number=play[RenewCredentials])


@pytest.mark.rules("I9", "D43", "D39")
@given(skew=st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), step=st.integers(0, len(SCRIPT)))
def test_restored_at_any_step_on_any_clock_it_goes_on_to_the_same_commands(skew: float, step: int) -> None:
    skew = instant(skew)
    plain = Playbook(Download(JOB, now=0.0))
    restored = Playbook(Download(JOB, now=0.0))
    shift = 0.0
    for index, (when, event) in enumerate(SCRIPT):
        if index == step:
            shift = skew
            restored.driven = again(restored.driven, now=restored.now, at=restored.now + shift)
        plain.at(when) >> event(plain)
        restored.at(when + shift) >> event(restored)
        assert [_unshifted(one, shift) for one in restored.new] == [_unshifted(one, 0.0) for one in plain.new]
    assert restored.driven.outcome == plain.driven.outcome


def _unshifted(command: Any, shift: float) -> Any:
    return command if isinstance(command, Finish) else (type(command), command.number, command.deadline - shift)


@pytest.mark.rules("D43", "I3")
@pytest.mark.parametrize("step", range(len(SCRIPT)))
def test_after_recovery_a_run_that_may_have_left_is_never_sent_again(step: int) -> None:
    play = Playbook(Download(JOB, now=0.0))
    for when, event in SCRIPT[:step]:
        play.at(when) >> event(play)
    was_running = play.driven.state in (State.RUNNING, State.READY)
    back = again(play.driven, now=play.now, at=1000.0)
    new = back.recover(now=1000.0)
    assert new == back.outstanding
    if was_running and not back.restarts:
        assert not any(isinstance(command, Run | Init) for command in new)
        assert any(isinstance(command, Wait | RenewCredentials) for command in new)
        after = Playbook(back, now=1000.0)
        if RenewCredentials in {type(command) for command in new}:
            after >> CredentialsRenewed(number=after[RenewCredentials])
        else:
            after.alarm()
        assert {type(command) for command in after.new} <= {Check, Wait}
    assert back.outcome is None


@pytest.mark.rules("D43", "D21")
@pytest.mark.parametrize("expiry", list(Expiry))
def test_a_token_that_expired_while_nobody_held_it_is_replaced_once(expiry: Expiry) -> None:
    play = started(Policy(expiry=expiry))
    play.at(50.0)
    back = again(play.driven, now=50.0, at=0.0, elapsed=260.0)
    play = Playbook(back)
    back.recover(now=0.0)
    if expiry is Expiry.CONFIRM:
        play.alarm() << Check
        play >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)
    assert back.restarts == (Restart.UNHELD,)
    assert back.session.end == 3550.0  # the time away does not age the job


@pytest.mark.rules("D43")
def test_one_that_had_expired_before_is_not() -> None:
    play = started(Policy(expiry=Expiry.CONFIRM))
    play.at(290.0)
    back = again(play.driven, now=290.0, at=0.0, elapsed=5.0)
    back.recover(now=0.0)
    play = Playbook(back).alarm()
    play.at(20.0) >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)
    assert back.outcome is not None
    assert (back.outcome.reason, back.outcome.unheld) == (Reason.EXPIRED, False)


@pytest.mark.rules("D43")
def test_a_finished_job_stays_finished() -> None:
    play = started()
    play >> RunFinished(number=play[Run])
    play >> FileReceived(number=play[Get], receipt=RECEIPT)
    back = again(play.driven, now=play.now, at=9.0)
    assert back.recover(now=9.0) == ()
    assert back.outcome is not None
    assert (back.outcome.state, back.outcome.receipt) == (State.CONSUMED, None)


# ---- snapshots that are not ours


def good() -> dict[str, Any]:
    play = started()
    play.at(12.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN, message="cut")
    snapshot: dict[str, Any] = json.loads(json.dumps(play.driven.snapshot(now=12.0)))
    return snapshot


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [one for key, inner in value.items() for one in places(inner, (*path, key))]
    elif isinstance(value, list):
        found += [one for index, inner in enumerate(value) for one in places(inner, (*path, index))]
    return found


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just([[1]])
)


@pytest.mark.rules("D43", "I11")
@given(place=st.sampled_from(places(good())), junk=JUNK)
def test_a_damaged_snapshot_is_refused_or_makes_a_legal_session(place: tuple[Any, ...], junk: Any) -> None:
    snapshot = good()
    inner = snapshot
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    try:
        back = Download.restore(snapshot, job=JOB, token=TOKEN, now=0.0, elapsed=0.0)
    except LocalProtocolError:
        return
    back.recover(now=0.0)
    assert back.outcome is not None or back.outstanding


@pytest.mark.rules("D43", "I2")
def test_a_snapshot_of_another_job_or_without_its_token_is_refused() -> None:
    for job, token in ((Job(element=1, format="pdf"), TOKEN), (JOB, None)):
        with pytest.raises(LocalProtocolError):
            Download.restore(good(), job=job, token=token, now=0.0, elapsed=0.0)
    for elapsed in (-1.0, float("nan"), float("inf")):
        with pytest.raises(LocalProtocolError):
            Download.restore(good(), job=JOB, token=TOKEN, now=0.0, elapsed=elapsed)
    with pytest.raises(LocalProtocolError):
        Session.restore({}, job=JOB, token=None, now=0.0, elapsed=0.0)
