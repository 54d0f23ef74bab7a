"""Decides what is found without a single generation: formats, tokens, refusals, and what comes before `run`.

Nothing here sends a `run`, so that no server, however careless, generates anything for it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from reportdl.conform.evidence import Answer
from reportdl.conform.lab import Lab
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.formats import FORMATS
from reportdl_core.secret import Secret
from reportdl_core.wire import query_token

__all__ = ["free"]

_NOWHERE: Final = 999_999_999
_MALFORMED: Final = "%00%20"
_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")


def free(lab: Lab) -> None:
    """All that costs nothing. Raises NoToken where `init` gives none."""
    _formats(lab)
    _refusals(lab)
    _order(lab)
    _other_elements(lab)
    _token(lab)


def _formats(lab: Lab) -> None:
    found, answer = lab.found, lab.ask("formats")
    envelope = answer.envelope
    keys = None if envelope is None else envelope.formats
    kept = answer.status is Status.OK and keys is not None
    found.rule("R8", kept, f"{len(keys)} formats" if kept and keys is not None else answer.words, answer)
    found.reading("D12", "formats needs no token" if kept else answer.words, answer)
    if kept:
        found.rule("R4", True, f"segment {lab.segment} is there", answer)
    if not keys:
        return
    lab.formats = keys
    unknown = [key for key in keys if key.lower() not in FORMATS]
    why = "not documented: " + ", ".join(unknown) if unknown else "documented keys"
    found.rule("R7", not unknown, why, answer)
    low = all(key == key.lower() for key in keys)
    high = all(key == key.upper() for key in keys)
    found.reading("D11", "listed in lower case" if low else "listed in upper case" if high else "listed mixed", answer)


def _refusals(lab: Lab) -> None:
    found = lab.found
    odd = lab.ask("nonsense")
    found.rule("R2", odd.says(400, Refusal.INVALID_STATE), odd.words, odd)
    post = lab.probe.ask(lab.path("formats"), method="POST")
    found.rule("R1", (post.code or 0) >= 400, f"POST is {post.words}", post)
    found.reading("D23", f"POST is {post.code}", post)
    nowhere = lab.on(_NOWHERE, "formats")
    found.rule("R5", nowhere.says(404, Refusal.ELEMENT_NOT_FOUND), nowhere.words, nowhere)
    found.reading("D29", _endpoint(nowhere), nowhere)
    segment = lab.probe.ask(lab.path("formats", segment=_NOWHERE))
    found.rule("R4", segment.says(404, Refusal.ELEMENT_NOT_FOUND), f"another segment is {segment.words}", segment)
    word = lab.probe.ask(lab.path("formats", element="x1"))
    found.reading("D32", f"an id that is no number is {word.words}", word)
    for token, why in ((None, "missing"), (_MALFORMED, "malformed")):
        answer = lab.probe.ask(lab.path("check"), query=() if token is None else (("token", token),))
        found.rule("R14", answer.says(400, Refusal.INVALID_TOKEN), f"{why}: {answer.words}", answer)
    get = lab.probe.ask(lab.path("get"), query=(("format", lab.format),))
    found.rule("R14", get.says(400, Refusal.INVALID_TOKEN), f"missing on get: {get.words}", get)
    nobody = lab.probe.ask(lab.path("formats"), anonymous=True)
    found.reading("D16", f"no credential is {nobody.words}", nobody)


def _endpoint(nowhere: Answer) -> str:
    return "the endpoint is there" if nowhere.envelope is not None else f"an unknown element is {nowhere.words}"


def _order(lab: Lab) -> None:
    """Two things wrong at once: the answer says which is looked at first (D15)."""
    state = lab.probe.ask(lab.path("nonsense", element=_NOWHERE, segment=0))
    first = "state" if state.refusal is Refusal.INVALID_STATE else "element"
    token = lab.probe.ask(lab.path("check", element=_NOWHERE, segment=0))
    second = "element before token" if token.refusal is Refusal.ELEMENT_NOT_FOUND else "token before element"
    both = lab.probe.ask(lab.path("get"), query=(("token", _MALFORMED), ("format", "nosuchformat")))
    third = "format before token" if both.refusal is Refusal.INVALID_FORMAT else "token before format"
    nobody = lab.probe.ask(lab.path("nonsense"), anonymous=True)
    last = "state before credential" if nobody.refusal is Refusal.INVALID_STATE else "credential before state"
    if lab.probe.ask(lab.path("formats"), anonymous=True).status is Status.OK:
        last = "no credential is asked for"
    between = "state before element" if first == "state" else "element before state"
    lab.found.reading("D15", f"{last}, {between}, {second}, {third}", nobody, state, token, both)


def _other_elements(lab: Lab) -> None:
    found, named = lab.found, lab.elements
    if named.other_type is not None:
        answer = lab.on(named.other_type, "formats")
        found.rule("R3", answer.says(400, Refusal.NOT_IMPLEMENTED), answer.words, answer)
    if named.denied is not None:
        answer = lab.on(named.denied, "formats")
        found.rule("R6", answer.says(403, Refusal.ELEMENT_NOT_ALLOWED), answer.words, answer)
    if named.no_downloads is not None:
        for state in ("formats", "init"):
            answer = lab.on(named.no_downloads, state)
            found.rule("R9", answer.says(400, Refusal.NO_DOWNLOADS), f"{state}: {answer.words}", answer)
            if answer.refusal is Refusal.NO_DOWNLOADS and lab.formats:
                found.rule("R11", True, "one report offers formats, another none", answer)


def _token(lab: Lab) -> None:
    found = lab.found
    init = lab.ask("init")
    envelope = init.envelope
    text = "" if envelope is None or not isinstance(envelope.token, str) else envelope.token
    lab.probe.mask.add(text)
    found.rule("R12", init.status is Status.OK and bool(text), "a token" if text else init.words, init)
    token = lab.token()  # raises where there is none
    found.reading("D3", "the token comes URL-encoded" if _SAFE.issuperset(text) else "the token comes raw", init)
    check = lab.ask("check", token)
    _before_run(lab, check, token)
    sent_as_came = _SAFE.issuperset(token.reveal())
    valid = check.refusal is not Refusal.INVALID_TOKEN
    why = "accepted as it came" if sent_as_came else "it holds characters that a query cannot: encoded once"
    found.rule("R13", valid and sent_as_came, why if valid else check.words, check)
    doubled = lab.probe.ask(lab.path("check"), query=(("token", quote(query_token(token), safe="")),))
    if quote(query_token(token), safe="") != query_token(token):
        found.reading("D3", f"encoded twice it is {doubled.words}", doubled)
    _never_issued(lab, token)
    if lab.elements.other is not None:
        other = lab.on(lab.elements.other, "check", token)
        found.reading("D14", f"on another element it is {other.words}", other)
    if lab.other_credentials is not None:
        _foreign(lab, token, check)


def _never_issued(lab: Lab, token: Secret) -> None:
    """A token of the right form that nobody was given: malformed to one server, as good as expired to another (D13)."""
    came = query_token(token)
    changed = ("A" if came[0] != "A" else "B") + came[1:] if came[0] != "%" else came + "A"
    lab.probe.mask.add(changed)
    answer = lab.probe.ask(lab.path("check"), query=(("token", changed),))
    lab.found.reading("D13", f"one that was never issued is {answer.words}", answer)


def _before_run(lab: Lab, check: Answer, token: Secret) -> None:
    found = lab.found
    found.reading("D18", _said(check), check)
    allowed = check.status in (Status.IN_PROGRESS, Status.READY, Status.ERROR)
    found.rule("R21", allowed, f"before run: {check.words}", check)
    _spelling(lab, check)
    get = lab.ask("get", token, format=lab.format)
    found.rule("R26", get.status is Status.IN_PROGRESS, f"get before run is {get.words}", get)


def _said(check: Answer) -> str:
    return check.status.value.lower() if check.status is not None else check.words


def _spelling(lab: Lab, check: Answer) -> None:
    envelope = check.envelope
    if envelope is not None and envelope.status is Status.IN_PROGRESS:
        exact = check.spelled == Status.IN_PROGRESS.value
        lab.found.reading("D17", "as documented" if exact else f"as {check.spelled!r:.40}", check)


def _foreign(lab: Lab, token: Secret, ours: Answer) -> None:
    query = (("token", query_token(token)),)
    theirs = lab.probe.ask(lab.path("check"), query=query, credentials=lab.other_credentials)
    bound = theirs.refused and theirs.words != ours.words
    lab.found.rule("R12", bound, f"another user's check is {theirs.words}", theirs)
    lab.found.reading("D13", f"another user's check is {theirs.words}", theirs)
