"""Traces written as transcripts, a record a line, to be read by people.

    0 begin preflight=OFF       a job begins, with this policy      0 = INIT      the client's state (or INIT #2)
    0 > 1 Init 30               command 1, until 30                 1 x 3                superseded
    1 < 1 TokenIssued token=A   an event that answers command 1     4 ! CONSUMED DELIVERED READY
    2 save    9 restore         a snapshot, taken up at 9           4 publish whole      under its final name
    1 ask 1                     the request leaves                  1 raise KeyError     out of the core
    1 @ 7 init number=1         call 7 reaches the server           1 : 7 TOKEN token=A  and is answered
    1 @= A INIT                 the server's session                4 sent 7 whole       the file is out (or: cut)
    2 gen A    3 made A         generation begins, ends (or: failed)

A token, a format, an element that a command must carry is filled in where the line does not say another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.oracle.traces import (
    Answered,
    Asked,
    Began,
    Called,
    Ended,
    GenerationEnded,
    GenerationStarted,
    Issued,
    Moved,
    Published,
    Raised,
    Received,
    Record,
    Restored,
    Saved,
    SentFile,
    ServerMoved,
    Superseded,
    Trace,
)
from tests.oracle.vocabulary import WITH_TOKEN, Command, Event, Job, Outcome, Policy

__all__ = ["parse"]


def parse(text: str) -> Trace:
    """The trace that a transcript tells; `--` begins a comment."""
    script = _Script()
    for line in text.splitlines():
        words = line.split("--")[0].split()
        if words:
            at, sign, *rest = words
            script.records.append(_SIGNS[sign](script, float(at), *_split(rest)))
    return tuple(script.records)


def _value(word: str) -> Any:
    if word.lstrip("-").replace(".", "", 1).isdigit():
        return float(word) if "." in word else int(word)
    return {"True": True, "False": False}.get(word, word)


def _split(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    plain = [word for word in words if "=" not in word]
    named = dict(word.split("=", 1) for word in words if "=" in word)
    return plain, {name: _value(value) for name, value in named.items()}


class _Script:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.job = Job(element=1042, format="pdf")
        self.token: str | None = None
        self.session = 1
        self.out: dict[int, Command] = {}
        self.saved = Saved(at=0.0, outstanding=())

    def begin(self, at: float, _: list[str], named: dict[str, Any]) -> Record:
        return Began(at=at, job=self.job, policy=Policy(**named))

    def issue(self, at: float, plain: list[str], named: dict[str, Any]) -> Record:
        number, kind, deadline = int(plain[0]), plain[1], float(plain[2])
        command = Command(number=number, kind=kind, deadline=deadline)
        if kind not in {"Wait", "RenewCredentials", "Finish"}:
            command = replace(command, element=self.job.element, segment=self.job.segment)
        if kind in WITH_TOKEN:
            command = replace(command, token=self.token)
        if kind in {"Run", "Get"}:
            command = replace(command, format=self.job.format)
        command = replace(command, **named)
        self.out[number] = command
        return Issued(at=at, command=command, session=self.session)

    def supersede(self, at: float, plain: list[str], _: dict[str, Any]) -> Record:
        self.out.pop(int(plain[0]), None)
        return Superseded(at=at, number=int(plain[0]))

    def hear(self, at: float, plain: list[str], named: dict[str, Any]) -> Record:
        number, kind, *formats = plain
        self.out.pop(int(number), None)
        event = Event(number=int(number), kind=kind, formats=tuple(formats), **named)
        if event.kind == "TokenIssued":
            self.token = event.token
        return Received(at=at, event=event)

    def move(self, at: float, plain: list[str], _: dict[str, Any]) -> Record:
        if len(plain) > 1:
            self.session = int(plain[1].lstrip("#"))
        return Moved(at=at, state=plain[0], session=self.session)

    def save(self, at: float, _plain: list[str], _: dict[str, Any]) -> Record:
        self.saved = Saved(at=at, outstanding=tuple(self.out.values()))
        return self.saved

    def restore(self, at: float, _: list[str], named: dict[str, Any]) -> Record:
        shift = at - self.saved.at
        recovered = named.pop("recovered", False)
        back = tuple(replace(each, deadline=(each.deadline or 0.0) + shift) for each in self.saved.outstanding)
        self.out = {each.number: replace(each, **named) for each in back}
        back = tuple(self.out.values())
        if recovered:
            self.out = {each.number: each for each in back if each.kind == "Wait"}
        return Restored(at=at, elapsed=shift, outstanding=back, recovered=recovered)

    def end(self, at: float, plain: list[str], named: dict[str, Any]) -> Record:
        outcome = Outcome(state=plain[0], reason=plain[1], ended_in=plain[2], **{"sessions": self.session, **named})
        return Ended(at=at, outcome=outcome)

    def call(self, at: float, plain: list[str], named: dict[str, Any]) -> Record:
        carries: dict[str, Any] = {"token": self.token or ""} if plain[1] in {"run", "check", "get"} else {}
        if plain[1] in {"run", "get"}:
            carries["format"] = self.job.format
        home: dict[str, Any] = {"user": "user", "element": self.job.element, "segment": self.job.segment}
        return Called(at=at, call=int(plain[0]), state=plain[1], **{**home, **carries, **named})


_SIGNS: dict[str, Callable[[_Script, float, list[str], dict[str, Any]], Record]] = {
    "begin": _Script.begin,
    ">": _Script.issue,
    "x": _Script.supersede,
    "<": _Script.hear,
    "=": _Script.move,
    "save": _Script.save,
    "restore": _Script.restore,
    "!": _Script.end,
    "publish": lambda _, at, plain, named: Published(at=at, whole=plain[0] == "whole"),
    "ask": lambda _, at, plain, named: Asked(at=at, number=int(plain[0])),
    "raise": lambda _, at, plain, named: Raised(at=at, what=plain[0], documented=plain[0] == "LocalProtocolError"),
    "@": _Script.call,
    ":": lambda _, at, plain, named: Answered(at=at, call=int(plain[0]), says=plain[1], **named),
    "@=": lambda _, at, plain, named: ServerMoved(at=at, token=plain[0], state=plain[1]),
    "gen": lambda _, at, plain, named: GenerationStarted(at=at, token=plain[0]),
    "made": lambda _, at, plain, named: GenerationEnded(at=at, token=plain[0], file=True),
    "failed": lambda _, at, plain, named: GenerationEnded(at=at, token=plain[0], file=False),
    "sent": lambda _, at, plain, named: SentFile(at=at, call=int(plain[0]), whole=plain[1] == "whole"),
}
