"""Looking for ids: what is asked of the endpoint's neighbours, in which order, and what their rows say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    CredentialsRenewed,
    Event,
    FormatsListed,
    ListedReport,
    LocalProtocolError,
    LookedUp,
    LookUp,
    Lost,
    Outcome,
    Policy,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Secret,
    Segment,
    Sent,
    Wait,
)
from reportdl_core.lookup import ReportsLookup, SegmentsLookup
from reportdl_core.lookup_exchange import LookupExchange, rows_of
from reportdl_core.questions import DimensionValues, ElementInfo, Elements, Question

POLICY = Policy()


def row(element: int = 1044, segment: int = 71, *, name: str = "", dimension: int | None = 3) -> ListedReport:
    return ListedReport(
        element=element,
        segment=segment,
        name="Sales",
        source="Tableau",
        accessible=True,
        segment_name=name,
        dimension=dimension,
    )


def segments(element: int = 1044) -> Playbook[SegmentsLookup]:
    play = Playbook(SegmentsLookup(element=element, now=0.0)) << LookUp
    assert play.last(LookUp).question == Elements()
    return play


def found(play: Playbook[Any], *rows: ListedReport | Segment) -> None:
    play >> LookedUp(number=play[LookUp], found=rows)  # type: ignore[arg-type]


@pytest.mark.rules("R4")
def test_reports_are_one_question() -> None:
    play = Playbook(ReportsLookup(now=0.0)) << LookUp
    found(play, row(), row(segment=72))
    assert play.driven.outcome == (row(), row(segment=72))
    assert play.driven.outstanding == ()
    with pytest.raises(LocalProtocolError):
        _ = play.driven.alarm


@pytest.mark.rules("D16", "D19", "I13")
def test_a_lost_question_is_repeated_after_a_pause_and_a_dead_credential_renewed() -> None:
    play = Playbook(ReportsLookup(now=0.0)) << LookUp
    play >> Lost(number=play[LookUp], sent=Sent.UNKNOWN)
    play << Wait
    play.alarm() << LookUp
    play >> Refused(number=play[LookUp], refusal=Refusal.CREDENTIALS)
    play << RenewCredentials
    play >> CredentialsRenewed(number=play[RenewCredentials])
    play << LookUp
    play >> LookedUp(number=play[LookUp], found=())
    assert play.driven.outcome == ()


@pytest.mark.rules("D29", "D26")
@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (Refusal.ENDPOINT_MISSING, Reason.ENDPOINT_MISSING),
        (Refusal.ELEMENT_NOT_ALLOWED, Reason.ACCESS_DENIED),
        (Refusal.UNREADABLE, Reason.PROTOCOL),
        (Refusal.REDIRECTED, Reason.REDIRECTED),
    ],
)
def test_a_refused_question_ends_with_its_reason(refusal: Refusal, reason: Reason) -> None:
    play = Playbook(ReportsLookup(now=0.0)) << LookUp
    play >> Refused(number=1, refusal=refusal)
    outcome = play.driven.outcome
    assert isinstance(outcome, Outcome)
    assert outcome.reason is reason


@pytest.mark.rules("I8")
def test_a_server_that_never_answers_is_given_up_at_the_deadline() -> None:
    play = Playbook(ReportsLookup(policy=Policy(job_timeout=5.0), now=0.0))
    while play.driven.outcome is None:
        play.alarm()
    assert play.now == 5.0


@pytest.mark.rules("R4")
def test_segments_with_names_need_one_question() -> None:
    play = segments()
    found(play, row(name="North"), row(segment=72, name="South"), row(9, 71, name="North"))
    assert play.driven.outcome == (Segment(id=71, name="North"), Segment(id=72, name="South"))


@pytest.mark.rules("R4")
def test_names_come_from_the_dimension_where_the_list_has_none() -> None:
    play = segments()
    found(play, row(), row(segment=72, name="South"))
    play << LookUp
    assert play.last(LookUp).question == DimensionValues(dimension=3)
    found(play, Segment(id=71, name="North"), Segment(id=99, name="Nowhere"))
    assert play.driven.outcome == (Segment(id=71, name="North"), Segment(id=72, name="South"))


@pytest.mark.rules("R4")
def test_which_dimension_the_element_itself_says() -> None:
    play = segments()
    found(play, row(dimension=None))
    play << LookUp
    assert play.last(LookUp).question == ElementInfo(element=1044, segment=71)
    found(play, row(dimension=5))
    play << LookUp
    assert play.last(LookUp).question == DimensionValues(dimension=5)
    found(play)
    assert play.driven.outcome == (Segment(id=71, name=""),)


def test_without_a_dimension_the_ids_stand_alone() -> None:
    play = segments()
    found(play, row(dimension=None))
    found(play, row(dimension=None))
    assert play.driven.outcome == (Segment(id=71, name=""),)


@pytest.mark.rules("D26")
def test_a_name_that_cannot_be_had_is_no_failure() -> None:
    play = segments()
    found(play, row())
    play >> Refused(number=play[LookUp], refusal=Refusal.ELEMENT_NOT_ALLOWED)
    assert play.driven.outcome == (Segment(id=71, name=""),)


@pytest.mark.rules("R5")
def test_an_element_that_is_not_listed_is_not_found_and_an_unsegmented_one_has_no_segments() -> None:
    play = segments(7)
    found(play, row())
    outcome = play.driven.outcome
    assert isinstance(outcome, Outcome)
    assert outcome.reason is Reason.NOT_FOUND
    play = segments()
    found(play, row(segment=0))
    assert play.driven.outcome == ()


def test_the_first_question_refused_is_the_end() -> None:
    play = segments()
    play >> Refused(number=1, refusal=Refusal.CREDENTIALS)
    play >> Refused(number=play[RenewCredentials], refusal=Refusal.CREDENTIALS)
    outcome = play.driven.outcome
    assert isinstance(outcome, Outcome)
    assert outcome.reason is Reason.CREDENTIALS


@pytest.mark.rules("I11", "D37")
@pytest.mark.parametrize(
    ("event", "now"),
    [
        (FormatsListed(number=1, formats=()), 1.0),
        (LookedUp(number=9, found=()), 1.0),
        (LookedUp(number=1, found=()), -1.0),
    ],
)
def test_misuse_is_refused(event: Event, now: float) -> None:
    lookup = ReportsLookup(now=0.0)
    with pytest.raises(LocalProtocolError):
        lookup.receive(event, now=now)
    assert len(lookup.outstanding) == 1


# -- over HTTP ---------------------------------------------------------------------------------------------


def exchanged(question: Question, status: int, body: bytes, *headers: tuple[str, str]) -> Event:
    exchange = LookupExchange(LookUp(number=4, question=question, deadline=9.0), policy=POLICY)
    assert exchange.head(status, headers)
    assert exchange.feed(body)
    return exchange.finish()


@pytest.mark.parametrize(
    ("question", "target"),
    [
        (Elements(), "/api/element"),
        (ElementInfo(element=7, segment=0), "/api/element_info?element=7"),
        (ElementInfo(element=7, segment=71), "/api/element_info?element=7&dimension_value=71"),
        (DimensionValues(dimension=3), "/api/dimension_value?dimension=3"),
    ],
)
@pytest.mark.rules("D23")
def test_each_question_is_one_get(question: Question, target: str) -> None:
    exchange = LookupExchange(LookUp(number=4, question=question, deadline=9.0), policy=POLICY)
    assert (exchange.outgoing.method, exchange.outgoing.target) == ("GET", target)
    assert dict(exchange.outgoing.headers)["Accept"] == "application/json"
    assert (exchange.connect_timeout, exchange.read_timeout) == (10.0, 30.0)
    assert not exchange.own_connection
    assert not exchange.blocking


VERSION_7 = {
    "element_id": 1044,
    "segment_value_id": 71,
    "element_type": "external report",
    "element_dashboard_name": "Regional\u202e Sales\n",
    "content_type": "Tableau",
    "has_access": "N",
    "dimension_id": 3,
    "something": [1],
}
VERSION_6 = {"element_id": "1044", "segment_value_id": "0", "element_type": "External_Report", "has_access": "Y"}
USELESS = [
    {"element_id": 1, "element_type": "metric"},
    {"element_type": "external report"},
    {"element_id": True, "element_type": "external report"},
    {"element_id": -1, "element_type": "external report"},
    {"element_id": "1" * 20, "element_type": "external report"},
    {"element_id": 5, "element_type": 9},
    "no row",
    None,
]


@pytest.mark.rules("R3", "R4", "R6", "D32", "D36")
def test_rows_of_both_versions_are_read_and_useless_ones_left_out() -> None:
    body = json.dumps({"elements": [*USELESS, VERSION_7, VERSION_6]}).encode()
    event = exchanged(Elements(), 200, body)
    assert isinstance(event, LookedUp)
    assert event.found == (
        ListedReport(element=1044, segment=71, name="Regional Sales", source="Tableau", accessible=False, dimension=3),
        ListedReport(element=1044, segment=0, name="", source="", accessible=True),
    )


def test_values_and_descriptions_are_read() -> None:
    values = {"dimension_values": [{"id": 71, "name": "North"}, {"id": "72", "name": None}, {"name": "x"}]}
    event = exchanged(DimensionValues(dimension=3), 200, json.dumps(values).encode())
    assert event == LookedUp(number=4, found=(Segment(id=71, name="North"), Segment(id=72, name="")))
    event = exchanged(ElementInfo(element=8, segment=0), 200, b'{"info":{"dimension":"5"}}')
    assert isinstance(event, LookedUp)
    assert [one.dimension for one in event.found if isinstance(one, ListedReport)] == [5]


@pytest.mark.rules("D26", "D29", "D31", "I11")
@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (200, b"<html>", Refusal.NO_ENVELOPE),
        (200, b"[]", Refusal.NO_ENVELOPE),
        (200, b'{"status":"OK","status":"OK"}', Refusal.NO_ENVELOPE),
        (200, b"{}", Refusal.UNREADABLE),
        (404, b"", Refusal.ENDPOINT_MISSING),
        (401, b'{"message":"Unauthorized"}', Refusal.CREDENTIALS),
        (503, b"", Refusal.UNAVAILABLE),
        (302, b"", Refusal.REDIRECTED),
    ],
)
@pytest.mark.parametrize("question", [Elements(), ElementInfo(element=1, segment=0), DimensionValues(dimension=1)])
def test_any_other_answer_is_a_refusal(question: Question, status: int, body: bytes, refusal: Refusal) -> None:
    event = exchanged(question, status, body)
    assert isinstance(event, Refused)
    assert event.refusal is refusal


@pytest.mark.rules("D39")
def test_a_credential_that_a_refusal_shows_is_masked() -> None:
    command = LookUp(number=4, question=Elements(), deadline=9.0)
    exchange = LookupExchange(command, policy=POLICY, hidden=(Secret("credential"), Secret("no")))
    exchange.head(400, (("Content-Type", "application/json"),))
    exchange.feed(b'{"message": "credential is no good"}')
    refused = exchange.finish()
    assert isinstance(refused, Refused)
    assert refused.message == "*** is no good"


@pytest.mark.rules("D36")
def test_an_endless_list_is_cut_off_and_counts_as_none() -> None:
    exchange = LookupExchange(LookUp(number=4, question=Elements(), deadline=9.0), policy=POLICY)
    exchange.head(200, ())
    while exchange.feed(b" " * 2**20):
        pass
    event = exchange.finish()
    assert isinstance(event, Refused)
    assert event.refusal is Refusal.NO_ENVELOPE


def test_an_answer_that_never_came_is_lost() -> None:
    exchange = LookupExchange(LookUp(number=4, question=Elements(), deadline=9.0), policy=POLICY)
    assert exchange.finish() == Lost(number=4, sent=Sent.UNKNOWN, message="no answer")
    assert exchange.lost(sent=Sent.NOT_SENT, message="x") == Lost(number=4, sent=Sent.NOT_SENT, message="x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(VERSION_7)) | st.text(), inner),
)


@pytest.mark.rules("I11", "D32")
@given(value=JSON, key=st.sampled_from(["elements", "info", "dimension_values"]))
def test_whatever_the_rows_say_ids_are_ids_and_names_one_line(value: object, key: str) -> None:
    for question in (Elements(), ElementInfo(element=1, segment=2), DimensionValues(dimension=3)):
        for one in rows_of(question, {key: value}) or ():
            ids = (one.element, one.segment) if isinstance(one, ListedReport) else (one.id,)
            assert all(0 <= number < 10**19 for number in ids)
            assert one.name == one.name.strip()
            assert one.name.isprintable()
