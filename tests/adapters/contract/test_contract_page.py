"""`docs/transports.md` is what the contracts said of each transport, and the loops are as small as they should be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs" / "transports.md"
LOOPS = [
    path
    for room in ("drivers", "transports")
    for path in sorted((ROOT / "adapters" / "reportdl" / room).glob("*.py"))
    if path.name != "memory.py"  # simulates a network and its server's clock: it is a test double, not a translation
]
PARTS = {
    "RequestContract": "Requests",
    "BodyContract": "Files",
    "ConnectContract": "Until a connection stands",
    "ConnectionContract": "Connections",
    "DriverContract": "Whole jobs, through the driver",
    "AsyncDriverContract": "Whole jobs, cancelled",
    "HandedInContract": "On a user's own pool, session or client",
}
HEAD = """\
# What each transport has proven

Every transport passes one contract (`reportdl.testing.TransportContract`, `DriverContract`, `HandedInContract`),
against a server of raw sockets on loopback that counts requests and reads them byte by byte. A number is how many
cases of a test passed: plain and TLS, and each command or fault that it names. A dash stands where a part does not
apply. [bring-your-own-transport.md](bring-your-own-transport.md) says how to add a column.

Beyond this table, 200 seeded scripts of faults (10,000 by `make deep`) take every transport through the same commands
and events in the same order, the memory transport too where a script holds losses alone.

This page is written by the tests (`make docs`).
"""


def page(counts) -> str:
    transports = list(dict.fromkeys(transport for _, _, transport in counts))
    order = {name: at for at, name in enumerate(NAMES_IN_ORDER)}
    transports.sort(key=lambda name: (order.get(name, len(order)), name))
    text = [HEAD]
    for part, title in PARTS.items():
        tests = list(dict.fromkeys(test for kept_part, test, _ in counts if kept_part == part))
        text.append(f"\n## {title}\n\n| | {' | '.join(transports)} |\n|---|{'---|' * len(transports)}\n")
        for test in tests:
            cells = [str(counts[part, test, transport] or "-") for transport in transports]
            text.append(f"| {test.removeprefix('test_').replace('_', ' ')} | {' | '.join(cells)} |\n")
    return "".join(text)


NAMES_IN_ORDER = (
    "memory",
    "urllib3",
    "aiohttp",
    "httpx2, asyncio",
    "httpx2, trio",
    "http.client",
    "requests",
    "trio and h11",
)


def all_passed(kept) -> bool:
    """Whether every case has passed: in this run, or else in one that is made now."""
    if kept.passed == kept.planned:
        return True
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not deep and not docs", str(HERE)]
    environment = {name: value for name, value in os.environ.items() if name != "REPORTDL_WRITE_DOCS"}
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode == 0


@pytest.mark.docs
@pytest.mark.timeout(900)
def test_the_page_of_transports(kept) -> None:
    if not {path.name for path in HERE.glob("test_contract_[!ps]*.py")} <= kept.files:
        pytest.skip("tells of all contracts: collect the whole folder")
    text = page(kept.planned)
    if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
        assert all_passed(kept), "only what has passed is written down"
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "docs/transports.md has drifted: make docs"


def code_lines(path: Path) -> int:
    """Lines with code on them: no comments, docstrings and blank lines."""
    lines: set[int] = set()
    fresh = True
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            fresh = True
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
            if not (fresh and token.type == tokenize.STRING):
                lines.update(range(token.start[0], token.end[0] + 1))
            fresh = False
    return len(lines)


def test_a_driver_is_a_loop_and_a_transport_a_translation() -> None:
    sizes = {str(path.relative_to(ROOT / "adapters")): code_lines(path) for path in LOOPS}
    for name, size in sizes.items():
        print(f"{size:4} {name}")
    assert {name: size for name, size in sizes.items() if size > 100} == {}
