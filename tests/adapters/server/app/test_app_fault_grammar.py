"""How faults are written, and when they strike."""

from __future__ import annotations

import pytest

from reportdl.server import faults
from reportdl.server.fault_grammar import KINDS, InvalidFault, fault_book, parse_fault
from reportdl.server.faults import Answered, Fault, FaultBook


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("run.drop_after=0.2", Fault(state="run", effect=faults.DropAfter(seconds=0.2))),
        ("check.status=503:1", Fault(state="check", effect=faults.Status(code=503), times=1)),
        ("check.html=1", Fault(state="check", effect=faults.Html(), times=1)),
        ("get.envelope=2", Fault(state="get", effect=faults.Envelope(), times=2)),
        ("run.gateway_timeout=1.0", Fault(state="run", effect=faults.GatewayTimeout(seconds=1.0))),
        ("get.cut_at=1000", Fault(state="get", effect=faults.CutAt(size=1000))),
        ("*.retry_after=429:2", Fault(state="*", effect=faults.RetryAfter(code=429, seconds=1), times=2)),
        ("*.retry_after=503,7:2", Fault(state="*", effect=faults.RetryAfter(code=503, seconds=7), times=2)),
        ("init.drop_before@0.25", Fault(state="init", effect=faults.DropBefore(), probability=0.25)),
        ("init.drop_before=3@0.25", Fault(state="init", effect=faults.DropBefore(), times=3, probability=0.25)),
        ("get.filename=..%2Fa%3Ab%2C%40:1", Fault(state="get", effect=faults.Filename(name="../a:b,@"), times=1)),
        ("get.content_type=text/html", Fault(state="get", effect=faults.ContentType(value="text/html"))),
        ("get_token.session_expired=1", Fault(state="get_token", effect=faults.CredentialsExpired(), times=1)),
    ],
)
def test_a_fault_is_written_in_one_way(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run",
        "run.",
        ".html",
        "run.nothing=1",
        "walk.html=1",
        "run.html=0",
        "run.html=-1",
        "run.html=x",
        "run.html=",
        "run.html=1:2",
        "run.drop_after",
        "run.drop_after=",
        "run.drop_after=nan",
        "run.drop_after=-1",
        "run.drop_after=1,2",
        "run.drop_after=1:",
        "run.drop_after=1:0",
        "run.drop_after=1@0",
        "run.drop_after=1@2",
        "run.drop_after=1@nan",
        "check.status=99",
        "check.status=600",
        "check.status=²",
        "check.retry_after=200",
        "check.retry_after=429,1,1",
        "get.cut_at=1.5",
        "get.filename=a%0D%0ASet-Cookie%3A x",
        "get.filename=%00",
    ],
)
def test_what_is_no_fault_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidFault, match=r".+: .+"):
        parse_fault(text)


def test_every_kind_can_be_written() -> None:
    examples = {"CODE": "302", "CODE[,SECONDS]": "429", "SECONDS": "1", "TYPE": "a/b", "NAME": "n", "BYTES": "1"}
    for word, kind in KINDS.items():
        value = f"={examples[kind.shape]}" if kind.shape else ""
        state = "run" if word in ("gateway_timeout", "expire_after") else "get"
        assert parse_fault(f"{state}.{word}{value}").state == state


def test_a_fault_strikes_as_often_as_it_says_and_only_in_its_state() -> None:
    book = fault_book(["check.status=503:2"])
    assert book.before("run") == ((), None)
    assert [book.before("check")[1] for _ in range(3)] == [faults.Status(code=503), faults.Status(code=503), None]


def test_a_star_is_the_five_states_and_not_the_neighbours() -> None:
    book = fault_book(["*.html"])
    assert all(book.before(state)[1] == faults.Html() for state in ("formats", "init", "run", "check", "get"))
    assert book.before("get_token") == ((), None)
    assert book.before("element") == ((), None)


def test_an_answer_given_instead_leaves_later_faults_unused() -> None:
    book = fault_book(["run.delay=1:1", "run.html=1", "run.delay=2:1"])
    assert book.before("run") == ((faults.Delay(seconds=1),), faults.Html())
    assert book.before("run") == ((faults.Delay(seconds=2),), None)


def test_a_fault_of_files_waits_for_a_file() -> None:
    book = fault_book(["get.cut_at=10:1", "get.text_plain=1", "formats.content_type=a/b:1"])
    assert book.after("get", Answered.ENVELOPE) == (faults.TextPlain(),)
    assert book.after("get", Answered.FILE) == (faults.CutAt(size=10),)
    assert book.after("get", Answered.FILE) == ()
    assert book.after("formats", Answered.ENVELOPE) == (faults.ContentType(value="a/b"),)


def test_chance_is_seeded() -> None:
    drawn = [
        [FaultBook([parse_fault("run.html@0.5")], seed=seed).before("run")[1] is None for seed in range(40)]
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert {True, False} == set(drawn[0])


def test_all_faults_can_be_taken_back() -> None:
    book = fault_book(["run.html"])
    book.clear()
    assert book.before("run") == ((), None)


@pytest.mark.parametrize("wrong", [{"state": "walk"}, {"times": 0}, {"probability": 0.0}, {"probability": 1.5}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    given = {"state": "run", "effect": faults.Html(), **wrong}
    with pytest.raises(ValueError, match=r"state|times|probability"):
        Fault(**given)  # type: ignore[arg-type]
