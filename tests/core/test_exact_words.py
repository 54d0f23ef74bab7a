"""What misuse of the machines is told, to the letter: which number, which clock, which part of a snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    Download,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    LocalProtocolError,
    Lost,
    Run,
    RunFinished,
    Secret,
    Sent,
    TokenIssued,
)
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import Called, FileSent, Generated, Kind, Report
from reportdl_core.exchange import Exchange
from reportdl_core.inquiry import Inquiry
from reportdl_core.policy import Policy

JOB = Job(element=1042, format="pdf")
TOKEN = Secret("abc%3D")
SALES = Report(element=1, segment=0, name="Sales", kind=Kind.EXTERNAL_REPORT, formats=("pdf",), allowed=True)


def running() -> Playbook[Download]:
    play = Playbook(Download(JOB, now=0.0))
    play.at(1.0) >> FormatsListed(number=play[ListFormats], formats=("pdf",))
    play.at(2.0) >> TokenIssued(number=play[Init], token=TOKEN)
    return play


def told(misuse: Callable[[], object]) -> str:
    with pytest.raises(LocalProtocolError) as raised:
        misuse()
    return str(raised.value)


# ---- a job and a question


@pytest.mark.rules("D37")
def test_a_driver_that_is_wrong_is_told_how() -> None:
    play = running()
    download, run = play.driven, play[Run]
    finished = RunFinished(number=run)
    assert told(lambda: download.receive(finished, now=0.5)) == "the clock ran backwards by 1.5 s"
    assert told(lambda: download.receive(RunFinished(number=99), now=3.0)) == "no command has the number 99"
    assert told(lambda: download.receive(RunFinished(number=0), now=3.0)) == "no command has the number 0"
    wrong = TokenIssued(number=run, token=TOKEN)
    assert told(lambda: download.receive(wrong, now=3.0)) == "TokenIssued does not answer Run"


@pytest.mark.rules("D37")
def test_an_inquirer_that_is_wrong_is_told_how() -> None:
    inquiry = Inquiry(element=1, now=5.0)
    answer = FormatsListed(number=1, formats=("pdf",))
    nowhere = "the clock ran backwards, or no command has that number"
    assert told(lambda: inquiry.receive(answer, now=4.0)) == nowhere
    assert told(lambda: inquiry.receive(FormatsListed(number=2, formats=()), now=6.0)) == nowhere
    assert told(lambda: inquiry.receive(FormatsListed(number=0, formats=()), now=6.0)) == nowhere
    assert told(lambda: inquiry.receive(RunFinished(number=1), now=6.0)) == "RunFinished does not answer ListFormats"
    assert inquiry.alarm == (35.0, Lost(number=1, sent=Sent.UNKNOWN, message="no answer by its deadline"))
    inquiry.receive(answer, now=6.0)
    assert told(lambda: inquiry.alarm) == "the inquiry is over: nothing is outstanding"


def test_an_alarm_says_what_is_late() -> None:
    download = Download(JOB, now=0.0)
    assert download.alarm == (30.0, Lost(number=1, sent=Sent.UNKNOWN, message="no answer by its deadline"))
    download.receive(download.alarm[1], now=3600.0)
    assert download.outcome is not None
    assert told(lambda: download.alarm) == "the session is over: nothing is outstanding"


@pytest.mark.rules("D43")
def test_what_a_dead_process_asked_is_lost_in_these_words() -> None:
    play = running()
    play.driven.recover(now=9.0)
    said = play.driven.snapshot(now=9.0)["session"]["facts"]["run_evidence"]
    assert said == [["Run", "lost, unknown", "the process that asked is gone", 9.0]]


def test_get_needs_a_sink() -> None:
    get = Get(number=1, job=JOB, token=TOKEN, deadline=1.0)
    assert told(lambda: Exchange(get, policy=Policy())) == "Get needs a sink for the file"


# ---- snapshots: the part that is damaged is named (D43)

WHOLE = "is damaged, or of another job"


def broken(path: str, value: Any) -> dict[str, Any]:
    snapshot: Any = json.loads(json.dumps(running().driven.snapshot(now=2.0)))
    *way, last = path.split(".")
    holder = snapshot
    for key in way:
        holder = holder[int(key) if key.isdigit() else key]
    holder[int(last) if last.isdigit() else last] = value
    return dict(snapshot)


@pytest.mark.rules("D43", "I11")
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("restarts", ["twice"], "restarts are damaged"),
        ("restarts", None, "restarts is damaged"),
        ("session", None, "session is damaged"),
        ("evidence", 1, "evidence is 1"),
        ("evidence", [1], "evidence is 1"),
        ("evidence", [["a", "b", "c"]], "evidence is ['a', 'b', 'c']"),
        ("evidence", [["a", "b", "c", True]], "evidence is True"),
        ("session.version", 2, f"version {WHOLE}"),
        ("session.job", [1042, 0, "csv"], f"job {WHOLE}"),
        ("session.token", False, f"token {WHOLE}"),
        ("session.seed", "1", "seed is damaged"),
        ("session.seed", True, "seed is damaged"),
        ("session.state", "ASLEEP", "state is damaged"),
        ("session.state", "INIT", f"token {WHOLE}"),
        ("session.state", "ERROR", f"outcome {WHOLE}"),
        ("session.state", "READY", f"outstanding {WHOLE}"),
        ("session.outcome", 1, "outcome is damaged"),
        ("session.outcome", {"reason": "delivered", "ended_in": "READY", "kept": None}, f"outcome {WHOLE}"),
        ("session.outcome", {"reason": "why", "ended_in": "READY", "kept": None}, "reason is damaged"),
        ("session.outcome", {"reason": "delivered", "ended_in": "there", "kept": None}, "ended_in is damaged"),
        ("session.outcome", {"reason": "delivered", "ended_in": "READY", "kept": 1}, f"kept {WHOLE}"),
        ("session.outstanding", None, "outstanding is damaged"),
        ("session.outstanding", [], f"outstanding {WHOLE}"),
        ("session.outstanding.0", ["Run", 3, 1.0], "a command is damaged"),
        ("session.outstanding.0", ["Run", True, 1.0, "pdf"], "a command is damaged"),
        ("session.outstanding.0", ["Run", 3, False, "pdf"], "a command is damaged"),
        ("session.outstanding.0", ["Walk", 3, 1.0, "pdf"], "a command is damaged"),
        ("session.outstanding.0", ["Run", 3, 1.0, "p/d/f"], "a command's format is damaged"),
        ("session.outstanding.0.1", 0, f"outstanding {WHOLE}"),
        ("session.outstanding.0.1", 5, f"outstanding {WHOLE}"),  # the number of the next one
        ("session.outstanding.0.1", 99, f"outstanding {WHOLE}"),
        ("session.outstanding.0.0", "Wait", f"outstanding {WHOLE}"),
        ("session.outstanding.1.0", "Run", f"outstanding {WHOLE}"),
        ("session.outstanding.1.0", "Get", f"outstanding {WHOLE}"),
        ("session.facts", [], "facts is damaged"),
        ("session.facts.number", -1, "number is -1"),
        ("session.facts.number", 2**63, f"number is {2**63}"),
        ("session.facts.pauses", True, "pauses is True"),
        ("session.facts.ready", 1, "ready is 1"),
        ("session.facts.run", "walking", "run is 'walking'"),
        ("session.facts.step", None, "step is None"),
        ("session.facts.renewal", "x" * 80, "renewal is " + "'" + "x" * 59),
        ("session.facts.began", "now", "began is 'now'"),
        ("session.facts.end", None, "end is None"),
        ("session.facts.due", True, "due is True"),
        ("session.facts.token_from", None, f"token {WHOLE}"),
        ("session.facts.run_sent", None, f"outstanding {WHOLE}"),
        ("session.facts.formats", "pdf", "formats is 'pdf'"),
        ("session.facts.formats", ["pdf", 1], "formats are not texts"),
        ("session.facts.run_evidence", {}, "evidence is {}"),
    ],
)
def test_a_damaged_snapshot_says_where(path: str, value: Any, words: str) -> None:
    snapshot = broken(path, value)
    assert told(lambda: Download.restore(snapshot, job=JOB, token=TOKEN, now=0.0, elapsed=0.0)) == f"snapshot: {words}"


@pytest.mark.rules("D43")
@pytest.mark.parametrize("elapsed", [-1.0, float("inf"), float("nan")])
def test_time_away_is_a_number_of_seconds(elapsed: float) -> None:
    snapshot = running().driven.snapshot(now=2.0)
    words = f"elapsed must be a number of seconds of at least 0, not {elapsed!r}"
    assert told(lambda: Download.restore(snapshot, job=JOB, token=TOKEN, now=0.0, elapsed=elapsed)) == words


def test_a_snapshot_of_today_is_of_version_one() -> None:
    written = running().driven.snapshot(now=2.0)["session"]
    assert (written["version"], written["state"], written["job"]) == (1, "RUNNING", [1042, 0, "pdf"])
    assert [one[0] for one in written["outstanding"]] == ["Run", "Wait"]


# ---- the server's end


@pytest.mark.rules("D37", "D39")
def test_a_server_that_is_wrong_is_told_how() -> None:
    endpoint = Endpoint()

    def called(number: int, state: str, fresh: str, *, element: int = 1, token: str | None = None) -> Called:
        return Called(
            number=number,
            user="ann",
            element=element,
            segment=0,
            state=state,
            token=token,
            format="pdf",
            report=SALES,
            fresh_token=Secret(fresh),
        )

    endpoint.receive(called(1, "init", "t"), now=10.0)
    endpoint.receive(called(2, "run", "u", token="t"), now=10.0)
    for event, now, words in (
        (called(3, "init", "v"), 9.5, "the clock ran backwards by 0.5 s"),
        (called(3, "init", "v"), float("inf"), "not a time in seconds: inf"),
        (called(2, "check", "v"), 10.0, "call 2 is still being answered"),
        (called(3, "init", "v", element=2), 10.0, "the report is not the one that was called for (I2)"),
        (called(3, "init", "t"), 10.0, "fresh_token has been used before, or is empty (D39)"),
        (called(3, "init", ""), 10.0, "fresh_token has been used before, or is empty (D39)"),
        (Generated(session=2), 10.0, "nothing is being generated for session 2"),
        (FileSent(number=7), 10.0, "call 7 is not being sent a file"),
    ):
        assert told(lambda event=event, now=now: endpoint.receive(event, now=now)) == words  # type: ignore[misc]


@pytest.mark.rules("I2", "R14")
def test_run_check_and_get_carry_the_session_s_token() -> None:
    play = running()
    assert play.last(Run).token == TOKEN
    assert play.alarm().last(Check).token == TOKEN
    play.after(0.1) >> RunFinished(number=play[Run])
    assert play.last(Get).token == TOKEN
