"""What an end advises: whether doing the whole job again can help."""

from __future__ import annotations

import pytest

from reportdl_core import Outcome, Reason, State

AGAIN = {Reason.TIMED_OUT, Reason.UNREACHABLE, Reason.SERVER_ERROR, Reason.TRANSFER_LOST}


def ended(
    reason: Reason, ended_in: State = State.RUNNING, *, run_unproven: bool = False, unheld: bool = False
) -> Outcome:
    return Outcome(state=State.ERROR, reason=reason, ended_in=ended_in, run_unproven=run_unproven, unheld=unheld)


@pytest.mark.rules("D41")
@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.EXPIRED}, key=repr))
def test_what_may_pass_by_itself_is_worth_another_try_and_nothing_else_is(reason: Reason) -> None:
    assert ended(reason).retryable is (reason in AGAIN)
    # What is true of an expiry makes no other end worth another try.
    assert ended(reason, State.READY, run_unproven=True, unheld=True).retryable is (reason in AGAIN)


@pytest.mark.rules("D41", "D43")
@pytest.mark.parametrize(
    ("end", "again"),
    [
        (ended(Reason.EXPIRED), False),  # it would generate, and expire, once more
        (ended(Reason.EXPIRED, run_unproven=True), True),  # perhaps nothing was ever generated
        (ended(Reason.EXPIRED, unheld=True), True),  # nobody was there to fetch it
        (ended(Reason.EXPIRED, State.READY), True),  # it was there, and came too late
        (ended(Reason.EXPIRED, State.INIT), True),
    ],
)
def test_an_expiry_is_worth_another_try_unless_the_generation_is_too_long(end: Outcome, again: bool) -> None:
    assert end.retryable is again
