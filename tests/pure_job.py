"""One job from `formats` to a kept file, both ends of the core talking in bytes, under an audit hook.

Run by test_core_is_pure.py in an interpreter of its own. Every clock and source of randomness is broken before the job
begins, and everything that Python audits is refused. With the argument `spoilt` it opens a file, to show that the hook
would have seen it.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
import time

from reportdl_core import Download, Get, Init, Job, ListFormats, Receipt, Run, Secret, State
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import Answer, Called, FileSent, Generate, Generated, Kind, Report, SendFile
from reportdl_core.exchange import Exchange
from reportdl_core.policy import Policy
from reportdl_core.sink import Offer
from reportdl_core.wire_endpoint import Parsed, file_headers, parse, response

__all__: list[str] = []

FILE = b"%PDF-1.7\nwhole\n%%EOF\n"
JOB = Job(element=1042, segment=0, format="pdf")
REPORT = Report(
    element=1042, segment=0, name="Sales Dashboard", kind=Kind.EXTERNAL_REPORT, formats=("pdf",), allowed=True
)
# Python audits these for reasons of its own; none of them leaves the process.
HARMLESS = {"object.__getattr__", "object.__setattr__", "object.__delattr__", "code.__new__", "sys._getframe"}


class Held:
    """Keeps the file in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def open(self, offer: Offer) -> None:
        self.data.clear()
        self.name = offer.filename or ""

    def write(self, data: bytes) -> None:
        self.data += data

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        return Receipt(
            path=None,
            filename=self.name,
            content_type="application/pdf",
            size=len(self.data),
            sha256=hashlib.sha256(self.data).hexdigest(),
            length_verified=length_verified,
            warnings=warnings,
        )

    def set_aside(self, reason: str) -> str | None:
        raise AssertionError(reason)

    def discard(self) -> None:
        self.data.clear()


def broken(*_arguments: object) -> None:
    raise AssertionError("the core read a clock or drew a random number")


def watch(seen: list[str]) -> None:
    """Break the clocks, and note what is audited from here on."""
    # Python reads a codec from disk when it is first asked for: the one of `json.loads`, and the one of name lengths.
    for codec in ("utf-8-sig", "utf-16-le"):
        codecs.lookup(codec)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"):
        setattr(time, name, broken)
    os.urandom = broken  # type: ignore[assignment]
    sys.addaudithook(lambda event, arguments: None if event in HARMLESS else seen.append(f"{event} {arguments}"[:200]))


def serve(endpoint: Endpoint, exchange: Exchange, now: float) -> None:
    """The request through the server's wire and endpoint, and the answer back into the exchange."""
    path, _, query = exchange.outgoing.target.partition("?")
    asked = parse(exchange.outgoing.method, path, query.encode())
    assert isinstance(asked, Parsed)
    call = Called(
        number=exchange.command.number,
        user="ann",
        element=asked.element,
        segment=asked.segment,
        state=asked.state,
        token=asked.token,
        format=asked.format,
        report=REPORT,
        fresh_token=Secret("abc+DEF/123="),
    )
    commands = list(endpoint.receive(call, now=now))
    while commands:
        match commands.pop(0):
            case Answer(answer=answer):
                status, headers, body = response(answer)
                exchange.head(status, headers)
                exchange.feed(body)
            case Generate(session=session):
                commands += endpoint.receive(Generated(session=session), now=now)
            case SendFile(number=number, report=report, format=key):
                exchange.head(200, file_headers(report, key, len(FILE)))
                exchange.feed(FILE)
                commands += endpoint.receive(FileSent(number=number), now=now)
            case _:
                pass


def job() -> tuple[list[str], State, Receipt | None]:
    """Bring one report home; what was asked for, in order, and what came of it."""
    policy = Policy()
    download, endpoint, sink = Download(JOB, policy=policy, seed=7, now=100.0), Endpoint(), Held()
    sent: list[str] = []
    for now in range(101, 120):
        if download.outcome is not None:
            return sent, download.outcome.state, download.outcome.receipt
        download.snapshot(now=now)
        (request,) = (one for one in download.outstanding if isinstance(one, ListFormats | Init | Run | Get))
        sent.append(type(request).__name__)
        exchange = Exchange(request, policy=policy, sink=sink)
        serve(endpoint, exchange, now)
        download.receive(exchange.finish(), now=now)
    raise AssertionError(f"the job did not end: {sent}")


def main(arguments: list[str]) -> None:
    seen: list[str] = []
    watch(seen)
    loaded = set(sys.modules)
    if arguments == ["spoilt"]:
        open(os.devnull).close()
    sent, state, receipt = job()
    # Taken before anything below can add to it.
    audited, fresh = list(seen), set(sys.modules) - loaded
    assert sent == ["ListFormats", "Init", "Run", "Get"], sent
    assert state is State.CONSUMED, state
    assert receipt is not None
    assert receipt.size == len(FILE)
    assert receipt.filename == "Sales Dashboard.pdf", receipt
    assert not audited, audited
    assert not fresh, fresh


if __name__ == "__main__":
    main(sys.argv[1:])
