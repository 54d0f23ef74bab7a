"""Pauses and limits as pure functions, and the one question that is asked without a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    CredentialsRenewed,
    Event,
    FormatsListed,
    ListFormats,
    LocalProtocolError,
    Lost,
    Outcome,
    Policy,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    RunFinished,
    Sent,
    State,
    Wait,
)
from reportdl_core.inquiry import Inquiry
from reportdl_core.policy import Expiry, Preflight, instant, insurance, pause

SEEDS = st.integers(0, 2**64)
NUMBERS = st.integers(0, 2**40)


@pytest.mark.rules("D19", "I9", "I13")
@given(seed=SEEDS, number=NUMBERS, times=st.integers(0, 2**70))
def test_pauses_grow_from_half_a_second_to_fifteen_with_jitter_below(seed: int, number: int, times: int) -> None:
    policy = Policy()
    full = min(15.0, 0.5 * 1.5 ** min(times, 40))
    waited = pause(policy, seed=seed, number=number, times=times)
    assert full / 2 - 1e-5 <= waited <= full
    assert waited > 0.0
    assert waited == pause(policy, seed=seed, number=number, times=times) == instant(waited)


@pytest.mark.rules("D19")
@given(seed=SEEDS, number=NUMBERS, times=st.integers(1, 2**70))
def test_insurance_begins_at_five_seconds_exactly_and_grows_to_thirty(seed: int, number: int, times: int) -> None:
    assert insurance(Policy(), seed=seed, number=number, times=0) == 5.0
    assert 3.7 < insurance(Policy(), seed=seed, number=number, times=times) <= 30.0


@pytest.mark.rules("D19")
def test_jobs_that_start_together_do_not_poll_together() -> None:
    waits = {round(pause(Policy(), seed=seed, number=4, times=9), 1) for seed in range(1000)}
    assert len(waits) > 70


def test_a_tiny_pause_is_still_a_pause() -> None:
    assert pause(Policy(first_pause=1e-12, longest_pause=0.0), seed=1, number=1, times=0) > 0.0


@pytest.mark.rules("D28", "I13")
@pytest.mark.parametrize(
    "wrong",
    [
        {"job_timeout": -1.0},
        {"silence": float("nan")},
        {"run_timeout": float("inf")},
        {"first_pause": 0.0},
        {"growth": 0.5},
    ],
)
def test_a_policy_that_could_not_end_or_would_not_rest_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError):
        Policy(**wrong)  # type: ignore[arg-type]


@pytest.mark.rules("D43", "I9")
@given(st.floats(min_value=-1e9, max_value=1e9), st.floats(min_value=-1e9, max_value=1e9))
def test_on_the_grid_sums_and_differences_are_exact(one: float, other: float) -> None:
    a, b = instant(one), instant(other)
    assert 0.0 <= one - a < 2.0**-19
    assert a + (b - a) == b


def test_reprs_are_python() -> None:
    assert (repr(Expiry.CONFIRM), repr(Preflight.OFF)) == ("Expiry.CONFIRM", "Preflight.OFF")


def asking(policy: Policy | None = None) -> Playbook[Inquiry]:
    return Playbook(Inquiry(element=1042, policy=policy or Policy(), now=0.0)) << ListFormats


@pytest.mark.rules("D12", "R8")
def test_an_inquiry_asks_until_it_is_answered() -> None:
    play = asking()
    play.at(0.1) >> Lost(number=1, sent=Sent.UNKNOWN)
    play << Wait
    play.alarm() << ListFormats
    late = play[ListFormats]
    play.alarm() << Wait  # no answer by its deadline
    play >> FormatsListed(number=late, formats=("x",)) << None
    play.alarm() << ListFormats
    play >> FormatsListed(number=play[ListFormats], formats=("svg",))
    assert play.driven.outcome == ("svg",)
    assert play.driven.outstanding == ()
    with pytest.raises(LocalProtocolError):
        _ = play.driven.alarm


@pytest.mark.rules("D16")
def test_an_inquiry_renews_the_credential() -> None:
    play = asking()
    play >> Refused(number=1, refusal=Refusal.CREDENTIALS)
    play << RenewCredentials
    play >> CredentialsRenewed(number=play[RenewCredentials])
    play << ListFormats


@pytest.mark.rules("R5", "D19")
def test_an_inquiry_ends_with_a_reason() -> None:
    play = asking()
    play >> Refused(number=1, refusal=Refusal.ELEMENT_NOT_FOUND)
    outcome = play.driven.outcome
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.reason) == (State.ERROR, Reason.NOT_FOUND)
    play = asking(Policy(job_timeout=5.0))
    while play.driven.outcome is None:
        play.alarm()
    assert play.now == 5.0


@pytest.mark.rules("I11", "D37")
@pytest.mark.parametrize(
    ("event", "now"),
    [
        (RunFinished(number=1), 1.0),
        (FormatsListed(number=9, formats=()), 1.0),
        (FormatsListed(number=1, formats=()), -1.0),
    ],
)
def test_misuse_of_an_inquiry_is_refused(event: Event, now: float) -> None:
    inquiry = Inquiry(element=1, now=0.0)
    with pytest.raises(LocalProtocolError):
        inquiry.receive(event, now=now)
    assert len(inquiry.outstanding) == 1
