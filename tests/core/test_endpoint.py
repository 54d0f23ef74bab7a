"""The server's end as transcripts: what happened, at what time, and what the endpoint said to do."""

from __future__ import annotations

import dataclasses
import math

import pytest

from reportdl_core.endpoint import Endpoint, SessionView
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    Disconnected,
    EndpointCommand,
    EndpointEvent,
    FileMissing,
    FileSent,
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    Kind,
    Refuse,
    Report,
    SendBroken,
    SendFile,
    StatusIs,
    Token,
    Unsuccessful,
)
from reportdl_core.errors import LocalProtocolError, Refusal
from reportdl_core.events import Status
from reportdl_core.lifecycle import State
from reportdl_core.secret import Secret
from reportdl_core.switches import (
    AbortOnDisconnect,
    BeforeRun,
    ConsumeOn,
    FailedRun,
    FailedSession,
    FormatKeys,
    RunSaysOk,
    Switches,
    TtlPolicy,
)

SALES = Report(
    element=1042,
    segment=0,
    name="Sales Dashboard",
    kind=Kind.EXTERNAL_REPORT,
    formats=("image", "pdf", "csv"),
    allowed=True,
)
OTHER = dataclasses.replace(SALES, element=7, name="Costs")
SEGMENT = dataclasses.replace(SALES, segment=3)
METRIC = dataclasses.replace(SALES, kind=Kind.OTHER)
HIDDEN = dataclasses.replace(SALES, allowed=False)
BARREN = dataclasses.replace(SALES, formats=())

FAILED = Refuse(refusal=Refusal.DOWNLOAD_FAILED, message="Download failed")
INVALID_TOKEN = Refuse(refusal=Refusal.INVALID_TOKEN, message="Invalid token")
INVALID_FORMAT = Refuse(refusal=Refusal.INVALID_FORMAT, message="Invalid format")
IN_PROGRESS = StatusIs(status=Status.IN_PROGRESS)
READY = StatusIs(status=Status.READY)
OK = StatusIs(status=Status.OK)
ERROR = StatusIs(status=Status.ERROR, message="Tableau is out of order")
BROKE = GenerationFailed(session=1, message="Tableau is out of order")

Commands = tuple[EndpointCommand, ...]


def says(number: int, answer: StatusIs | Refuse | Formats) -> Commands:
    return (Answer(number=number, answer=answer),)


class Desk:
    """An endpoint and a clock. Every call is numbered by the transcript itself."""

    def __init__(self, **switches: object) -> None:
        self.endpoint = Endpoint(switches=Switches(**switches))  # type: ignore[arg-type]
        self.now = 1000.0

    def after(self, seconds: float) -> Commands:
        """Time passes and the driver heeds the alarm."""
        until = self.now + seconds
        done: Commands = ()
        while (alarm := self.endpoint.alarm) is not None and alarm <= until:
            self.now = alarm
            done += self.endpoint.sweep(now=alarm)
        self.now = until
        return done

    def on(self, event: EndpointEvent) -> Commands:
        return self.endpoint.receive(event, now=self.now)

    def call(
        self,
        number: int,
        state: str,
        token: str | None = None,
        format: str | None = None,
        *,
        user: str = "ann",
        report: Report | None = SALES,
        element: int | None = 1042,
        segment: int | None = 0,
        fresh: str = "unused",
    ) -> Commands:
        if report is not None:
            element, segment = report.element, report.segment
        return self.on(
            Called(
                number=number,
                user=user,
                element=element,
                segment=segment,
                state=state,
                token=token,
                format=format,
                report=report,
                fresh_token=Secret(fresh),
            )
        )

    def opened(self) -> Desk:
        assert self.call(1, "init", fresh="t+/=") == (Answer(number=1, answer=Token(token=Secret("t+/="))),)
        return self

    def running(self) -> Desk:
        self.opened()
        assert self.call(2, "run", "t+/=", "pdf") == (Generate(session=1, report=SALES, format="pdf"),)
        return self

    def ready(self) -> Desk:
        self.running()
        assert self.on(Generated(session=1)) == says(2, OK)
        return self

    def broken(self) -> Desk:
        self.running()
        assert self.on(BROKE) == says(2, FAILED)
        return self

    def sending(self) -> Desk:
        self.ready()
        assert self.call(3, "get", "t+/=", "pdf") == send(3)
        return self

    def state(self) -> State:
        (session,) = self.endpoint.sessions
        return session.state

    @property
    def generations(self) -> int:
        (session,) = self.endpoint.sessions
        return session.generations


def send(number: int) -> Commands:
    return (SendFile(number=number, session=1, report=SALES, format="pdf"),)


# ---- the way through


@pytest.mark.rules("R2", "R8", "R12", "R18", "R20", "R21", "R24", "R26", "R27", "R28", "D20")
def test_the_documents_example_from_end_to_end() -> None:
    desk = Desk()
    assert desk.call(1, "formats") == says(1, Formats(formats=("image", "pdf", "csv")))
    assert desk.call(2, "init", fresh="abcDEF123=") == (Answer(number=2, answer=Token(token=Secret("abcDEF123="))),)
    assert desk.state() is State.INIT
    assert desk.call(3, "run", "abcDEF123=", "pdf") == (Generate(session=1, report=SALES, format="pdf"),)
    assert desk.state() is State.RUNNING
    assert desk.call(4, "check", "abcDEF123=") == says(4, IN_PROGRESS)
    assert desk.call(5, "get", "abcDEF123=", "pdf") == says(5, IN_PROGRESS)
    assert desk.on(Generated(session=1)) == says(3, OK)
    assert desk.state() is State.READY
    assert desk.call(6, "check", "abcDEF123=") == says(6, READY)
    assert desk.call(7, "get", "abcDEF123=", "pdf") == send(7)
    assert desk.state() is State.READY
    assert desk.on(FileSent(number=7)) == (Discard(session=1),)
    assert desk.state() is State.CONSUMED
    assert desk.call(8, "check", "abcDEF123=") == says(8, FAILED)
    assert desk.call(9, "get", "abcDEF123=", "pdf") == says(9, FAILED)
    assert desk.call(10, "run", "abcDEF123=", "pdf") == says(10, FAILED)


@pytest.mark.rules("R29")
def test_another_download_takes_another_session() -> None:
    desk = Desk().sending()
    desk.on(FileSent(number=3))
    desk.call(4, "init", fresh="t2")
    assert desk.call(5, "run", "t2", "csv") == (Generate(session=2, report=SALES, format="csv"),)
    assert [session.state for session in desk.endpoint.sessions] == [State.CONSUMED, State.RUNNING]


@pytest.mark.rules("R12", "R15")
def test_what_can_be_seen_of_a_session() -> None:
    desk = Desk().opened()
    assert desk.endpoint.sessions == (
        SessionView(number=1, state=State.INIT, user="ann", element=1042, segment=0, format=None, generations=0),
    )


# ---- refusals, in their order


ORDER = [
    ("Invalid state", {"state": "bogus", "report": None}),
    ("Element not found", {"report": None}),
    ("Element not allowed", {"report": dataclasses.replace(METRIC, allowed=False)}),
    ("Not implemented for this Element Type", {"report": dataclasses.replace(METRIC, formats=())}),
    ("Invalid token", {"report": BARREN, "token": "nonsense"}),
    ("No downloads available", {"report": BARREN, "token": "t+/="}),
    ("Invalid format", {"token": "t+/=", "format": "csv"}),
    ("Download failed", {"token": "t+/=", "format": "pdf"}),
]


@pytest.mark.rules("D15", "R2", "R3", "R5", "R6", "R9", "R10", "R14", "R30")
@pytest.mark.parametrize(("message", "call"), ORDER, ids=[message for message, _ in ORDER])
def test_each_refusal_comes_before_those_that_would_follow(message: str, call: dict[str, object]) -> None:
    desk = Desk().broken()
    (answer,) = desk.call(9, **({"state": "run"} | call))  # type: ignore[arg-type]
    assert answer == Answer(number=9, answer=Refuse(refusal=Refusal(message), message=message))


@pytest.mark.rules("R2", "D32")
@pytest.mark.parametrize("state", ["", "Formats", "formats ", "run/", "get\x00", "état", "INIT"])
def test_only_the_five_states_are_states(state: str) -> None:
    assert Desk().call(1, state) == says(1, Refuse(refusal=Refusal.INVALID_STATE, message="Invalid state"))


@pytest.mark.rules("R5", "D32")
@pytest.mark.parametrize("where", [{"element": None}, {"segment": None}, {"element": 5}])
def test_what_the_catalog_does_not_know_is_not_found(where: dict[str, int | None]) -> None:
    refused = says(1, Refuse(refusal=Refusal.ELEMENT_NOT_FOUND, message="Element not found"))
    assert Desk().call(1, "init", report=None, **where) == refused  # type: ignore[arg-type]


@pytest.mark.rules("D27", "R3", "R5", "R6")
@pytest.mark.parametrize("state", ["formats", "init", "run", "check", "get"])
@pytest.mark.parametrize(
    ("report", "message"),
    [
        (None, "Element not found"),
        (HIDDEN, "Element not allowed"),
        (METRIC, "Not implemented for this Element Type"),
    ],
)
def test_access_is_checked_on_every_call(state: str, report: Report | None, message: str) -> None:
    desk = Desk().ready()
    refused = says(9, Refuse(refusal=Refusal(message), message=message))
    assert desk.call(9, state, "t+/=", "pdf", report=report) == refused
    assert desk.call(10, "check", "t+/=") == says(10, READY)


@pytest.mark.rules("R9", "D12")
@pytest.mark.parametrize("state", ["formats", "init", "run"])
def test_a_report_without_formats_has_no_downloads(state: str) -> None:
    desk = Desk().opened()
    refused = says(2, Refuse(refusal=Refusal.NO_DOWNLOADS, message="No downloads available"))
    assert desk.call(2, state, "t+/=", "pdf", report=BARREN, fresh="t2") == refused


@pytest.mark.rules("R14", "I2", "D3", "D13", "D14")
@pytest.mark.parametrize("state", ["run", "check", "get"])
@pytest.mark.parametrize(
    "call",
    [
        {"token": None},
        {"token": ""},
        {"token": "t+/"},
        {"token": "T+/="},
        {"token": "t%2B%2F%3D"},
        {"token": "\ud800"},
        {"token": "t+/=", "user": "bob"},
        {"token": "t+/=", "report": OTHER},
        {"token": "t+/=", "report": SEGMENT},
    ],
    ids=["missing", "empty", "cut", "case", "encoded twice", "surrogate", "user", "element", "segment"],
)
def test_a_token_is_good_for_its_user_element_and_segment_alone(state: str, call: dict[str, object]) -> None:
    desk = Desk().ready()
    assert desk.call(9, state, format="pdf", **call) == says(9, INVALID_TOKEN)  # type: ignore[arg-type]
    assert desk.call(10, "check", "t+/=") == says(10, READY)


@pytest.mark.rules("R10", "R11", "D9", "D10", "D8")
@pytest.mark.parametrize("state", ["run", "get"])
@pytest.mark.parametrize("format", [None, "", "PDF", "ppt", "pdf ", "\ud800"])
def test_a_format_that_the_report_does_not_offer_is_invalid(state: str, format: str | None) -> None:
    desk = Desk().opened()
    assert desk.call(2, state, "t+/=", format) == says(2, INVALID_FORMAT)
    assert desk.state() is State.INIT


@pytest.mark.rules("D9", "R27")
def test_get_in_another_format_than_run_is_invalid_and_consumes_nothing() -> None:
    desk = Desk().ready()
    assert desk.call(3, "get", "t+/=", "csv") == says(3, INVALID_FORMAT)
    assert desk.call(4, "get", "t+/=", None) == says(4, INVALID_FORMAT)
    assert desk.call(5, "get", "t+/=", "pdf") == send(5)


@pytest.mark.rules("R11", "R10")
def test_a_file_that_exists_is_not_lost_because_the_plugin_dropped_its_format() -> None:
    desk = Desk().ready()
    poorer = dataclasses.replace(SALES, formats=("csv",))
    assert desk.call(3, "run", "t+/=", "pdf", report=poorer) == says(3, INVALID_FORMAT)
    expected = (SendFile(number=4, session=1, report=poorer, format="pdf"),)
    assert desk.call(4, "get", "t+/=", "pdf", report=poorer) == expected


@pytest.mark.rules("D11", "R7")
@pytest.mark.parametrize(
    ("keys", "listed", "good", "bad"),
    [
        (FormatKeys.LOWER, ("pdf", "image"), "pdf", "PDF"),
        (FormatKeys.CAPABILITY, ("PDF", "IMAGE"), "PDF", "pdf"),
        (FormatKeys.FOLDED, ("pdf", "image"), "PdF", "pdf2"),
    ],
)
def test_spellings_of_format_keys(keys: FormatKeys, listed: tuple[str, ...], good: str, bad: str) -> None:
    desk = Desk(format_keys=keys)
    report = dataclasses.replace(SALES, formats=("Pdf", "image"))
    assert desk.call(1, "formats", report=report) == says(1, Formats(formats=listed))
    desk.call(2, "init", report=report, fresh="t")
    assert desk.call(3, "run", "t", bad, report=report) == says(3, INVALID_FORMAT)
    assert desk.call(4, "run", "t", good, report=report) == (Generate(session=1, report=report, format="Pdf"),)
    assert desk.call(5, "get", "t", good, report=report) == says(5, IN_PROGRESS)
    assert desk.call(6, "get", "t", bad, report=report) == says(6, INVALID_FORMAT)


# ---- run


@pytest.mark.rules("D8", "I3")
def test_run_twice_joins_the_one_generation() -> None:
    desk = Desk().running()
    assert desk.call(3, "run", "t+/=", "pdf") == ()
    assert desk.call(4, "run", "t+/=", "csv") == says(4, INVALID_FORMAT)
    assert desk.on(Generated(session=1)) == says(2, OK) + says(3, OK)
    assert desk.call(5, "run", "t+/=", "pdf") == says(5, OK)
    assert desk.generations == 1


@pytest.mark.rules("R22", "R26", "D5", "D6", "D8")
def test_a_failed_run() -> None:
    desk = Desk().running()
    desk.call(3, "run", "t+/=", "pdf")
    assert desk.on(BROKE) == says(2, FAILED) + says(3, FAILED)
    assert desk.state() is State.ERROR
    assert desk.call(4, "check", "t+/=") == says(4, ERROR)
    assert desk.call(5, "get", "t+/=", "pdf") == says(5, ERROR)
    assert desk.call(6, "run", "t+/=", "pdf") == says(6, FAILED)
    assert desk.generations == 1


@pytest.mark.rules("D5", "R30")
def test_the_other_reading_of_a_failed_run() -> None:
    desk = Desk(failed_session=FailedSession.REFUSAL).broken()
    assert desk.call(3, "check", "t+/=") == says(3, FAILED)
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, FAILED)


@pytest.mark.rules("D6")
def test_a_run_that_fails_with_200() -> None:
    desk = Desk(failed_run=FailedRun.STATUS).running()
    assert desk.on(BROKE) == says(2, ERROR)
    assert desk.call(3, "run", "t+/=", "pdf") == says(3, ERROR)
    desk.after(300)
    assert desk.call(4, "run", "t+/=", "pdf") == says(4, FAILED)


@pytest.mark.rules("R30", "D5")
def test_no_file_produced_is_a_refusal_and_no_status() -> None:
    desk = Desk().running()
    nothing = GenerationFailed(session=1, message="empty", how=Unsuccessful.NO_FILE)
    assert desk.on(nothing) == says(2, FAILED)
    assert desk.call(3, "check", "t+/=") == says(3, FAILED)
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, FAILED)


@pytest.mark.rules("R17", "D5")
def test_a_failed_run_says_so_only_while_its_token_lives() -> None:
    desk = Desk().broken()
    desk.after(299.5)
    assert desk.call(3, "check", "t+/=") == says(3, ERROR)
    desk.after(0.5)
    assert desk.call(4, "check", "t+/=") == says(4, FAILED)
    assert desk.state() is State.ERROR


@pytest.mark.rules("R32", "D26", "D36")
@pytest.mark.parametrize(
    ("message", "shown"),
    [("", "Download failed"), ("\x00\r\n", "Download failed"), ("two\r\nlines\u202e", "two lines")],
)
def test_a_plugins_message_is_one_clean_line(message: str, shown: str) -> None:
    desk = Desk().running()
    desk.on(GenerationFailed(session=1, message=message))
    assert desk.call(3, "check", "t+/=") == says(3, StatusIs(status=Status.ERROR, message=shown))


@pytest.mark.rules("D36")
def test_a_plugins_message_is_bounded() -> None:
    desk = Desk().running()
    desk.on(GenerationFailed(session=1, message="x" * 100_000))
    (answer,) = desk.call(3, "check", "t+/=")
    assert isinstance(answer, Answer)
    assert isinstance(answer.answer, StatusIs)
    assert 1 <= len(answer.answer.message) <= 300


@pytest.mark.rules("D28", "R19")
def test_past_its_timeout_a_run_has_failed() -> None:
    desk = Desk(ttl_policy=TtlPolicy.START).running()
    assert desk.after(1799.5) == ()
    assert desk.after(0.5) == (AbandonGeneration(session=1), *says(2, FAILED))
    expected = StatusIs(status=Status.ERROR, message="Generation took too long")
    assert desk.call(3, "check", "t+/=") == says(3, expected)
    assert desk.on(Generated(session=1)) == (Discard(session=1),)
    assert desk.state() is State.ERROR


@pytest.mark.rules("D18", "R26")
def test_check_and_get_before_run() -> None:
    desk = Desk().opened()
    assert desk.call(2, "check", "t+/=") == says(2, IN_PROGRESS)
    assert desk.call(3, "get", "t+/=", "pdf") == says(3, IN_PROGRESS)


@pytest.mark.rules("D18")
def test_the_fault_that_says_error_before_run_leaves_the_session_usable() -> None:
    desk = Desk(before_run=BeforeRun.ERROR).opened()
    error = StatusIs(status=Status.ERROR, message="Download failed")
    assert desk.call(2, "check", "t+/=") == says(2, error)
    assert desk.call(3, "get", "t+/=", "pdf") == says(3, error)
    assert desk.call(4, "run", "t+/=", "pdf") == (Generate(session=1, report=SALES, format="pdf"),)
    assert desk.call(5, "check", "t+/=") == says(5, IN_PROGRESS)


@pytest.mark.rules("D6", "D42")
def test_the_fault_that_says_ok_before_the_file_exists() -> None:
    desk = Desk(run_says_ok=RunSaysOk.AT_ONCE).opened()
    generate = Generate(session=1, report=SALES, format="pdf")
    assert desk.call(2, "run", "t+/=", "pdf") == (generate, *says(2, OK))
    assert desk.call(3, "run", "t+/=", "pdf") == says(3, OK)
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, IN_PROGRESS)
    assert desk.call(5, "check", "t+/=") == says(5, IN_PROGRESS)
    assert desk.on(Generated(session=1)) == ()
    assert desk.call(6, "check", "t+/=") == says(6, READY)


@pytest.mark.rules("D7")
def test_generation_goes_on_without_its_caller() -> None:
    desk = Desk().running()
    assert desk.on(Disconnected(number=2)) == ()
    assert desk.on(Generated(session=1)) == ()
    assert desk.call(3, "check", "t+/=") == says(3, READY)
    assert desk.on(Disconnected(number=2)) == ()


@pytest.mark.rules("D7", "R30")
def test_generation_aborted_once_nobody_waits_any_more() -> None:
    desk = Desk(abort_on_disconnect=AbortOnDisconnect.ON).running()
    desk.call(3, "run", "t+/=", "pdf")
    assert desk.on(Disconnected(number=2)) == ()
    assert desk.on(Disconnected(number=3)) == (AbandonGeneration(session=1),)
    assert desk.state() is State.ERROR
    assert desk.call(4, "check", "t+/=") == says(4, FAILED)
    assert desk.call(5, "get", "t+/=", "pdf") == says(5, FAILED)
    assert desk.on(BROKE) == ()


# ---- get


@pytest.mark.rules("D42", "I5")
def test_a_second_get_while_the_first_is_being_sent() -> None:
    desk = Desk().sending()
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, IN_PROGRESS)
    assert desk.call(5, "check", "t+/=") == says(5, READY)
    assert desk.call(6, "run", "t+/=", "pdf") == says(6, OK)
    assert desk.on(FileSent(number=3)) == (Discard(session=1),)
    assert desk.call(7, "get", "t+/=", "pdf") == says(7, FAILED)


@pytest.mark.rules("R27", "D21")
def test_a_broken_transfer_consumes_nothing() -> None:
    desk = Desk().sending()
    assert desk.on(SendBroken(number=3, sent=10)) == ()
    assert desk.call(4, "check", "t+/=") == says(4, READY)
    assert desk.call(5, "get", "t+/=", "pdf") == send(5)
    assert desk.on(FileSent(number=5)) == (Discard(session=1),)


@pytest.mark.rules("D21", "R27")
@pytest.mark.parametrize("end", [FileSent(number=3), SendBroken(number=3, sent=10)])
def test_consumed_with_the_first_byte(end: FileSent | SendBroken) -> None:
    desk = Desk(consume_on=ConsumeOn.START).sending()
    assert desk.state() is State.CONSUMED
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, FAILED)
    assert desk.after(10_000) == ()  # it is not forgotten while it is on its way
    assert desk.on(end) == (Discard(session=1),)
    assert desk.endpoint.sessions == ()


@pytest.mark.rules("D2", "R16")
def test_a_transfer_that_has_begun_completes() -> None:
    desk = Desk().ready()
    desk.after(299)
    assert desk.call(3, "get", "t+/=", "pdf") == send(3)
    assert desk.after(1000) == ()
    assert desk.on(FileSent(number=3)) == (Discard(session=1),)
    assert desk.state() is State.CONSUMED


@pytest.mark.rules("D2", "D21", "R17")
def test_a_transfer_that_breaks_after_the_expiry_was_the_last() -> None:
    desk = Desk().sending()
    assert desk.after(1000) == ()
    assert desk.on(SendBroken(number=3, sent=0)) == (Discard(session=1),)
    assert desk.state() is State.EXPIRED
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, FAILED)


@pytest.mark.rules("R30", "D5")
def test_a_file_that_went_missing() -> None:
    desk = Desk().sending()
    assert desk.on(FileMissing(number=3)) == (*says(3, FAILED), Discard(session=1))
    assert desk.state() is State.ERROR
    assert desk.call(4, "check", "t+/=") == says(4, FAILED)


@pytest.mark.rules("R30", "D21")
def test_a_file_that_went_missing_from_a_session_that_its_start_consumed() -> None:
    desk = Desk(consume_on=ConsumeOn.START).sending()
    assert desk.on(FileMissing(number=3)) == (*says(3, FAILED), Discard(session=1))
    assert desk.state() is State.CONSUMED


# ---- expiry


@pytest.mark.rules("R15", "R17", "D41")
def test_a_token_expires_at_five_minutes_and_not_before() -> None:
    desk = Desk().opened()
    assert desk.after(299.999) == ()
    assert desk.call(2, "check", "t+/=") == says(2, IN_PROGRESS)
    assert desk.after(0.001) == ()
    assert desk.state() is State.EXPIRED
    assert desk.call(3, "check", "t+/=") == says(3, FAILED)
    assert desk.call(4, "run", "t+/=", "pdf") == says(4, FAILED)
    assert desk.call(5, "get", "t+/=", "pdf") == says(5, FAILED)


@pytest.mark.rules("R16", "R17", "D1")
def test_generation_under_way_is_abandoned_at_the_expiry_and_its_file_discarded() -> None:
    desk = Desk().running()
    assert desk.after(300) == (AbandonGeneration(session=1), *says(2, FAILED))
    assert desk.on(Generated(session=1)) == (Discard(session=1),)
    assert desk.call(3, "check", "t+/=") == says(3, FAILED)
    assert desk.on(BROKE) == ()
    assert desk.state() is State.EXPIRED


@pytest.mark.rules("R16", "R15")
def test_a_file_that_was_not_fetched_is_discarded_at_the_expiry() -> None:
    desk = Desk().ready()
    assert desk.after(300) == (Discard(session=1),)
    assert desk.call(3, "get", "t+/=", "pdf") == says(3, FAILED)


@pytest.mark.rules("R17", "I6")
def test_the_clock_is_looked_at_before_the_event() -> None:
    desk = Desk().ready()
    desk.now += 300  # nobody heeded the alarm
    assert desk.call(3, "get", "t+/=", "pdf") == (Discard(session=1), *says(3, FAILED))


@pytest.mark.rules("R16")
def test_a_file_that_comes_in_the_same_instant_as_the_expiry_comes_too_late() -> None:
    desk = Desk().running()
    desk.now += 300
    assert desk.on(Generated(session=1)) == (AbandonGeneration(session=1), *says(2, FAILED), Discard(session=1))


@pytest.mark.rules("D1", "R16")
def test_ttl_guards_only_the_start_of_run() -> None:
    desk = Desk(ttl_policy=TtlPolicy.START).opened()
    desk.after(299)
    desk.call(2, "run", "t+/=", "pdf")
    desk.after(1500)
    assert desk.on(Generated(session=1)) == says(2, OK)
    desk.after(3000)
    assert desk.call(3, "check", "t+/=") == says(3, READY)
    assert desk.after(7200) == (Discard(session=1),)


@pytest.mark.rules("D1")
def test_under_start_a_session_that_never_runs_expires_all_the_same() -> None:
    desk = Desk(ttl_policy=TtlPolicy.START).opened()
    desk.after(300)
    assert desk.call(2, "run", "t+/=", "pdf") == says(2, FAILED)


@pytest.mark.rules("D1")
def test_ttl_slides_with_run_and_check_and_with_nothing_else() -> None:
    desk = Desk(ttl_policy=TtlPolicy.SLIDING).opened()
    desk.after(200)
    desk.call(2, "run", "t+/=", "pdf")
    desk.after(200)
    assert desk.call(3, "check", "t+/=") == says(3, IN_PROGRESS)
    desk.after(200)
    assert desk.call(4, "get", "t+/=", "pdf") == says(4, IN_PROGRESS)
    assert desk.after(99.5) == ()
    assert desk.after(0.5) == (AbandonGeneration(session=1), *says(2, FAILED))


@pytest.mark.rules("D36", "D1")
def test_sliding_ends_at_the_greatest_age() -> None:
    desk = Desk(ttl_policy=TtlPolicy.SLIDING, max_age=700.0).ready()
    for number in range(3, 9):
        assert desk.after(100) == ()
        assert desk.call(number, "check", "t+/=") == says(number, READY)
    assert desk.endpoint.alarm == 1700
    assert desk.after(100) == (Discard(session=1),)


@pytest.mark.rules("D1", "D5")
def test_a_failed_session_does_not_slide() -> None:
    desk = Desk(ttl_policy=TtlPolicy.SLIDING).broken()
    desk.after(200)
    assert desk.call(3, "check", "t+/=") == says(3, ERROR)
    desk.after(100)
    assert desk.call(4, "check", "t+/=") == says(4, FAILED)


# ---- caps, sweeping, alarm


@pytest.mark.rules("D36", "D20", "R28")
def test_a_final_session_is_remembered_and_then_forgotten() -> None:
    desk = Desk().sending()
    desk.on(FileSent(number=3))
    desk.after(3599.5)
    assert desk.call(4, "check", "t+/=") == says(4, FAILED)
    desk.after(0.5)
    assert desk.call(5, "check", "t+/=") == says(5, INVALID_TOKEN)
    assert desk.endpoint.sessions == ()
    assert desk.endpoint.alarm is None
    assert desk.on(Generated(session=1)) == (Discard(session=1),)  # a generator that never heard of the end
    assert desk.on(BROKE) == ()


@pytest.mark.rules("D36")
def test_sweeping_late_makes_no_difference() -> None:
    desk = Desk().ready()
    desk.now += 300 + 3600
    assert desk.endpoint.sweep(now=desk.now) == (Discard(session=1),)
    assert desk.endpoint.sessions == ()


@pytest.mark.rules("D36")
def test_the_alarm_is_the_earliest_deadline() -> None:
    desk = Desk(ttl_policy=TtlPolicy.START, run_timeout=60.0)
    assert desk.endpoint.alarm is None
    desk.opened()
    assert desk.endpoint.alarm == 1300
    desk.after(10)
    desk.call(2, "run", "t+/=", "pdf")
    assert desk.endpoint.alarm == 1070
    desk.on(Generated(session=1))
    assert desk.endpoint.alarm == 8200
    desk.call(3, "get", "t+/=", "pdf")
    assert desk.endpoint.alarm is None
    desk.on(SendBroken(number=3, sent=1))
    assert desk.endpoint.alarm == 8200


@pytest.mark.rules("D28", "D36")
def test_a_deadline_that_came_nearer_is_not_hidden_behind_another_session() -> None:
    desk = Desk(run_timeout=60.0).opened()
    desk.call(2, "init", fresh="t2")
    desk.call(3, "run", "t2", "pdf")
    assert desk.endpoint.alarm == 1060


@pytest.mark.rules("D36")
def test_caps_on_live_sessions_of_one_user_and_in_all() -> None:
    desk = Desk(live_per_user=2, live_in_all=3, retry_after=7.0)
    busy = Refuse(refusal=Refusal.BUSY, message="Too many sessions", retry_after=7.0)
    for number, user in ((1, "ann"), (2, "ann"), (4, "bob")):
        if number == 4:
            assert desk.call(3, "init", fresh="no") == says(3, busy)
        assert desk.call(number, "init", user=user, fresh=f"t{number}") != says(number, busy)
    assert desk.call(5, "init", user="cid", fresh="no") == says(5, busy)
    desk.after(300)
    token = (Answer(number=6, answer=Token(token=Secret("t6"))),)
    assert desk.call(6, "init", user="ann", fresh="t6") == token


@pytest.mark.rules("D36", "R28")
def test_the_oldest_final_session_is_forgotten_first() -> None:
    desk = Desk(remembered=2)
    for number in (1, 2, 3):
        desk.call(number, "init", fresh=f"t{number}")
        desk.after(1)
    desk.after(300)
    assert [session.number for session in desk.endpoint.sessions] == [2, 3]
    assert desk.call(4, "check", "t1") == says(4, INVALID_TOKEN)
    assert desk.call(5, "check", "t2") == says(5, FAILED)


@pytest.mark.rules("D36")
def test_what_is_kept_does_not_grow_with_the_sessions_served() -> None:
    desk = Desk(remembered=3).ready()  # its deadline is the first, so that those of the others stay behind it
    for number in range(2, 2002):
        user = f"user {number}"
        desk.call(4 * number, "init", fresh=f"t{number}", user=user)
        desk.call(4 * number + 1, "run", f"t{number}", "pdf", user=user)
        desk.on(GenerationFailed(session=number))
        desk.now += 0.01
    register = desk.endpoint._register
    assert len(register._files) < 200
    assert [session.number for session in desk.endpoint.sessions] == [1, 1999, 2000, 2001]
    assert not desk.endpoint._held
    assert dict(register._live) == {"ann": 1}
    assert desk.endpoint.alarm == 1300
    assert desk.after(300) == (Discard(session=1),)
    assert desk.endpoint.alarm == pytest.approx(1000 + 19.98 + 3600)


@pytest.mark.rules("D39")
def test_no_token_is_kept_or_shown() -> None:
    desk = Desk()
    desk.call(1, "init", fresh="this-is-a-token")
    desk.call(2, "run", "this-is-a-token", "pdf")
    called = Called(
        number=3,
        user="ann",
        element=1042,
        segment=0,
        state="check",
        token="this-is-a-token",
        report=SALES,
        fresh_token=Secret("another-token"),
    )
    (session,) = desk.endpoint._register
    shown = repr((called, session, desk.endpoint.sessions)) + repr(vars(desk.endpoint._register))
    assert "a-token" not in shown
    assert "another" not in shown


# ---- misuse


def _reported(report: Report, **call: object) -> Called:
    fields: dict[str, object] = {"number": 9, "user": "ann", "element": 1042, "segment": 0, "state": "init"}
    return Called(**(fields | {"report": report, "fresh_token": Secret("new")} | call))  # type: ignore[arg-type]


@pytest.mark.rules("D37", "D39", "I2")
@pytest.mark.parametrize(
    "event",
    [
        FileSent(number=8),
        SendBroken(number=2, sent=1),
        FileMissing(number=2),
        Generated(session=0),
        Generated(session=3),
        Generated(session=2),
        GenerationFailed(session=2),
        _reported(SALES, number=2),
        _reported(OTHER),
        _reported(SEGMENT),
        _reported(SALES, fresh_token=Secret("t+/=")),
        _reported(SALES, fresh_token=Secret("")),
    ],
)
def test_misuse_is_refused_and_moves_nothing(event: EndpointEvent) -> None:
    desk = Desk().running()
    desk.call(3, "init", fresh="t2")
    before = desk.endpoint.sessions
    with pytest.raises(LocalProtocolError):
        desk.endpoint.receive(event, now=desk.now + 10_000)
    assert desk.endpoint.sessions == before
    assert desk.on(Generated(session=1)) == says(2, OK)


@pytest.mark.rules("D37")
def test_a_ready_session_is_not_generated_again() -> None:
    desk = Desk().ready()
    for event in (Generated(session=1), BROKE):
        with pytest.raises(LocalProtocolError):
            desk.on(event)
    assert desk.state() is State.READY


@pytest.mark.rules("D37")
def test_a_call_that_is_being_sent_is_not_called_again() -> None:
    desk = Desk().sending()
    with pytest.raises(LocalProtocolError):
        desk.call(3, "check", "t+/=")
    assert desk.on(FileSent(number=3)) == (Discard(session=1),)


@pytest.mark.rules("D37", "I9")
@pytest.mark.parametrize("now", [999.9, math.nan, math.inf, -math.inf])
def test_a_clock_that_is_none(now: float) -> None:
    desk = Desk().opened()
    with pytest.raises(LocalProtocolError):
        desk.endpoint.sweep(now=now)
    with pytest.raises(LocalProtocolError):
        desk.endpoint.receive(Disconnected(number=1), now=now)
    assert desk.call(2, "check", "t+/=") == says(2, IN_PROGRESS)


@pytest.mark.rules("D37")
def test_a_second_caller_is_refused_while_the_first_is_served() -> None:
    desk = Desk().running()
    seen: list[str] = []

    class Nosy(str):
        """A message that calls the endpoint while the endpoint reads it."""

        __slots__ = ()

        def __getitem__(self, key: object) -> str:
            with pytest.raises(LocalProtocolError):
                desk.endpoint.sweep(now=desk.now)
            seen.append("refused")
            return "Tableau is out of order"

    desk.on(GenerationFailed(session=1, message=Nosy("x")))
    assert seen == ["refused"]
    assert desk.call(3, "check", "t+/=") == says(3, ERROR)


@pytest.mark.rules("D1", "D28", "D36")
@pytest.mark.parametrize(
    "switches",
    [
        {"ttl": 0.0},
        {"ttl": -1.0},
        {"run_timeout": math.nan},
        {"max_age": math.inf},
        {"remember": 0.0},
        {"retry_after": -1.0},
        {"ttl": 300.0, "max_age": 299.0},
        {"live_per_user": 0},
        {"live_in_all": 0},
        {"remembered": 0},
    ],
)
def test_switches_that_make_no_sense(switches: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError):
        Switches(**switches)  # type: ignore[arg-type]


@pytest.mark.rules("R15", "R19", "D1", "D28")
def test_switches_as_we_ship_them() -> None:
    switches = Switches()
    assert (switches.ttl, switches.run_timeout) == (300.0, 1800.0)
    assert switches.ttl_policy is TtlPolicy.ABSOLUTE
    assert switches.consume_on is ConsumeOn.END


@pytest.mark.rules("D36")
def test_the_smallest_switches_that_make_sense() -> None:
    smallest = Switches(ttl=0.5, max_age=0.5, run_timeout=0.5, live_per_user=1, live_in_all=1, remembered=1)
    assert smallest.ttl == smallest.max_age
