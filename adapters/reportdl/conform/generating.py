"""Decides what one whole download shows: run and check side by side, the file, and the token once it is spent.

One generation. Must never ask for the file twice before it has come once.
"""

from __future__ import annotations

from typing import Final

from reportdl.conform.evidence import Answer
from reportdl.conform.lab import Lab
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.formats import FORMATS
from reportdl_core.http_head import Framing
from reportdl_core.secret import Secret

__all__ = ["generation", "media"]

_EARLY: Final = 0.05  # seconds after which `run` should have reached the server
_UNFRAMED: Final = "nothing but the connection's end"
_CHECKED: Final = (Status.IN_PROGRESS, Status.READY, Status.ERROR)
_RESERVED: Final = frozenset('\\/:*?"<>|')


def generation(lab: Lab) -> None:
    """Run, check, get, and get again. Raises NoToken."""
    found, token = lab.found, lab.token()
    run = lab.start(token)
    lab.sleep(_EARLY)
    if not run.over():
        during = lab.ask("check", token)
        early = lab.ask("get", token, format=lab.format) if not run.over() else None
        if not run.over():  # both were answered while the other connection still waited
            _during(lab, during, early)
    answer = run.answer(lab.patience)
    at_once = lab.ask("check", token)
    # What was refused will not come; what was lost, or said OK before its time, may.
    waits = at_once.status is Status.IN_PROGRESS and (answer.status is Status.OK or not answer.told)
    last = lab.settled(token) if waits else at_once
    _run(lab, answer, at_once, last)
    if last.status is not Status.READY:
        found.unclear("R24", f"no file: {last.words}", last)
        if last.code == 200:
            found.rule("R21", last.status in _CHECKED, f"after run: {last.words}", last)
        return
    found.rule("R21", True, "READY", last)
    file = lab.get(token).answer(lab.patience)
    media(lab, file)
    if file.is_file:
        _spent(lab, token)


def _during(lab: Lab, check: Answer, get: Answer | None) -> None:
    found = lab.found
    answered = check.status is not None
    found.rule("R20", answered, f"while run went on: {check.words}", check)
    found.rule("R21", check.status in _CHECKED, check.words, check)
    envelope = check.envelope
    if envelope is not None and envelope.status is Status.IN_PROGRESS:
        exact = check.spelled == Status.IN_PROGRESS.value
        found.reading("D17", "as documented" if exact else f"as {check.spelled!r:.40}", check)
    if get is not None:
        found.rule("R26", get.status is Status.IN_PROGRESS, f"get while run goes on is {get.words}", get)


def _run(lab: Lab, answer: Answer, at_once: Answer, last: Answer) -> None:
    found = lab.found
    if answer.head is None or (answer.code or 0) >= 500:
        # A proxy, or a server that gives up waiting: `check` says what became of it.
        found.unclear("R18", f"{answer.words} after {answer.seconds:.1f} s", answer)
        found.reading("D6", f"run is {answer.words} after {answer.seconds:.1f} s", answer, last)
        return
    found.rule("R18", answer.status is Status.OK, f"{answer.words} after {answer.seconds:.1f} s", answer)
    if answer.status is not Status.OK:
        found.reading("D28", f"this one ended after {answer.seconds:.1f} s: {answer.words}", answer)
        return
    early = at_once.status is Status.IN_PROGRESS
    found.reading("D6", "run says OK at once" if early else "run says OK when ready", answer, at_once)
    found.reading("D42", "the file may come later than OK" if early else "the file is there after OK", at_once)
    found.unclear("R19", f"this one took {answer.seconds:.1f} s", answer)


def media(lab: Lab, file: Answer) -> None:
    """What the answer to `get` shows, once the file is ready."""
    found, head = lab.found, file.head
    disposition = file.disposition
    attached = disposition is not None and disposition.type == "attachment"
    label = "no content type" if head is None else head.media_type or "no content type"
    found.rule("R24", file.is_file and attached, file.words if not file.is_file else f"{label}, {_how(file)}", file)
    if head is None or not file.is_file:
        found.reading("D4", file.words, file)
        return
    found.reading("D4", "attachment" if attached else f"a file by its type alone, {label}", file)
    row = FORMATS.get(lab.format.lower())
    if row is not None:
        known = "accepted" if label in row.media_types else "not one of this format"
        found.reading("D25", f"{label}, {'registered' if label == row.media_types[0] else known}", file)
        _name(lab, file, row.extension)
    found.reading("D22", {Framing.LENGTH: "a length", Framing.CHUNKED: "chunks"}.get(head.framing, _UNFRAMED), file)
    found.reading("D34", f"coded as {head.coding}" if head.coding else "not coded", file)
    found.reading("D40", _security(file), file)


def _how(file: Answer) -> str:
    disposition = file.disposition
    return "no Content-Disposition" if disposition is None else disposition.type


def _security(file: Answer) -> str:
    head = file.head
    assert head is not None
    there = [name for name in ("x-content-type-options", "referrer-policy", "cache-control") if head.first(name)]
    return ", ".join(there) or "none"


def _name(lab: Lab, file: Answer, extension: str) -> None:
    disposition, found = file.disposition, lab.found
    name = None if disposition is None else disposition.filename
    if name is None:
        found.rule("R25", False, "no file name", file)
        found.reading("D24", "no file name", file)
        return
    kept = name.lower().endswith(f".{extension}") and not _RESERVED & set(name) and len(name) > len(extension) + 1
    found.rule("R25", kept, file.mask.hide(name)[:80], file)
    raw = "" if file.head is None else file.head.first("content-disposition").lower()
    found.reading("D24", "filename and filename*" if "filename*" in raw else "filename alone", file)
    if kept:
        found.rule("R7", True, f"{lab.format} is .{extension}", file)


def _spent(lab: Lab, token: Secret) -> None:
    found = lab.found
    check, again = lab.ask("check", token), lab.get(token).answer(lab.patience)
    found.rule("R27", not again.is_file, f"a second get is {again.words}", again)
    found.rule("R28", check.refused, f"check is {check.words}", check)
    found.rule("R28", again.refused, f"get is {again.words}", again)
    documented = all(answer.says(400, Refusal.DOWNLOAD_FAILED) for answer in (check, again))
    words = "400 Download failed" if documented else f"check is {check.words}, get is {again.words}"
    found.reading("D20", words, check, again)
    init = lab.ask("init")
    envelope = init.envelope
    new = "" if envelope is None or not isinstance(envelope.token, str) else envelope.token
    lab.probe.mask.add(new)
    found.rule("R29", bool(new) and new != token.reveal(), "a new token" if new else init.words, init)
