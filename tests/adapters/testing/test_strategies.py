"""What Hypothesis draws is legal, wide enough to matter, and enough to catch an embedding that is wrong."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import itemgetter
from random import Random
from typing import Any, cast

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from reportdl.server.fault_grammar import KINDS, parse_fault
from reportdl.testing import DOCUMENTED, Behaviour, DownloadMachine, Embedded, Journey, MemoryEndpoint
from reportdl.testing.answering import FORGIVEN, good
from reportdl.testing.strategies import (
    answers,
    behaviours,
    events,
    failures,
    fault_schedules,
    fault_texts,
    jobs,
    policies,
    reports,
    tokens,
)
from reportdl.transports.memory import Weather
from reportdl_core import (
    Cancelled,
    Check,
    Command,
    Download,
    Event,
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
    RenewCredentials,
    Run,
    Secret,
    Sent,
    State,
    Wait,
)
from reportdl_core.answers import fits
from reportdl_core.commands import LookUp
from reportdl_core.endpoint_messages import Report
from reportdl_core.formats import FORMATS
from reportdl_core.questions import Elements
from reportdl_core.wire import query_token

JOB = Job(element=1042, format="pdf")
TOKEN = Secret("abc%3D")
COMMANDS: tuple[Command, ...] = (
    ListFormats(number=7, job=JOB, deadline=30.0),
    Init(number=7, job=JOB, deadline=30.0),
    Run(number=7, job=JOB, token=TOKEN, deadline=30.0),
    Check(number=7, job=JOB, token=TOKEN, deadline=30.0),
    Get(number=7, job=JOB, token=TOKEN, deadline=30.0),
    RenewCredentials(number=7, deadline=30.0),
    Wait(number=7, deadline=30.0),
    LookUp(number=7, question=Elements(), deadline=30.0),
)


@given(data=st.data())
@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: type(one).__name__)
def test_an_event_answers_its_command(command: Command, data: st.DataObject) -> None:
    event = data.draw(events(command))
    assert event.number == 7
    assert fits(command, event)


def test_nothing_answers_finish() -> None:
    finish = Finish(number=7, outcome=MemoryEndpoint().download(1042, format="pdf"))
    assert answers(finish).is_empty
    assert failures(finish).is_empty


@given(job=jobs(), report=reports(), token=tokens())
def test_values_are_what_the_core_takes(job: Job, report: Report, token: Secret) -> None:
    assert Job(element=report.element, segment=report.segment, format=job.format).format == job.format
    assert query_token(token).isascii()


def drawn(strategy: st.SearchStrategy[Any], draws: int) -> list[Any]:
    found: list[Any] = []

    @settings(max_examples=draws, derandomize=True, phases=[Phase.generate])
    @given(strategy)
    def draw(one: Any) -> None:
        found.append(one)

    draw()
    return found


def test_a_job_mostly_asks_for_one_of_the_nine_formats() -> None:
    asked = Counter(job.format for job in drawn(jobs(), 300))
    assert asked.keys() >= FORMATS.keys()
    unheard = sum(count for key, count in asked.items() if key not in FORMATS)
    assert 0 < unheard < 0.3 * asked.total(), asked


@pytest.mark.parametrize(
    "mind",
    [
        lambda name: any(unicodedata.bidirectional(char) in ("R", "AL") for char in name),
        lambda name: "\u202e" in name,
        lambda name: unicodedata.normalize("NFC", name) != name,
        lambda name: any(unicodedata.name(char, "").startswith("CJK") for char in name),
        lambda name: any(ord(char) > 0xFFFF and unicodedata.category(char) == "So" for char in name),
        lambda name: "\u200d" in name,
        lambda name: '"' in name and ";" in name,
        lambda name: "\r\n" in name,
        lambda name: name.startswith("."),
        lambda name: name.endswith("."),
        lambda name: name.startswith(".."),
        lambda name: len(name) > 255,
    ],
    ids=[
        "right to left",
        "override",
        "combining",
        "CJK",
        "emoji",
        "joined",
        "header",
        "lines",
        "hidden",
        "dot",
        "up",
        "long",
    ],
)
def test_among_two_thousand_reports_is_a_readable_name_of_each_kind_that_a_file_system_minds(
    mind: Callable[[str], bool],
) -> None:
    few = settings(max_examples=2_000, derandomize=True, database=None, phases=[Phase.generate])
    found = find(reports(), lambda report: mind(report.name) and readable(report.name), settings=few)
    assert mind(found.name)


def readable(name: str) -> bool:
    """Whether somebody may have typed it: some letters, of two scripts at most, and none that nobody knows."""
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in name if char.isalpha()}
    return len(name) > 3 and 1 <= len(scripts) <= 2 and "" not in scripts


def test_jobs_of_the_reports_that_a_server_has_mostly_come_home() -> None:
    met = behaviours().flatmap(lambda one: st.tuples(st.just(one), jobs(of=one["reports"])))
    ended: Counter[Reason] = Counter()
    for behaviour, job in drawn(met, 200):
        endpoint = MemoryEndpoint(switches=behaviour["switches"], reports=behaviour["reports"])
        ended[endpoint.download(job.element, segment=job.segment, format=job.format).reason] += 1
    assert ended[Reason.DELIVERED] > 0.5 * ended.total(), ended
    assert ended[Reason.NOT_FOUND], ended
    assert len(ended) > 2, ended


def test_without_a_report_that_may_be_had_jobs_ask_for_what_there_is() -> None:
    closed, empty = replace(DOCUMENTED, allowed=False), replace(DOCUMENTED, element=7, formats=())
    asked = {job.format for job in drawn(jobs(of=[closed, empty]), 100) if job.element == closed.element}
    assert asked == set(closed.formats)
    assert len({job.element for job in drawn(jobs(of=[empty]), 100)}) > 20


@given(behaviour=behaviours())
def test_a_server_has_one_report_in_one_place(behaviour: Behaviour) -> None:
    places = [(report.element, report.segment) for report in behaviour["reports"]]
    assert len(set(places)) == len(places)


def test_faults_are_of_every_kind_that_the_endpoint_knows() -> None:
    texts = [text for texts in drawn(fault_texts(), 300) for text in texts]
    assert {text.partition(".")[2].partition("=")[0] for text in texts} == KINDS.keys()


@given(texts=fault_texts())
def test_faults_are_spelled_as_the_endpoint_reads_them(texts: list[str]) -> None:
    for text in texts:
        assert parse_fault(text).times in (1, 2, 3)


@pytest.mark.rules("I3", "I5", "I8", "I12", "I13")
def test_any_client_against_any_server_through_any_weather_ends_and_both_tell_one_story() -> None:
    reached: Counter[object] = Counter()

    @settings(max_examples=100)
    @given(behaviour=behaviours(), schedule=fault_schedules(), policy=policies(), seed=st.integers(0, 2**32))
    def meet(behaviour: Behaviour, schedule: Mapping[str, tuple[Weather, ...]], policy: Policy, seed: int) -> None:
        endpoint = MemoryEndpoint(**behaviour, network=schedule)
        outcome = endpoint.download(1042, format="pdf", policy=policy, seed=seed)
        reached[outcome.reason] += 1
        assert endpoint.now <= policy.job_timeout + 1.0
        assert all(session.generations <= 1 for session in endpoint.sessions)
        consumed = sum(session.state is State.CONSUMED for session in endpoint.sessions)
        if outcome.reason is Reason.DELIVERED:
            assert endpoint.saw.count("get") >= 1
            assert consumed >= 1 or len(endpoint.sessions) < outcome.sessions  # or forgotten since
        assert endpoint.saw.count("run") <= outcome.sessions

    meet()
    assert {Reason.DELIVERED, Reason.GENERATION_FAILED} <= reached.keys(), reached
    assert len(reached) > 3, reached


class Hopeful:
    """A job whose embedding calls a `run` "not sent" whenever its answer is lost: it will be generated twice."""

    def __init__(self, download: Download) -> None:
        self.download = download

    def __getattr__(self, name: str) -> Any:
        return getattr(self.download, name)

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        run = next((one.number for one in self.download.outstanding if isinstance(one, Run)), None)
        if isinstance(event, Lost) and event.number == run:
            event = Lost(number=event.number, sent=Sent.NOT_SENT)
        return self.download.receive(event, now=now)


class Wrong(DownloadMachine):
    policies = (Policy(preflight=Preflight.OFF),)

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        return cast(Embedded, Hopeful(Download(job, policy=policy, seed=seed, now=now)))


@pytest.mark.rules("I3")
def test_an_embedding_that_sends_run_twice_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"a second `run` \(I3\)"):
        for seed in range(500):
            draw = Random(seed)
            journey = Journey(JOB, draw.choice, policy=Wrong.policies[0], seed=seed, embedding=Wrong())
            while not journey.over:
                journey.answer(well=draw.random() < 0.6, kinds=FORGIVEN)
                if not journey.over:
                    journey.ring()


class Stale:
    """A job that is read back from what was written before the last event."""

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        self.row = Download(job, policy=policy, seed=seed, now=now).snapshot(now=now)
        return Download(job, policy=policy, seed=seed, now=now)

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        return Download.restore(self.row, job=job, policy=policy, token=token, now=now, elapsed=elapsed)


def test_a_job_that_comes_back_another_is_named_by_what_differs() -> None:
    journey = Journey(JOB, lambda among: among[0], policy=Policy(), seed=0, embedding=Stale())
    journey.answer(well=True)
    with pytest.raises(AssertionError, match=r"read back, outstanding is not what was written \(I9\): .+, then "):
        journey.reload()


class Moved(Hopeful):
    """A job that goes to sleep over whatever it refuses."""

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        try:
            return self.download.receive(event, now=now)
        except LocalProtocolError:
            self.download.receive(Cancelled(number=self.download.outstanding[0].number), now=now)
            raise


def test_what_moved_over_a_caller_s_mistake_is_named() -> None:
    journey = Journey(JOB, lambda among: among[0], policy=Policy(), seed=0)
    journey.download = cast(Embedded, Moved(Download(JOB, now=0.0)))
    with pytest.raises(AssertionError, match=r"outstanding moved, although what came was refused \(D37\): .+, then "):
        journey.misuse()


@pytest.mark.parametrize("format", [*FORMATS, "pdf2"])
def test_a_server_in_order_offers_the_format_that_the_job_asks_for(format: str) -> None:
    asked = ListFormats(number=1, job=Job(element=7, format=format), deadline=30.0)
    said = [good(asked, itemgetter(at), 0) for at in range(4)]
    offered = [format in one.formats for one in said if isinstance(one, FormatsListed)]
    assert offered == [True, False, True, False]


class Narrow(DownloadMachine):
    job = Job(element=7, format="csv")
    policies = (Policy(job_timeout=100.0),)


def test_a_machine_of_ones_own_job_and_policies_passes() -> None:
    run_state_machine_as_test(Narrow, settings=settings(max_examples=20))


def test_a_machine_has_no_job_before_its_first_rule() -> None:
    with pytest.raises(AssertionError, match="no rule has run"):
        assert Narrow().journey.over
