"""`docs/reliability.md` is the table of what is expected, and what the runs measured of each transport."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from reportdl.testing.faults import FAULTS, PARTS, Ends
from reportdl.testing.faults.deviations import AIOHTTP, URLLIB3
from reportdl.testing.faults.expected import EXPECTED, Word
from reportdl.testing.faults.server import STATES
from reportdl.testing.faults.verdicts import for_ever, once

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "reliability.md"
STORE = HERE / "measured.json"
TRANSPORTS = {
    "Urllib3": "urllib3",
    "Aiohttp": "aiohttp",
    "Httpx2Asyncio": "httpx2, asyncio",
    "Httpx2Trio": "httpx2, trio",
}
SHORT = {
    Word.SAME: "same",
    Word.SURPLUS: "same, or the next again",
    Word.SHORT: "as its length says",
    Word.AGAIN: "again",
    Word.POLL: "poll",
    Word.FETCH: "fetch",
    Word.UNSEEN: "unseen",
    Word.ALIKE: "unheard",
    Word.BLIND: "**blind**",
    Word.CREDENTIALS: "**credentials**",
    Word.DENIED: "**denied**",
    Word.ABSENT: "**not found**",
    Word.MISSING: "**no endpoint**",
    Word.MOVED: "**redirected**",
    Word.REFUSED: "**refused**",
    Word.PROTOCOL: "**protocol**",
    Word.FAILED: "**failed**",
    Word.ASIDE: "**unverified**",
    Word.LARGE: "**too large**",
}
TESTS = ("strikes_once", "never_heals")
HEAD = """\
# Whole, or not at all

What a hostile network and a hostile server can do to a download, and what becomes of it. A server on raw sockets
(`reportdl.testing.FaultServer`) is right in all but one answer; {faults} faults strike each of the five states, once
and for ever. What must happen in each cell was written down from the rules before anything ran
(`reportdl.testing.faults.expected`): how the job ends, which requests reached the server in which order, what lies in
the folder. The table is the same for every transport. In every cell, counted at the server: no token is run twice, none
gives two whole files, nothing goes to another origin, no token or credential is shown, no connection is left.

## What was measured

Cells that came out as written, of {cells} in each column: every fault in every state. Where a transport deviates, the
deviation is one of those below, and its cell counts as written only if it differs just so. A dash was not measured yet.
Written by `make deep-faults-urllib3 deep-faults-aiohttp deep-faults-httpx2 deep-faults-trio`.

| | http, once | https, once | http, for ever | https, for ever |
|---|---|---|---|---|
"""
WORDS = """
A fault that never heals ends every job within its limits: what is asked again ends as unreachable, as a server error
or as a missing endpoint once `silence` is over, a lost file as a lost transfer after one more session (D21), and all
else as in the table.

## What each word means

In plain type the file arrives, in bold it does not, and the error says which of these it is.

| word | what becomes of the job |
|---|---|
"""
TABLES = """
## The matrix

A clock marks what only the client can end, at its deadline (D35). Where TLS proves more than plain text, a second line
stands for https.
"""
REST = """
## Deviations

| transport | fault | cells | why |
|---|---|---|---|
"""
PROXIES = """
## Proxies

With nginx and HAProxy themselves between client and server, counted behind them
(`tests/adapters/faults/test_proxies.py`):

- `proxy_read_timeout 1s`, HAProxy's `timeout server 1s`: `run` is answered 504 while generation goes on; `check` finds
  the file; one generation, one `get`.
- nginx repeats a `run` that timed out or whose node died at its next upstream, by default (`proxy_next_upstream`). The
  client has sent one; a server that follows the document generates once. `proxy_next_upstream off` for this location
  spares it the question.
- Two nodes that share no sessions: `Invalid token`, and nothing is asked twice.
- A proxy that lets one request through at a time makes `check` fail while `run` waits; the job goes on.

## Deadlines

Every request has a deadline over its whole life, whatever drips (`tests/adapters/faults/test_deadlines.py`). A request
given up is woken by shutting its socket down: while it connects, in the TLS handshake, in the head, in the body. No
thread stays busy; an idle one ends by itself. A name look-up alone cannot be woken; the system's resolver bounds it.
"""
THREATS = """
## Files, names, secrets, credentials, jobs taken up again

The [threats](threats.md) on one page, each with the test that covers it.
"""


def cell(words, state) -> str:
    return SHORT[words[STATES.index(state)]]


def matrix() -> str:
    text = []
    for part, faults in PARTS.items():
        text.append(f"\n### {part}\n\n| | {' | '.join(STATES)} | rules |\n|---|{'---|' * len(STATES)}---|\n")
        for fault in faults:
            row = EXPECTED[fault.name]
            name = fault.name + (" ⏱" if fault.ends is Ends.AT_A_LIMIT else "")
            cells = [cell(row.words, state) for state in STATES]
            text.append(f"| {name} | {' | '.join(cells)} | {' '.join(row.rules)} |\n")
            if row.tls is not None:
                text.append(f"| {fault.name}, https | {' | '.join(cell(row.tls, state) for state in STATES)} | I3 |\n")
    return "".join(text)


def deviations() -> str:
    lines = []
    for transport, found in {"Urllib3": URLLIB3, "Aiohttp": AIOHTTP}.items():
        for fault, deviation in found.items():
            schemes = "" if len(deviation.schemes) == 2 else f" ({', '.join(deviation.schemes)})"
            cells = ", ".join(f"{state} {SHORT[word]}" for state, word in deviation.words.items())
            lines.append(f"| {TRANSPORTS[transport]} | {fault} | {cells}{schemes} | {deviation.why} |\n")
    return "".join(lines)


def page(measured: dict[str, int]) -> str:
    cells = len(FAULTS) * len(STATES)
    columns = [(scheme, test) for test in TESTS for scheme in ("http", "https")]
    text = [HEAD.format(faults=len(FAULTS), cells=cells)]
    for key, name in TRANSPORTS.items():
        counts = [measured.get(f"{key} {scheme} {test}", 0) * len(STATES) for scheme, test in columns]
        text.append(f"| {name} | {' | '.join(str(count) if count else '-' for count in counts)} |\n")
    text.append(WORDS)
    text += [f"| {SHORT[word]} | {word.value.removeprefix('ends: ')} |\n" for word in Word]
    text += [TABLES, matrix(), REST, deviations(), PROXIES]
    if (PAGE.parent / "threats.md").exists():
        text.append(THREATS)
    return "".join(text)


@pytest.mark.docs
def test_the_page_of_reliability() -> None:
    text = page(json.loads(STORE.read_text()))
    if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "docs/reliability.md has drifted: make docs"


@pytest.mark.docs
def test_what_was_measured_was_measured_with_every_fault() -> None:
    measured = json.loads(STORE.read_text())
    columns = {f"{key} {scheme} {test}" for key in TRANSPORTS for scheme in ("http", "https") for test in TESTS}
    assert set(measured) <= columns
    assert measured == dict.fromkeys(measured, len(FAULTS)), (
        "measure again: make deep-faults-urllib3 deep-faults-aiohttp deep-faults-httpx2 deep-faults-trio"
    )


def test_every_fault_is_expected_somewhere_and_every_word_is_used() -> None:
    assert list(EXPECTED) == list(FAULTS)
    assert len(FAULTS) >= 45
    used = {word for row in EXPECTED.values() for word in (*row.words, *(row.tls or ()))}
    assert used == set(Word)
    assert all(len(row.words) == len(STATES) for row in EXPECTED.values())


@pytest.mark.rules("I3", "I5")
@pytest.mark.parametrize("name", FAULTS)
def test_no_cell_expects_a_second_run_or_a_file_where_there_is_none(name) -> None:
    """The table itself keeps the rules: one `run` for each `init`, and a file only where it was delivered."""
    for verdict in (once, for_ever):
        for scheme in ("http", "https"):
            for state in STATES:
                expected = verdict(EXPECTED[name], state, scheme)
                asked = re.sub(r"\([^)]*\)[?+]", " ", expected.asked).split()  # without what may be asked again
                assert asked.count("run") <= asked.count("init")
                assert (expected.folder == ("Sales.pdf",)) is (expected.reason.value == "delivered")
