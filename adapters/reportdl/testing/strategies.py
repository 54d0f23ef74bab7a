"""Decides how Hypothesis draws what the protocol is made of: reports, jobs, events, behaviours of servers, faults.

    @given(behaviours(), fault_schedules())
    def test_mine(behaviour, schedule):
        endpoint = MemoryEndpoint(**behaviour, network=schedule)

Everything drawn is legal: what a server may send, not what cannot be. Needs the extra `testing`. Must never draw what
takes real time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, assert_never

from hypothesis import strategies as st

from reportdl.testing.answering import FAILURES, POLICIES, RECEIPT, STATUSES, Make
from reportdl.testing.endings import ended
from reportdl.testing.memory_endpoint import DOCUMENTED, Behaviour
from reportdl.transports.memory import Loss, Weather
from reportdl_core.commands import Check, Command, Finish, Get, Init, ListFormats, LookUp, RenewCredentials, Run, Wait
from reportdl_core.endpoint_messages import Kind, Report
from reportdl_core.errors import Reason
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    LookedUp,
    RunFinished,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.formats import FORMATS
from reportdl_core.job import Job
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy
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

__all__ = [
    "answers",
    "behaviours",
    "events",
    "failures",
    "fault_schedules",
    "fault_texts",
    "jobs",
    "outcomes",
    "policies",
    "reports",
    "switches",
    "tokens",
    "weathers",
]

_KEYS: Final = tuple(FORMATS)
_NAMES: Final = (
    "Sales Dashboard",
    "../../etc/passwd",
    "CON",
    " ",
    "a" * 300,
    "Umsatz Köln",
    "Umsatz Ko\u0308ln",  # the same to the eye, as some file systems write it
    "売上ダッシュボード",
    "تقرير المبيعات",
    "report \u202efdp.exe",  # shown from right to left
    "\N{CHART WITH UPWARDS TREND} Q3",
    "Team \N{WOMAN}\u200d\N{PERSONAL COMPUTER}",  # one sign to the eye, three to a computer
    'Q3; "final" 100%.pdf',
    "two\r\nlines",
    ".hidden",
    "ends in a dot.",
)
_SAID: Final = ("", "no source today", '100% of <b>it</b>; "all"', "المصدر غير متاح", "x" * 200)
_UNHEARD: Final = ("pdf2", "PDF", "powerbi-export")
_STATES: Final[tuple[str, ...]] = ("formats", "init", "run", "check", "get")
_ANYWHERE: Final = (
    "drop_before=",
    "status=500:",
    "status=408:",
    "status=503:",
    "retry_after=429,0:",
    "html=",
    "redirect=302:",
    "unauthorized=",
    "session_expired=",
    "envelope=",
    "delay=0.01:",
    "drop_after=0.01:",
    "gateway_timeout=0:",
    "expire_after=0:",
    "cookie_lock=",
    "text_plain=",
    "content_type=text/plain; charset=utf-16:",
)
_ON_FILES: Final = (
    "cut_at=0:",
    "cut_at=9:",
    "no_length=",
    "chunked=",
    "no_disposition=",
    "content_type=application/octet-stream:",
    "filename=..%2Fpasswd:",
    "filename=CON:",
)
_IDS: Final = st.integers(0, 10**19 - 1)
_SECONDS: Final = st.sampled_from((0.0, 0.01, 0.5, 4.0, 31.0, 299.0, 301.0, 1000.0))


def keys() -> st.SearchStrategy[str]:
    """A format key: mostly one of the nine, now and then one that nobody has heard of (D11)."""
    return st.sampled_from((*_KEYS * 3, *_UNHEARD))


def jobs(*, of: Sequence[Report] = ()) -> st.SearchStrategy[Job]:
    """Any job that can be asked for (D32).

    With `of`, four out of five are for one of these reports in a format that it has, most of them for one that may be
    had, if there is one.
    """
    anything = st.builds(Job, element=_IDS, segment=st.one_of(st.just(0), _IDS), format=keys())
    fitting = [Job(element=one.element, segment=one.segment, format=key) for one in of for key in one.formats]
    may_be_had = {_place(one) for one in of if one.kind is Kind.EXTERNAL_REPORT and one.allowed}
    good = [job for job in fitting if (job.element, job.segment) in may_be_had] or fitting
    if not fitting:
        return anything
    one_of_these: list[list[Job] | None] = [good, good, good, fitting, None]
    return st.sampled_from(one_of_these).flatmap(lambda these: anything if these is None else st.sampled_from(these))


def reports(
    *, kinds: st.SearchStrategy[Kind] | None = None, allowed: st.SearchStrategy[bool] | None = None
) -> st.SearchStrategy[Report]:
    """What a catalog may say of an element: hostile names in any script, no formats, no access (R3 to R11, R25)."""
    return st.builds(
        Report,
        element=_IDS,
        segment=st.one_of(st.just(0), _IDS),
        name=st.one_of(st.text(max_size=60), st.sampled_from(_NAMES)),
        kind=st.sampled_from(Kind) if kinds is None else kinds,
        formats=st.lists(st.sampled_from(_KEYS), unique=True, max_size=9).map(tuple),
        allowed=st.booleans() if allowed is None else allowed,
    )


def tokens() -> st.SearchStrategy[Secret]:
    """Tokens as `init` gives them: URL-encoded already, or with characters that a query needs encoded (R13, D3)."""
    raw = st.text("abcXYZ019-._~+/=%25&#?", min_size=1, max_size=60)
    return st.one_of(st.just("abcDEF123%3D"), raw).map(Secret)


def policies() -> st.SearchStrategy[Policy]:
    """Clients that differ in what matters: what five minutes mean, how long, how often, how soon."""
    return st.sampled_from(POLICIES)


def answers(command: Command) -> st.SearchStrategy[Event]:
    """What a server in order answers this command with; to `check`, that it is ready or not yet."""
    number = command.number
    match command:
        case ListFormats():
            listed = st.lists(keys(), unique=True, min_size=1, max_size=5).map(tuple)
            return st.builds(FormatsListed, number=st.just(number), formats=listed)
        case Init():
            return st.builds(TokenIssued, number=st.just(number), token=tokens())
        case Run():
            return st.just(RunFinished(number=number))
        case Check():
            said = st.sampled_from((Status.IN_PROGRESS, Status.READY))
            return st.builds(StatusReported, number=st.just(number), status=said)
        case Get():
            return st.just(FileReceived(number=number, receipt=RECEIPT))
        case RenewCredentials():
            return st.just(CredentialsRenewed(number=number))
        case Wait():
            return st.just(WaitElapsed(number=number))
        case LookUp():
            return st.just(LookedUp(number=number, found=()))
        case Finish():
            return st.nothing()
        case _:
            assert_never(command)


def failures(command: Command) -> st.SearchStrategy[Event]:
    """All else that can answer it: losses, every refusal, statuses that do not belong, files that cannot be kept."""
    number = command.number
    match command:
        case Finish():
            return st.nothing()
        case Wait():
            return st.just(Cancelled(number=number))
        case RenewCredentials() | LookUp():
            return _one_of(FAILURES, number)
        case Get():
            unkept = st.builds(
                FileNotKept,
                number=st.just(number),
                why=st.sampled_from(Kept),
                message=st.just("no space left"),
                path=st.sampled_from((None, "a.pdf.unverified")),
            )
            return st.one_of(_one_of((*FAILURES, *STATUSES), number), unkept)
        case ListFormats() | Init() | Run() | Check():
            return _one_of((*FAILURES, *STATUSES), number)
        case _:
            assert_never(command)


def _one_of(kinds: tuple[Make, ...], number: int) -> st.SearchStrategy[Event]:
    return st.sampled_from(kinds).map(lambda make: make(number))


def events(command: Command) -> st.SearchStrategy[Event]:
    """Any event that can answer this command."""
    return st.one_of(answers(command), failures(command))


def outcomes(*, reasons: Collection[Reason] = tuple(Reason)) -> st.SearchStrategy[Outcome]:
    """How a job may end, for each of `reasons`; also as it never does at a `MemoryEndpoint`. The core played each."""
    said = st.sampled_from(_SAID)
    return st.builds(ended, st.sampled_from(list(reasons)), job=jobs(), message=said)


def switches() -> st.SearchStrategy[Switches]:
    """Every reading of the document that a server can take, and how patient it is."""
    return st.builds(
        Switches,
        ttl_policy=st.sampled_from(TtlPolicy),
        consume_on=st.sampled_from(ConsumeOn),
        abort_on_disconnect=st.sampled_from(AbortOnDisconnect),
        failed_session=st.sampled_from(FailedSession),
        failed_run=st.sampled_from(FailedRun),
        run_says_ok=st.sampled_from(RunSaysOk),
        before_run=st.sampled_from(BeforeRun),
        format_keys=st.sampled_from(FormatKeys),
        ttl=st.sampled_from((300.0, 30.0)),
        run_timeout=st.sampled_from((1800.0, 60.0)),
    )


def behaviours() -> st.SearchStrategy[Behaviour]:
    """A server: its readings, its reports with the document's own among them, and how long each generation takes.

    Options for `MemoryEndpoint`, all but `network`. Some servers fail at every generation.
    """
    # One report in one place: of two the endpoint would know the last.
    several = st.lists(reports(), max_size=3, unique_by=_place).map(
        lambda more: (*(one for one in more if _place(one) != _place(DOCUMENTED)), DOCUMENTED)
    )
    generations = st.one_of(st.sampled_from((0.0, 1.0, 59.0, 290.0, 310.0, 1500.0)), st.just(_failing))
    return st.builds(Behaviour, switches=switches(), reports=several, generation_seconds=generations)


def _place(report: Report) -> tuple[int, int]:
    return report.element, report.segment


def _failing(report: Report, format: str) -> float:
    raise ValueError(f"the source of {report.name!r} has no {format} today")


def weathers() -> st.SearchStrategy[Weather]:
    """What a network does to one request: how long it takes there and back, and where it gets lost."""
    return st.builds(Weather, there=_SECONDS, back=_SECONDS, loss=st.sampled_from(Loss))


def fault_schedules(*, longest: int = 4) -> st.SearchStrategy[Mapping[str, tuple[Weather, ...]]]:
    """The weather of the first requests of each state; later ones are fair, so that every job can end (I8).

    For the option `network` of `MemoryEndpoint`, or its `forecast`. At most `longest` requests of a state are hit.
    """
    states: list[str] = list(_STATES)
    return st.dictionaries(st.sampled_from(states), st.lists(weathers(), max_size=longest).map(tuple))


def fault_texts(*, longest: int = 3) -> st.SearchStrategy[list[str]]:
    """Faults of the reference endpoint, as its command line spells them, each for one to three calls.

    Every kind that it knows. For the option `faults` of `ReportEndpoint`. Those that make a call slow do so by
    hundredths of a second.
    """
    times = st.integers(1, 3)
    anywhere = st.tuples(st.sampled_from((*_STATES, "*")), st.sampled_from(_ANYWHERE))
    hit = st.one_of(anywhere, st.tuples(st.just("get"), st.sampled_from(_ON_FILES)))
    return st.lists(st.builds(_spelled, hit, times), max_size=longest)


def _spelled(hit: tuple[str, str], times: int) -> str:
    state, kind = hit
    return f"{state}.{kind}{times}"
