"""Decides what is found by doing a thing twice, or breaking it off: run, get, and runs that must be refused.

Each step says beforehand how many generations it may cost. Must never break off anything that is not its own.
"""

from __future__ import annotations

from typing import Final

from reportdl.conform.evidence import Answer
from reportdl.conform.lab import Lab
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.secret import Secret
from reportdl_core.wire import query_token

__all__ = ["broken_get", "dropped_run", "failing", "run_refusals", "second_run"]

_MOMENT: Final = 0.3  # seconds after which a request has reached any server
_OFFSET: Final = 0.5  # seconds between two runs: one that joins ends with the first, one that generates again later
_PATIENCE: Final = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # seconds until a `get` is broken off, one after the other
_BREATH: Final = 0.01  # seconds between two looks at whether an answer has begun
_SMALL: Final = 1_000_000  # bytes that the system may have taken from a server before anybody reads them


def second_run(lab: Lab) -> None:
    """`run` again while it goes on, and once it is done; `run` and `get` with another format (D8, D9)."""
    found, token = lab.found, lab.token()
    first = lab.start(token)
    lab.sleep(_OFFSET)
    together = not first.over()
    second = lab.start(token).answer(lab.patience)
    one = first.answer(lab.patience)
    last = lab.settled(token)
    if together:
        found.reading("D8", _beside(one, second), one, second)
    else:
        found.reading("D8", f"a moment after the first: {second.words}", one, second)
    if last.status is not Status.READY:
        found.unclear("D9", f"no file: {last.words}", last)
        return
    again = lab.start(token).answer(lab.patience)
    found.reading("D8", f"once ready: {_again(one, again)}", one, again)
    other = next((key for key in lab.formats if key.lower() != lab.format.lower()), None)
    if other is None:
        found.unclear("D9", "the report offers one format only")
        return
    _another_format(lab, token, other)


def _another_format(lab: Lab, token: Secret, other: str) -> None:
    """First `get`, while the session holds the one format alone: a `run` may replace it."""
    found = lab.found
    if (ready := lab.settled(token)).status is not Status.READY:
        found.unclear("D9", f"no file after a second run: {ready.words}", ready)
        return
    get = lab.ask("get", token, format=other)
    found.reading("D9", f"refused: {get.words}" if get.refused else get.words, get)
    if lab.ask("check", token).status is not Status.READY:  # that `get` took the file
        token = lab.ran().token
    odd = lab.start(token, format=other).answer(lab.patience)
    found.reading("D8", f"with another format: {odd.words}", odd)


def _again(one: Answer, again: Answer) -> str:
    if again.status is not Status.OK or one.seconds < _OFFSET:
        return again.words
    return "it generates again" if again.seconds > one.seconds / 2 else "OK at once"


def _beside(one: Answer, second: Answer) -> str:
    if second.refused:
        return f"while one goes on: refused, {second.words}"
    if second.status is not Status.OK:
        return f"while one goes on: {second.words}"
    joined = second.ended - one.ended < _OFFSET / 2
    return "while one goes on: it joins" if joined else "while one goes on: it generates again"


def dropped_run(lab: Lab) -> None:
    """`run` dropped a moment after it was sent: whether generation goes on (D7)."""
    found, token = lab.found, lab.token()
    run = lab.start(token)
    lab.sleep(_MOMENT)
    if run.over():
        answer = run.answer(lab.patience)
        found.unclear("D7", f"run was answered within {_MOMENT} s: {answer.words}", answer)
        return
    run.drop()
    dropped = run.answer(lab.patience)
    last = lab.settled(token)
    if last.status is Status.READY:
        found.reading("D7", "a dropped run goes on", dropped, last)
        found.rule("R20", True, "check is answered without run's connection", last)
    elif last.refused:
        found.reading("D7", f"a dropped run is aborted: {last.words}", dropped, last)
    else:
        found.unclear("D7", f"{last.words} after {lab.patience:.0f} s", last)


def broken_get(lab: Lab) -> None:
    """A `get` that breaks off before its body was read: whether the file may be had again (D21); two at once (D42)."""
    found, ran = lab.found, lab.ran()
    if not ran.ready:
        found.unclear("D21", f"no file: {ran.last.words}", ran.last)
        return
    broken = _broken(lab, ran.token)
    if broken is None:
        found.unclear("D21", "no get could be broken off: each was over too soon")
        return
    lab.sleep(_MOMENT)
    check = lab.ask("check", ran.token)
    again = _two_at_once(lab, ran.token)
    if again.is_file and not again.lost:
        found.reading("D21", "a broken get may be repeated", broken, check, again)
        return
    length = None if broken.head is None else broken.head.length
    if length is not None and length < _SMALL:
        found.unclear("D21", f"all {length:,} bytes may have been sent: take a larger report", broken, check, again)
        return
    found.reading("D21", "a broken get spends the file", broken, check, again)


def _two_at_once(lab: Lab, token: Secret) -> Answer:
    """The file, asked for on two connections: the first is not read on before the second has its answer (D42, R27)."""
    found, first = lab.found, lab.get(token, unread=True)
    until = lab.probe.now() + lab.patience
    while not (first.begun or first.over()) and lab.probe.now() < until:
        lab.sleep(_BREATH)
    beside = None if first.over() else lab.get(token).answer(lab.patience)
    first.let_go()
    file = first.answer(lab.patience)
    # A small file was out of the server's hands before the second question came.
    if beside is None or not file.is_file or file.size < _SMALL or not beside.told:
        return file
    found.reading("D42", f"get beside a get that goes on: {beside.words}", file, beside)
    if beside.is_file and not (beside.lost or file.lost):
        found.rule("R27", False, "two gets at once brought the file twice", file, beside)
    return file


def _broken(lab: Lab, token: Secret) -> Answer | None:
    # Broken off before the answer, so that no system has taken the file from the server yet. One that is proven not
    # sent is no attempt; each further one leaves more time for it to get there.
    for pause in _PATIENCE:
        pending = lab.get(token, only_head=True)
        lab.sleep(pause)
        pending.drop()
        answer = pending.answer(lab.patience)
        if pending.left:
            return answer
    return None


def run_refusals(lab: Lab) -> None:
    """`run` with a format that is not offered, without one, and in the other case (R10, D10, D11)."""
    found = lab.found
    unlisted = lab.start(lab.token(), format="nosuchformat").answer(lab.patience)
    found.rule("R10", unlisted.says(400, Refusal.INVALID_FORMAT), unlisted.words, unlisted)
    token = lab.token()
    without = lab.probe.ask(lab.path("run"), query=(("token", query_token(token)),), patience=lab.patience)
    found.reading("D10", f"run without a format is {without.words}", without)
    other = lab.format.swapcase()
    if other == lab.format:
        return
    swapped = lab.start(lab.token(), format=other).answer(lab.patience)
    found.reading("D11", "any case is taken" if swapped.status is Status.OK else "the other case is refused", swapped)


def failing(lab: Lab) -> None:
    """A report whose generation fails (R22, R30, D5, D6)."""
    element = lab.elements.failing
    assert element is not None
    offered = lab.on(element, "formats").envelope
    key = (offered.formats or (lab.format,))[0] if offered is not None else lab.format
    found, ran = lab.found, lab.ran(element=element, format=key)
    run, check = ran.answer, ran.last
    if check.status is Status.READY or run.status is Status.OK:
        found.unclear("R22", f"element {element} did not fail", run, check)
        return
    documented = run.says(400, Refusal.DOWNLOAD_FAILED)
    found.rule("R30", documented or run.status is Status.ERROR, f"run is {run.words}", run)
    found.reading("D6", f"a failed run is {_form(run)}", run)
    get = lab.on(element, "get", ran.token, format=key)
    for name, answer in (("check", check), ("get", get)):
        found.rule("R22", _says_error(answer), f"{name} is {answer.words}", answer)
        found.reading("D5", f"{name} of a failed run is {_form(answer)}", answer)
    found.rule("R26", _says_error(get), f"get after a failed run is {get.words}", get)
    found.rule("R21", check.status is Status.ERROR or check.refused, f"of a failed run: {check.words}", check)


def _says_error(answer: Answer) -> bool:
    """The document gives the status without a code, and a 400 with a message: either, or both (D5)."""
    envelope = answer.envelope
    stated = envelope is not None and envelope.status is Status.ERROR and answer.code in (200, 400)
    return stated or answer.says(400, Refusal.DOWNLOAD_FAILED)


def _form(answer: Answer) -> str:
    return "200 with status ERROR" if answer.status is Status.ERROR else answer.words
