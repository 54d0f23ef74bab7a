"""One token's life where the table is not enough: clocks, renewals, early errors, broken transfers, unproven runs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    CredentialsRenewed,
    Event,
    Expiry,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    Kept,
    ListFormats,
    LocalProtocolError,
    Lost,
    Outcome,
    Policy,
    Preflight,
    Reason,
    Receipt,
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

JOB = Job(element=1042, format="pdf")
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)
LATER = Policy(job_timeout=3600.0)


def running(policy: Policy = LATER) -> Playbook[Session]:
    """`init` was sent at 0, `run` at 0."""
    play = Playbook(Session(JOB, policy=policy, now=0.0, formats=("pdf",))) << Init
    play >> TokenIssued(number=play[Init], token=Secret("abc"))
    return play << (Run, Wait)


def lost_at(play: Playbook[Session], when: float) -> Playbook[Session]:
    play.at(when) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
    return play << Wait


def poll(play: Playbook[Session], event: Callable[[int], Event], *, until: float = math.inf) -> Playbook[Session]:
    """Answers one check; or each one that comes before a time."""
    while True:
        if play.driven.outstanding and not any(isinstance(one, Check) for one in play.driven.outstanding):
            if play.driven.alarm[0] >= until:
                return play
            play.alarm()
            continue
        play >> event(play[Check])
        if until == math.inf or play.driven.outcome is not None:
            return play


def in_progress(number: int) -> Event:
    return StatusReported(number=number, status=Status.IN_PROGRESS)


def failed(number: int) -> Event:
    return Refused(number=number, refusal=Refusal.DOWNLOAD_FAILED, code=400)


def unauthorized(number: int) -> Event:
    return Refused(number=number, refusal=Refusal.CREDENTIALS, code=401)


def ended(play: Playbook[Session]) -> Outcome:
    assert play.driven.outcome is not None, str(play)
    return play.driven.outcome


class TestFiveMinutes:
    @pytest.mark.rules("D1", "R15", "R16")
    def test_confirm_asks_just_after_and_goes_on_where_the_server_keeps_the_session(self) -> None:
        play = running()
        poll(play, in_progress, until=300.0)
        assert 300.0 < play.driven.alarm[0] <= 302.0
        play.alarm() << Check
        play >> in_progress(play[Check])
        poll(play, in_progress, until=900.0)
        play.at(1000.0) >> RunFinished(number=play[Run])
        play << Get
        play >> FileReceived(number=play[Get], receipt=RECEIPT)
        assert ended(play).state is State.CONSUMED

    @pytest.mark.rules("D1", "D41", "R17")
    def test_confirm_ends_expired_where_the_server_does_not(self) -> None:
        play = running()
        poll(play, in_progress, until=300.0)
        play.alarm() << Check
        play >> failed(play[Check])
        outcome = ended(play)
        assert (outcome.state, outcome.reason, outcome.retryable) == (State.EXPIRED, Reason.EXPIRED, False)
        assert outcome.ended_in is State.RUNNING

    @pytest.mark.rules("D41", "R30")
    def test_the_same_words_earlier_are_a_failed_generation(self) -> None:
        play = running()
        poll(play, in_progress, until=299.0)
        play.at(299.9) >> failed(play[Run])  # confirmed by `check`
        poll(play, failed)
        assert ended(play).reason is (Reason.EXPIRED if play.now >= 300.0 else Reason.GENERATION_FAILED)
        play = running()
        play.at(100.0) >> failed(play[Run])
        poll(play, failed)
        assert (ended(play).state, ended(play).reason) == (State.ERROR, Reason.GENERATION_FAILED)
        assert [one.asked for one in ended(play).evidence] == ["Run", "Check"]

    @pytest.mark.rules("D1", "I6")
    def test_documented_ends_by_the_clock_at_300_s_from_sending_init(self) -> None:
        play = Playbook(Session(JOB, policy=Policy(expiry=Expiry.DOCUMENTED), now=0.0, formats=("pdf",)))
        play.at(10.0) >> TokenIssued(number=play[Init], token=Secret("abc"))  # sent at 0, answered at 10
        poll(play, in_progress, until=300.0)
        assert play.driven.alarm[0] == 300.0
        play.alarm() << Finish
        assert (play.now, ended(play).state) == (300.0, State.EXPIRED)

    @pytest.mark.rules("D1", "I6")
    def test_documented_takes_no_ready_at_the_deadline(self) -> None:
        play = running(Policy(expiry=Expiry.DOCUMENTED))
        poll(play, in_progress, until=300.0)
        play.at(300.0) >> RunFinished(number=play[Run])
        assert ended(play).state is State.EXPIRED

    @pytest.mark.rules("D1", "D16", "I6")
    def test_documented_issues_no_get_after_a_renewal_that_came_too_late(self) -> None:
        play = running(Policy(expiry=Expiry.DOCUMENTED))
        poll(play, in_progress, until=296.0)
        play.at(299.0) >> RunFinished(number=play[Run])
        play << Get
        play >> unauthorized(play[Get])
        play << RenewCredentials
        play.at(300.5) >> CredentialsRenewed(number=play[RenewCredentials])
        play << Finish
        assert ended(play).state is State.EXPIRED

    @pytest.mark.rules("D2")
    @pytest.mark.parametrize("expiry", list(Expiry))
    def test_a_transfer_that_has_begun_may_end(self, expiry: Expiry) -> None:
        play = running(Policy(expiry=expiry))
        poll(play, in_progress, until=290.0)
        play.at(299.0) >> RunFinished(number=play[Run])
        assert play.last(Get).deadline > 400.0
        play.at(400.0) >> FileReceived(number=play[Get], receipt=RECEIPT)
        assert ended(play).state is State.CONSUMED

    @pytest.mark.rules("D2", "D21")
    def test_documented_loses_a_transfer_that_breaks_after_the_end(self) -> None:
        play = running(Policy(expiry=Expiry.DOCUMENTED))
        poll(play, in_progress, until=290.0)
        play.at(299.0) >> RunFinished(number=play[Run])
        play.at(301.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        assert (ended(play).state, ended(play).reason) == (State.EXPIRED, Reason.TRANSFER_LOST)

    @pytest.mark.rules("R16", "D1")
    def test_a_token_whose_run_never_left_is_of_no_use_once_it_is_old(self) -> None:
        play = running()
        while play.driven.outcome is None:
            play.after(0.1) >> Lost(number=play[Run], sent=Sent.NOT_SENT)
            while play.driven.outstanding and not any(isinstance(one, Run) for one in play.driven.outstanding):
                play.alarm()
        assert (ended(play).state, ended(play).run_unproven, play.now) == (State.EXPIRED, True, 300.0)

    @pytest.mark.rules("D1", "D19")
    def test_the_question_waits_for_retry_after(self) -> None:
        play = running()
        poll(play, in_progress, until=290.0)
        play.alarm() << Check
        busy = Refused(number=play[Check], refusal=Refusal.BUSY, code=429, retry_after=60.0)
        before = play.now
        play >> busy
        assert play.driven.alarm[0] == pytest.approx(before + 60.0, abs=1e-5)


class TestUnprovenRun:
    @pytest.mark.rules("I3", "D21")
    @pytest.mark.parametrize("refusal", [None, Refusal.UNAVAILABLE, Refusal.NO_ENVELOPE, Refusal.BUSY])
    def test_lost_within_five_seconds_it_ends_at_the_question(self, refusal: Refusal | None) -> None:
        play = running()
        number = play[Run]
        answer = Lost(number=number, sent=Sent.UNKNOWN) if refusal is None else Refused(number=number, refusal=refusal)
        play.at(5.0) >> answer
        poll(play, in_progress, until=300.0)
        assert play.driven.outcome is None
        poll(play, in_progress)
        assert (ended(play).state, ended(play).run_unproven, ended(play).retryable) == (State.EXPIRED, True, True)

    @pytest.mark.rules("I3")
    def test_lost_later_it_counts_as_sent(self) -> None:
        play = lost_at(running(), 5.01)
        poll(play, in_progress, until=400.0)
        assert play.driven.outcome is None

    @pytest.mark.rules("I3")
    def test_ready_proves_it(self) -> None:
        play = lost_at(running(), 1.0)
        poll(play, in_progress, until=200.0)
        poll(play, lambda number: StatusReported(number=number, status=Status.READY))
        play << Get
        play >> Refused(number=play[Get], refusal=Refusal.DOWNLOAD_FAILED)
        assert not ended(play).run_unproven


class TestCredentials:
    @pytest.mark.rules("D16", "I13")
    @pytest.mark.parametrize("kind", [ListFormats, Init])
    def test_a_second_refusal_after_a_renewal_is_final(self, kind: type) -> None:
        formats = None if kind is ListFormats else ("pdf",)
        play = Playbook(Session(JOB, now=0.0, formats=formats)) << kind
        play >> unauthorized(play[kind])
        play << RenewCredentials
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << kind
        play >> unauthorized(play[kind])
        assert ended(play).reason is Reason.CREDENTIALS

    @pytest.mark.rules("D16")
    def test_any_success_arms_it_again(self) -> None:
        play = lost_at(running(), 10.0)
        for _ in range(4):
            play.alarm() << Check
            play >> unauthorized(play[Check])
            play << RenewCredentials
            play >> CredentialsRenewed(number=play[RenewCredentials])
            play << Check
            play >> in_progress(play[Check])
            play << Wait

    @pytest.mark.rules("D16", "I3")
    def test_run_refused_within_five_seconds_is_repeated_once(self) -> None:
        play = running()
        play.at(5.0) >> unauthorized(play[Run])
        play << RenewCredentials
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << (Run, Wait)
        play.at(6.0) >> unauthorized(play[Run])
        play << Wait
        play.alarm() << Check
        assert play.driven.state is State.RUNNING

    @pytest.mark.rules("D16", "I3")
    def test_run_refused_later_counts_as_lost_and_the_credential_is_renewed(self) -> None:
        play = running()
        play.at(4.0)
        play.at(200.0) >> unauthorized(play[Run])
        play << RenewCredentials
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << Check
        play >> StatusReported(number=play[Check], status=Status.READY)
        play << Get

    @pytest.mark.rules("D16")
    def test_a_refusal_of_an_older_credential_repeats_without_renewing(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        play >> unauthorized(play[Check])
        play << RenewCredentials
        play.at(2.0) >> CredentialsRenewed(number=play[RenewCredentials])
        play << Check
        play.at(3.0) >> unauthorized(play[Run])  # it carried the old one
        play << (Run, Wait)

    @pytest.mark.rules("D16", "I4")
    def test_run_refused_while_a_renewal_is_out_waits_for_it(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        play >> unauthorized(play[Check])
        play << RenewCredentials
        play.at(2.0) >> unauthorized(play[Run])
        play << None
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << (Run, Wait)

    @pytest.mark.rules("D16")
    def test_a_check_that_is_out_gives_way_to_a_renewal(self) -> None:
        play = running()
        play.alarm() << Check
        play >> unauthorized(play[Run])
        play << RenewCredentials
        assert [type(one) for one in play.driven.outstanding] == [RenewCredentials]

    @pytest.mark.rules("D16", "I13")
    def test_a_renewal_that_is_lost_is_repeated_and_one_that_is_refused_is_final(self) -> None:
        play = Playbook(Session(JOB, now=0.0))
        play >> unauthorized(play[ListFormats])
        for event in (
            Lost(number=2, sent=Sent.UNKNOWN),
            Refused(number=4, refusal=Refusal.BUSY, code=429, retry_after=3.0),
            Lost(number=6, sent=Sent.NOT_SENT),
        ):
            play << RenewCredentials
            play >> event
            play << Wait
            play.alarm()
        play << RenewCredentials
        play >> Refused(number=play[RenewCredentials], refusal=Refusal.CREDENTIALS, message="cannot be renewed")
        assert (ended(play).reason, ended(play).evidence[-1].message) == (Reason.CREDENTIALS, "cannot be renewed")

    @pytest.mark.rules("I8", "I13")
    def test_no_renewal_is_issued_after_the_job_s_deadline(self) -> None:
        play = Playbook(Session(JOB, policy=Policy(job_timeout=20.0), now=0.0))
        play.at(20.0) >> unauthorized(play[ListFormats])
        assert ended(play).reason is Reason.TIMED_OUT

    @pytest.mark.rules("D16", "D19", "I13")
    def test_a_check_refused_again_ends_no_live_run_and_renews_once_an_interval(self) -> None:
        play = running(Policy(first_check=5.0, longest_insurance=30.0))
        for _ in range(12):
            play.alarm() << Check
            play >> unauthorized(play[Check])
            play << RenewCredentials
            play >> CredentialsRenewed(number=play[RenewCredentials])
            play << Check  # at once, as after each renewal
            play >> unauthorized(play[Check])
            play << Wait
            assert 2.5 <= play.driven.alarm[0] - play.now <= 30.0, "an interval of the insurance"
        play >> RunFinished(number=play[Run])
        play << Get

    @pytest.mark.rules("D16", "D19")
    def test_once_run_is_lost_a_second_refusal_after_a_renewal_is_final(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        play >> unauthorized(play[Check])
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << Check
        play >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        play >> unauthorized(play[Check])
        assert ended(play).reason is Reason.CREDENTIALS

    @pytest.mark.rules("D16", "D19")
    def test_what_was_refused_beside_a_live_run_may_be_renewed_once_after_it(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        for again in (RenewCredentials, Wait):
            play >> unauthorized(play[Check])
            play << again
            if again is RenewCredentials:
                play >> CredentialsRenewed(number=play[RenewCredentials])
        play >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        play.alarm() << Check
        play >> unauthorized(play[Check])
        play << RenewCredentials
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play >> unauthorized(play[Check])
        assert ended(play).reason is Reason.CREDENTIALS

    @pytest.mark.rules("D16", "D19")
    def test_a_renewal_refused_for_good_ends_even_a_live_run(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        play >> unauthorized(play[Check])
        refused = Refused(number=play[RenewCredentials], refusal=Refusal.CREDENTIALS, message="cannot be renewed")
        play >> refused
        assert (ended(play).reason, ended(play).evidence[-1].message) == (Reason.CREDENTIALS, "cannot be renewed")

    @pytest.mark.rules("D16", "D19")
    def test_a_get_refused_again_ends_it_though_run_is_still_out(self) -> None:
        play = running(Policy(first_check=1.0))
        play.alarm() << Check
        play >> StatusReported(number=play[Check], status=Status.READY)
        play << Get
        play >> unauthorized(play[Get])
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << Get
        play >> unauthorized(play[Get])
        assert ended(play).reason is Reason.CREDENTIALS


class TestEarlyError:
    @pytest.mark.rules("D18")
    def test_an_error_before_run_answered_is_confirmed_once(self) -> None:
        play = running()
        for outcome in (None, Reason.GENERATION_FAILED):
            poll(play, lambda number: StatusReported(number=number, status=Status.ERROR, message="too soon"))
            assert (None if play.driven.outcome is None else play.driven.outcome.reason) is outcome
        assert play.now < 7.0

    @pytest.mark.rules("D18")
    def test_an_error_later_than_ten_seconds_is_believed(self) -> None:
        play = running()
        poll(play, in_progress, until=10.0)
        poll(play, lambda number: StatusReported(number=number, status=Status.ERROR))
        assert ended(play).reason is Reason.GENERATION_FAILED


class TestTransfer:
    def ready(self) -> Playbook[Session]:
        play = running()
        play.at(1.0) >> RunFinished(number=play[Run])
        return play << Get

    @pytest.mark.rules("D21", "R27", "I5")
    @pytest.mark.parametrize("answer", [failed, lambda number: StatusReported(number=number, status=Status.ERROR)])
    def test_a_lost_get_that_check_refuses_is_a_lost_file(self, answer: Callable[[int], Event]) -> None:
        play = self.ready()
        play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        poll(play, answer)
        assert (ended(play).state, ended(play).reason) == (State.ERROR, Reason.TRANSFER_LOST)

    @pytest.mark.rules("D21", "I13")
    def test_one_more_get_and_no_third(self) -> None:
        play = self.ready()
        for _ in range(2):
            play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
            if play.driven.outcome is None:
                poll(play, lambda number: StatusReported(number=number, status=Status.READY))
        assert ended(play).reason is Reason.TRANSFER_LOST

    @pytest.mark.rules("D21")
    def test_access_revoked_after_a_lost_get_is_said_as_such(self) -> None:
        play = self.ready()
        play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        poll(play, lambda number: Refused(number=number, refusal=Refusal.ELEMENT_NOT_ALLOWED))
        assert ended(play).reason is Reason.ACCESS_DENIED

    @pytest.mark.rules("D42")
    def test_get_that_says_in_progress_is_no_loss_however_often(self) -> None:
        play = self.ready()
        for _ in range(4):
            play >> in_progress(play[Get])
            play << Wait
            poll(play, in_progress)
            poll(play, lambda number: StatusReported(number=number, status=Status.READY))
            play << Get
        play >> FileReceived(number=play[Get], receipt=RECEIPT)
        assert ended(play).state is State.CONSUMED

    @pytest.mark.rules("D44", "D22")
    @pytest.mark.parametrize(("why", "reason"), [(Kept.FAILED, Reason.NOT_KEPT), (Kept.UNVERIFIED, Reason.UNVERIFIED)])
    def test_a_file_that_cannot_be_kept_ends_it_and_says_what_was(self, why: Kept, reason: Reason) -> None:
        play = self.ready()
        play.at(4000.0)  # even past the job's deadline: that it came is a fact
        play >> FileNotKept(number=play[Get], why=why, message="disk full", path="out/a.unverified")
        outcome = ended(play)
        assert (outcome.reason, outcome.kept, outcome.evidence[-1].message) == (reason, "out/a.unverified", "disk full")

    @pytest.mark.rules("D20", "I1", "I7")
    def test_after_the_whole_file_nothing_is_asked_and_nothing_changes(self) -> None:
        play = self.ready()
        play >> FileReceived(number=play[Get], receipt=RECEIPT)
        play << Finish
        play.after(1.0) >> failed(play[Get])
        play << None
        assert ended(play).receipt is RECEIPT
        with pytest.raises(LocalProtocolError, match="over"):
            _ = play.driven.alarm


class TestWithoutPreflight:
    @pytest.mark.rules("D12")
    def test_the_formats_are_asked_for_only_to_name_the_others(self) -> None:
        play = running_without_preflight()
        play >> Refused(number=play[Run], refusal=Refusal.INVALID_FORMAT)
        play << ListFormats
        assert play.driven.state is State.RUNNING  # a final state issues no request (I1)
        play >> FormatsListed(number=play[ListFormats], formats=("csv", "xml"))
        assert (ended(play).reason, ended(play).alternatives) == (Reason.INVALID_FORMAT, ("csv", "xml"))

    @pytest.mark.rules("D12")
    @pytest.mark.parametrize("loss", [True, False])
    def test_they_stay_unnamed_where_that_fails(self, loss: bool) -> None:
        play = running_without_preflight(Policy(preflight=Preflight.OFF, job_timeout=10.0))
        play >> Refused(number=play[Run], refusal=Refusal.INVALID_FORMAT)
        if loss:
            play >> Lost(number=play[ListFormats], sent=Sent.UNKNOWN)
        else:
            play.alarm()
        assert (ended(play).reason, ended(play).alternatives) == (Reason.INVALID_FORMAT, ())

    @pytest.mark.rules("D11")
    @pytest.mark.parametrize("listed", ["IMAGE", "image"])
    def test_the_key_is_sent_as_the_server_lists_it(self, listed: str) -> None:
        play = Playbook(Session(Job(element=1, format="Image"), now=0.0))
        play >> FormatsListed(number=1, formats=("pdf", listed))
        play >> TokenIssued(number=play[Init], token=Secret("abc"))
        assert play.last(Run).job.format == listed


def running_without_preflight(policy: Policy | None = None) -> Playbook[Session]:
    play = Playbook(Session(JOB, policy=policy or Policy(preflight=Preflight.OFF), now=0.0)) << Init
    play >> TokenIssued(number=play[Init], token=Secret("abc"))
    return play << (Run, Wait)


class TestSilence:
    @pytest.mark.rules("D19", "I8")
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (lambda number: Lost(number=number, sent=Sent.NOT_SENT), Reason.UNREACHABLE),
            (lambda number: Refused(number=number, refusal=Refusal.UNAVAILABLE, code=503), Reason.SERVER_ERROR),
            (lambda number: Refused(number=number, refusal=Refusal.NO_ENVELOPE, code=200), Reason.ENDPOINT_MISSING),
        ],
    )
    def test_ten_minutes_without_a_valid_answer_end_it(self, answer: Callable[[int], Event], reason: Reason) -> None:
        play = Playbook(Session(JOB, now=0.0))
        requests = 0
        while play.driven.outcome is None:
            if isinstance(play.driven.outstanding[0], ListFormats):
                requests += 1
                play >> answer(play[ListFormats])
            else:
                play.alarm()
        assert (play.now, ended(play).reason, ended(play).state) == (600.0, reason, State.ERROR)
        assert 40 < requests < 120  # growing to 15 s: no hot loop (I13)

    @pytest.mark.rules("D19", "D29", "D43")
    @pytest.mark.parametrize(
        ("heard", "reason"),
        [
            ("lost", Reason.UNREACHABLE),
            ("503 lost", Reason.SERVER_ERROR),
            ("503 lost lost 503 lost", Reason.SERVER_ERROR),
            ("page lost", Reason.ENDPOINT_MISSING),
            ("page 503 page lost", Reason.SERVER_ERROR),
            ("401 lost", Reason.SERVER_ERROR),
            ("503 valid lost", Reason.UNREACHABLE),
            ("503 valid page lost", Reason.ENDPOINT_MISSING),
        ],
    )
    @pytest.mark.parametrize("restored", [False, True])
    @pytest.mark.parametrize("run", ["lost", "503"])
    def test_a_silence_is_named_by_all_that_came_in_it(
        self, heard: str, reason: Reason, restored: bool, run: str
    ) -> None:
        policy = Policy(preflight=Preflight.OFF)
        session = Session(JOB, policy=policy, now=0.0)
        play = Playbook(session)
        play >> TokenIssued(number=play[Init], token=Secret("abc"))
        if run == "lost":
            play >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        else:  # the silence begins with it, and it is none of what came in it
            play >> Refused(number=play[Run], refusal=Refusal.UNAVAILABLE, code=503)
        words = heard.split()
        while play.driven.outcome is None:
            match play.driven.outstanding[-1]:
                case Check(number=number):
                    word = words.pop(0) if len(words) > 1 else words[0]
                    answers: dict[str, Event] = {
                        "lost": Lost(number=number, sent=Sent.UNKNOWN),
                        "503": Refused(number=number, refusal=Refusal.UNAVAILABLE, code=503),
                        "page": Refused(number=number, refusal=Refusal.NO_ENVELOPE, code=200),
                        "401": Refused(number=number, refusal=Refusal.CREDENTIALS, code=401),
                        "valid": StatusReported(number=number, status=Status.IN_PROGRESS),
                    }
                    play >> answers[word]
                case RenewCredentials(number=number):
                    play >> Lost(number=number, sent=Sent.NOT_SENT)
                case _:
                    play.alarm()
            if restored and play.driven.outcome is None:
                again = Session.restore(
                    play.driven.snapshot(now=play.now),
                    job=JOB,
                    policy=policy,
                    token=Secret("abc"),
                    now=play.now,
                    elapsed=0.0,
                )
                play = Playbook(again, now=play.now)
        assert ended(play).reason is reason

    @pytest.mark.rules("D19")
    def test_first_contact_may_be_shorter(self) -> None:
        play = Playbook(Session(JOB, policy=Policy(first_contact=30.0), now=0.0))
        while play.driven.outcome is None:
            play.alarm()
        assert play.now == 30.0

    @pytest.mark.rules("D19")
    def test_a_live_run_is_not_silence(self) -> None:
        play = running()
        while play.now < 1500.0:
            if isinstance(play.driven.outstanding[-1], Check):
                play.after(0.1) >> Lost(number=play[Check], sent=Sent.UNKNOWN)
            else:
                play.alarm()
        play >> RunFinished(number=play[Run])
        play << Get

    @pytest.mark.rules("D19")
    def test_a_long_retry_after_is_not_silence(self) -> None:
        play = Playbook(Session(JOB, now=0.0))
        play >> Refused(number=1, refusal=Refusal.BUSY, code=429, retry_after=900.0)
        play.alarm() << ListFormats
        assert play.now == 900.0

    @pytest.mark.rules("D28", "I8")
    def test_a_run_that_never_answers_is_lost_after_its_timeout_and_the_job_has_the_last_word(self) -> None:
        play = running()
        poll(play, in_progress, until=1800.0)
        play.alarm()
        assert play.driven.outcome is None
        assert [type(one) for one in play.driven.outstanding] == [Wait]
        poll(play, in_progress, until=3600.0)
        play.alarm() << Finish
        assert (play.now, ended(play).reason, ended(play).retryable) == (3600.0, Reason.TIMED_OUT, True)


class TestMisuse:
    @pytest.mark.rules("I7", "I11", "D37")
    @pytest.mark.parametrize(
        ("event", "now"),
        [
            (RunFinished(number=1), 1.0),  # does not answer ListFormats
            (StatusReported(number=2, status=Status.OK), 1.0),  # never issued
            (WaitElapsed(number=0), 1.0),
            (FormatsListed(number=1, formats=("pdf",)), -1.0),  # time runs backwards
            (FormatsListed(number=1, formats=("pdf",)), math.nan),
            (FormatsListed(number=1, formats=("pdf",)), math.inf),
        ],
    )
    def test_it_is_refused_and_moves_nothing(self, event: Event, now: float) -> None:
        session = Session(JOB, now=0.0)
        before = (session.outstanding, session.alarm, session.snapshot(now=0.0))
        with pytest.raises(LocalProtocolError):
            session.receive(event, now=now)
        assert (session.outstanding, session.alarm, session.snapshot(now=0.0)) == before

    @pytest.mark.rules("D37")
    def test_two_threads_in_one_session_never_make_two_commands(self) -> None:
        for _ in range(200):
            session = Session(JOB, now=0.0)
            barrier, results = threading.Barrier(2), list[object]()

            def feed(
                session: Session = session, barrier: threading.Barrier = barrier, to: list[object] = results
            ) -> None:
                barrier.wait()
                try:
                    to.append(session.receive(FormatsListed(number=1, formats=("pdf",)), now=1.0))
                except LocalProtocolError as error:
                    to.append(error)

            threads = [threading.Thread(target=feed) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            commands = [one for result in results if isinstance(result, tuple) for one in result]
            assert [type(one) for one in commands] == [Init]

    @pytest.mark.rules("I11", "D19")
    def test_an_absurd_retry_after_stays_within_the_job(self) -> None:
        for seconds in (1e300, -5.0, 0.0):
            play = Playbook(Session(JOB, now=0.0))
            play >> Refused(number=1, refusal=Refusal.BUSY, code=429, retry_after=seconds)
            assert 0.0 < play.driven.alarm[0] <= 3600.0

    def test_a_wait_that_is_answered_early_is_asked_for_again(self) -> None:
        play = running()
        until = play.last(Wait).deadline
        play.at(1.0) >> WaitElapsed(number=play[Wait])
        play << Wait
        assert play.last(Wait).deadline == until

    def test_a_job_without_time_is_over_before_it_asks(self) -> None:
        session = Session(JOB, policy=Policy(job_timeout=0.0), now=0.0)
        assert session.outcome is not None
        assert session.outstanding == ()
