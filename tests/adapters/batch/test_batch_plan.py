"""What a batch does next, without a ledger, a server or a clock."""

from __future__ import annotations

import pytest

from reportdl.batch.plan import Again, Begun, Breaker, Breakers, Budget, Lanes, Start, State, notes_of, start_of
from reportdl_core.download import Restart
from reportdl_core.errors import Reason


def test_what_a_starting_process_makes_of_each_row():
    started = {
        (state, retryable, again): start_of(state, retryable=retryable, again=again)
        for state in State
        for retryable in (True, False)
        for again in Again
    }
    assert len(started) == 30
    assert {key[0] for key, start in started.items() if start is Start.BEGIN} == {State.WAITING, State.FAILED}
    assert {key[0] for key, start in started.items() if start is Start.TAKE_UP} == {State.RUNNING}
    assert {key[0] for key, start in started.items() if start is Start.DELIVER} == {State.HELD}
    begun = {key for key, start in started.items() if start is Start.BEGIN}
    again = {(retryable, when) for state, retryable, when in begun if state is State.FAILED}
    assert again == {(True, Again.RETRYABLE), (True, Again.ALL), (False, Again.ALL)}


@pytest.mark.rules("I13")
def test_a_job_is_tried_again_within_its_budget_and_never_at_once():
    budget = Budget(attempts=3, pause=30.0)
    assert budget.next_at(attempts=1, retryable=True, now=100.0) == 130.0
    assert budget.next_at(attempts=2, retryable=True, now=100.0) == 160.0
    assert budget.next_at(attempts=3, retryable=True, now=100.0) is None
    assert budget.next_at(attempts=1, retryable=False, now=100.0) is None


@pytest.mark.parametrize("reason", [Reason.CREDENTIALS, Reason.ENDPOINT_MISSING, Reason.REDIRECTED])
def test_what_condemns_every_job_stops_the_batch_at_once(reason):
    breaker = Breaker()
    breaker.ended(reason)
    assert breaker.tripped is reason


@pytest.mark.parametrize(("reason", "times"), [(Reason.UNREACHABLE, 8), (Reason.SERVER_ERROR, 8), (Reason.NOT_KEPT, 3)])
def test_what_befalls_one_after_the_other_stops_it_too(reason, times):
    breaker = Breaker()
    for _ in range(times - 1):
        breaker.ended(reason)
    assert breaker.tripped is None
    breaker.ended(reason)
    assert breaker.tripped is reason


def test_one_that_succeeds_in_between_starts_the_count_anew():
    breaker = Breaker()
    for _ in range(20):
        for _ in range(7):
            breaker.ended(Reason.UNREACHABLE)
        breaker.ended(Reason.DELIVERED)
    for reason in (Reason.NOT_FOUND, Reason.GENERATION_FAILED, Reason.EXPIRED) * 20:
        breaker.ended(reason)
    assert breaker.tripped is None


def test_lanes_in_all_and_per_server():
    lanes = Lanes(in_all=3, per_server=2)
    assert (lanes.turn("east"), lanes.turn("west")) == (1, 1)  # one after the other: they compete
    assert (lanes.free("east"), lanes.free("west")) == (2, 2)
    lanes.take("east")
    lanes.take("east")
    assert (lanes.free("east"), lanes.free("west")) == (0, 1)
    lanes.take("west")
    assert lanes.free("west") == 0
    lanes.give("east")
    assert (lanes.free("east"), lanes.free("west"), lanes.busy) == (1, 1, 2)
    with pytest.raises(ValueError, match="at least one"):
        Lanes(in_all=0, per_server=1)


def test_a_server_may_have_lanes_of_its_own_number():
    lanes = Lanes(per_server=4, own={"west": 1})
    assert (lanes.free("east"), lanes.free("west"), lanes.turn("east")) == (4, 1, 4)
    lanes.take("west")
    assert (lanes.free("east"), lanes.free("west")) == (4, 0)
    with pytest.raises(ValueError, match="at least one"):
        Lanes(per_server=4, own={"west": 0})


def test_one_server_is_given_up_and_the_other_is_not():
    breakers = Breakers(["east", "west"])
    breakers.ended("east", Reason.CREDENTIALS)
    assert (breakers.tripped("east"), breakers.tripped("west")) == (Reason.CREDENTIALS, None)
    assert breakers.stopped == {"east": Reason.CREDENTIALS}


def test_a_destination_that_takes_nothing_stops_them_all():
    breakers = Breakers(["east", "west"])
    for server in ("east", "west", "east"):
        assert breakers.stopped == {}
        breakers.ended(server, Reason.NOT_KEPT)
        breakers.ended(server, Reason.NOT_FOUND)  # says nothing of the destination
    assert breakers.stopped == {"east": Reason.NOT_KEPT, "west": Reason.NOT_KEPT}


@pytest.mark.rules("D21", "D43")
def test_every_generation_beyond_the_first_is_named():
    lost, unheld, unproven = Restart.LOST, Restart.UNHELD, Restart.UNPROVEN
    assert notes_of((), before=0, begun=Begun.HERE) == ()
    assert notes_of((lost,), before=1, begun=Begun.SERVED) == ()
    (served,) = notes_of((lost,), before=0, begun=Begun.SERVED)
    assert "served to a process that died before it kept it" in served
    (broke,) = notes_of((lost,), before=0, begun=Begun.TAKEN_UP)
    assert "the transfer broke" in broke
    expired, unsure = notes_of((unheld, unproven), before=0, begun=Begun.TAKEN_UP)
    assert "expired while no process held it" in expired
    assert "nothing proved" in unsure
