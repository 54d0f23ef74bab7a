"""The engines themselves: they arrive, they repeat, they bite, and what they copy is what it was."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any
from unittest.mock import patch

import pytest

from reportdl_core import Download, Refusal, Run
from reportdl_core.lifecycle import State
from tests.oracle.table import meaning
from tests.oracle.vocabulary import DOWNLOADS, Event
from tests.proof import campaign
from tests.proof.alone import STANDS_FOR, SessionAlone
from tests.proof.campaign import failure, simulated_chunk
from tests.proof.copying import copy_download, copy_endpoint
from tests.proof.endpoint_alone import EndpointAlone
from tests.proof.exploring import Failure, explore
from tests.proof.fixpoints import MODELS
from tests.proof.keys import download_key
from tests.proof.product import JOB, Fault, World
from tests.proof.recording import Transcript
from tests.proof.simulator import Simulation
from tests.proof.small_clock import EARLY, POLICY, SHORT_LIFE, SWITCHES, small_clock


class Walk:
    """A model of one number, to explore: it may be doubled or ended, and never be more than ten."""

    def __init__(self, number: int = 1, *, circle: bool = False, stuck: bool = False) -> None:
        self.number, self.circle, self.stuck = number, circle, stuck

    def copied(self) -> Walk:
        return Walk(self.number, circle=self.circle, stuck=self.stuck)

    def key(self) -> Hashable:
        return self.number

    def over(self) -> bool:
        return self.number == 0

    def told(self) -> Iterable[str]:
        return [f"now {self.number}"]

    def moves(self) -> list[Any]:
        if self.number == 0 or (self.stuck and self.number == 4):
            return []
        return ["double", "end", *(["back"] if self.circle and self.number > 1 else [])]

    def make(self, label: Any) -> None:
        self.number = {"double": self.number * 2, "end": 0, "back": self.number // 2}[label]
        assert self.number <= 10 or self.circle or self.stuck or label != "double" or self.number < 100, "too many"


def test_everything_that_can_be_reached_is_visited_once() -> None:
    class Bounded(Walk):
        def moves(self) -> list[Any]:
            return [] if self.number == 0 else ["end"] if self.number >= 8 else ["double", "end"]

        def copied(self) -> Bounded:
            return Bounded(self.number)

    found = explore(Bounded())
    assert (found.states, found.edges, found.ends, found.longest) == (5, 7, 1, 4)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Walk(), "too many"),
        (Walk(stuck=True), "it is not over"),
    ],
)
def test_what_is_wrong_is_found_with_the_way_there(model: Walk, reason: str) -> None:
    with pytest.raises(Failure, match=reason) as failed:
        explore(model, most=50)
    assert failed.value.path[0] == "double"
    assert failed.value.story[0] == "now 1"


def test_a_path_that_never_ends_is_found() -> None:
    class Circle(Walk):
        def moves(self) -> list[Any]:
            return ["double"] if self.number == 1 else ["back", "end"] if self.number == 2 else []

        def copied(self) -> Circle:
            return Circle(self.number)

    with pytest.raises(Failure, match="never ends"):
        explore(Circle())


def test_a_key_that_forgets_what_matters_is_found() -> None:
    class Forgetful(Walk):
        def moves(self) -> list[Any]:
            return list({1: (2, 3), 2: (0,), 3: (5,), 5: (0,), 0: ()}[self.number])

        def make(self, label: Any) -> None:
            self.number = label

        def copied(self) -> Forgetful:
            return Forgetful(self.number)

        def key(self) -> Hashable:
            return 2 if self.number == 3 else self.number

    with pytest.raises(Failure, match="forgets something"):
        explore(Forgetful(), every=1)


@pytest.mark.rules("I9")
def test_a_copy_is_the_same_and_goes_its_own_way() -> None:
    world = World(POLICY, SWITCHES, faults=0)
    for label in (("arrives", 1), ("comes", 1), ("arrives", 2)):
        world.make(label)
    before = world.download.snapshot(now=0.0), world.endpoint.sessions
    copied, served = copy_download(world.download), copy_endpoint(world.endpoint)
    assert (copied.snapshot(now=0.0), served.sessions) == before
    assert copied.outstanding == world.download.outstanding
    world.make(("generated", 1))
    world.make(("comes", 2))
    assert world.download.state is State.READY
    assert (copied.snapshot(now=0.0), served.sessions) == before
    assert served.alarm is not None


@pytest.mark.rules("I12", "I8")
def test_without_a_fault_every_path_delivers_or_fails_for_a_reason() -> None:
    with small_clock():
        found = explore(MODELS["client x endpoint, no fault"]())
    assert found.states > 140
    assert found.ends > 10


def second_run() -> Any:
    """A client that answers a lost `run` with another."""
    from reportdl_core.answers import MEANINGS, Answer, Meaning

    return patch.dict(MEANINGS, {(Answer.UNAVAILABLE, Run): Meaning.REPEAT})


def late_expiry() -> Any:
    """A clock that takes `>` for `>=`, ten times over."""
    return patch("reportdl_core.deadlines.expires_at", lambda facts: None)


def late_answers() -> Any:
    """A session that takes an answer to whatever is outstanding."""
    from reportdl_core.session import Session

    kind = Session._answered

    def honoured(self: Session, event: Any) -> Any:
        command = kind(self, event)
        if command is None and self._other is not None and type(event).__name__ == "StatusReported":
            command, self._other = self._other, None
        return command

    return patch.object(Session, "_answered", honoured)


BROKEN = {"second run": second_run, "no expiry": late_expiry, "late answers honoured": late_answers}


@pytest.mark.rules("I3", "I6", "I7")
@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_the_explorer_bites(broken: str) -> None:
    with small_clock(), BROKEN[broken](), pytest.raises(Failure) as failed:
        explore(MODELS["client x endpoint, one fault, the other readings"]())
    assert failed.value.story, "and tells how"


@pytest.mark.rules("I3", "I7")
@pytest.mark.parametrize("broken", ["second run", "late answers honoured"])
def test_the_explorer_bites_a_client_alone(broken: str) -> None:
    with small_clock(life=SHORT_LIFE), BROKEN[broken](), pytest.raises(Failure) as failed:
        explore(MODELS["session alone"]())
    assert failed.value.story, "and tells how"


@pytest.mark.rules("I3", "I6", "I7")
@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_the_simulator_bites(broken: str) -> None:
    with BROKEN[broken]():
        assert any(failure(seed, oracle=True)[1] for seed in range(60))


def anybody() -> Any:
    """A server to which a token is enough, whoever has it."""
    from reportdl_core.endpoint_register import Register

    kind = Register.find

    def find(self: Register, token: str | None, **asked: Any) -> Any:
        return kind(self, token, **{**asked, "user": "ann"})

    return patch.object(Register, "find", find)


@pytest.mark.rules("I2", "R14")
@pytest.mark.parametrize("both", [True, False], ids=["client x endpoint", "endpoint alone"])
def test_a_token_in_somebody_else_s_hands_is_seen(both: bool) -> None:
    model = MODELS["client x endpoint, no fault"]() if both else EndpointAlone(SWITCHES)
    with small_clock(), anybody(), pytest.raises(Failure, match=r"bob.*I2" if both else "INVALID_TOKEN"):
        explore(model, ending=both)


_LISTED, _ISSUED, _SECOND, _ALARM = (1, "listed", "pdf"), (2, "issued"), ("second",), ("alarm",)
ASKED = {
    "ListFormats": (),
    "Init": (_LISTED,),
    "Run": (_LISTED, _ISSUED),
    "Check": (_LISTED, _ISSUED, _SECOND, _ALARM),
    "Get": (_LISTED, _ISSUED, (3, "finished")),
    "RenewCredentials": ((1, "refused", "CREDENTIALS", None),),
}
"""How a session alone comes to have each command outstanding."""


def kinds(alone: Any) -> list[str]:
    return [type(command).__name__ for command in alone.core.outstanding]


@pytest.mark.rules("D37", "D19")
def test_a_wait_is_given_up_where_that_is_no_mere_change_of_numbers() -> None:
    with small_clock(life=SHORT_LIFE):
        alone: Any = MODELS["session alone"]()
        for label in (*ASKED["Check"], (5, "status", "READY"), (6, "status", "IN_PROGRESS")):
            alone.make(label)
        assert kinds(alone) == ["Run", "Wait"]
        assert (7, "cancelled") not in alone.moves(), "another Wait until the same second"
        alone.make((3, "refused", "BUSY", 2.0))
        assert (7, "cancelled") in alone.moves(), "what was told meanwhile holds back"


@pytest.mark.rules("D35", "I8")
def test_who_is_told_late_is_told_everything_late() -> None:
    with small_clock(life=SHORT_LIFE):
        on_time, late = (MODELS[f"session alone, documented expiry{told}"]() for told in ("", ", told late"))
        for model in (on_time, late):
            model.make((1, "issued"))
            model.make(("second",))
        assert ("second",) not in on_time.moves()
        assert {("second",), ("alarm",), (2, "finished")} <= set(late.moves())


@pytest.mark.rules("D15", "D26")
@pytest.mark.parametrize("kind", ASKED)
def test_one_refusal_stands_for_those_that_mean_the_same(kind: str) -> None:
    def told(refusal: Refusal) -> tuple[Any, ...]:
        session = MODELS["session alone"]()
        assert isinstance(session, SessionAlone)
        for label in ASKED[kind]:
            session.make(label)
        (number,) = (one.number for one in session.core.outstanding if type(one).__name__ == kind)
        session.make((number, "refused", refusal.name, None))
        return session.core.state, [(type(one), one.deadline) for one in session.core.outstanding]

    with small_clock(life=SHORT_LIFE):
        for chosen, others in STANDS_FOR.items():
            for other in others:
                assert told(chosen) == told(other)
                if kind in DOWNLOADS:
                    rows = {meaning(kind, Event(number=1, kind="Refused", refusal=one.name)) for one in (chosen, other)}
                    assert len(rows) == 1


@pytest.mark.rules("I9")
def test_a_seed_is_a_run_and_an_onlooker_changes_nothing() -> None:
    for seed in range(30):
        once, again = Simulation(seed).run(), Simulation(seed, onlooker=Transcript()).run()
        assert once.digest == again.digest
    assert len({Simulation(seed).run().digest for seed in range(30)}) == 30


@pytest.mark.rules("I9")
@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"a": ("3.11.7", "0f"), "b": ("3.12.1", "0f"), "c": ("3.13.0", "0f")}, 0),
        ({"a": ("3.11.7", "0f"), "b": ("3.12.1", "0f"), "c": ("3.13.0", "10")}, 1),
        ({"a": ("3.11.7", "0f"), "b": ("3.12.1", "0f")}, 1),
        ({"a": ("3.11.7", "0f"), "b": ("3.11.7", "0f"), "c": ("3.13.0", "0f")}, 1),
    ],
    ids=["alike", "one differs", "one is not there", "one twice"],
)
def test_three_pythons_must_come_to_one_digest(
    told: dict[str, tuple[str, str]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, *others = told
    monkeypatch.delenv("REPORTDL_RECORD", raising=False)
    monkeypatch.setattr("sys.executable", own)
    monkeypatch.setattr(campaign, "_said", lambda command: told[command[0]]["traced" in command])
    assert campaign.versions(others, seeds="0:1") == code


@pytest.mark.rules("I3", "D43")
def test_a_process_that_takes_a_job_up_is_held_to_what_recover_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert simulated_chunk(range(60), 1_000_000).failed is None
    monkeypatch.setattr(Download, "recover", lambda self, *, now: self.outstanding)
    failed = simulated_chunk(range(60), 1_000_000).failed
    assert failed is not None
    assert "`recover`" in failed[1]


@pytest.mark.rules("I8", "I13")
def test_a_job_that_goes_on_and_on_is_a_seed_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.proof.simulator._LONGEST", 8)
    failed = simulated_chunk(range(60), 1_000_000).failed
    assert failed is not None
    assert "goes on and on" in failed[1]


def test_a_transcript_tells_both_ends() -> None:
    transcript = Transcript()
    Simulation(3, onlooker=transcript).run()
    signs = {line[13:15] for line in transcript.lines[2:]}
    assert {"<<", ">>", ".."} <= signs
    assert "token='***'" in "\n".join(transcript.lines)


@pytest.mark.rules("I1", "I3", "I5", "I7", "I8", "I12")
def test_some_sessions_of_every_kind() -> None:
    chunk = simulated_chunk(range(150), every=10)
    assert chunk.failed is None, chunk.failed
    assert chunk.met["death"] > 10


@pytest.mark.rules("D43")
def test_a_world_has_the_faults_that_it_is_allowed() -> None:
    calm = World(POLICY, SWITCHES, faults=3, allowed=frozenset({Fault.DEATHS}))
    assert [label for label in calm.moves() if label[0] in ("lost", "late", "refused")] == []
    assert ("dies", 0.0) in calm.moves()


def test_the_key_of_a_job_does_not_know_its_clock() -> None:
    keys = {
        download_key(Download(JOB, policy=POLICY, now=now), now, name=lambda token: 0, early=EARLY)
        for now in (0.0, 7.0, 1e6)
    }
    assert len(keys) == 1
