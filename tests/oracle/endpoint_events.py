"""What the server's end does where nobody calls: generation, callers that go away, transfers."""

from __future__ import annotations

from dataclasses import replace

from tests.oracle.endpoint_clock import Expected, failure, lapsed
from tests.oracle.endpoint_words import Answer, Discard, Effect, Endpoint, Happens, ServerSession, Stop
from tests.oracle.vocabulary import ACTIVE

__all__ = ["happens"]


def happens(endpoint: Endpoint, event: Happens, now: float) -> list[Expected]:
    if event.kind == "Tick":
        return [Expected(after=endpoint)]
    if event.kind in {"Generated", "GenerationFailed"}:
        session = endpoint.find(event.token)
        return [Expected(after=endpoint)] if session is None else _generation(endpoint, event, session, now)
    if event.kind == "Disconnected":
        return _disconnected(endpoint, event, now)
    session = next((one for one in endpoint.sessions if one.sending == event.number), None)
    return [Expected(after=endpoint)] if session is None else _transfer(endpoint, event, session, now)


def _generation(endpoint: Endpoint, event: Happens, session: ServerSession, now: float) -> list[Expected]:
    over = lapsed(endpoint, session, now)
    over = replace(over, generating=False)
    if over.state != "RUNNING":  # R16: the file is discarded; D28
        discard: set[Effect] = {Discard(token=over.token)} if event.kind == "Generated" else set()
        return _answered(endpoint, over, frozenset(discard), failure(endpoint, over), "R16", "D28")
    if event.kind == "Generated":
        return _answered(endpoint, replace(over, state="READY"), frozenset(), frozenset({"OK"}), "R18")
    failed = over.ends("ERROR", now, event.how)
    return _answered(endpoint, failed, frozenset(), failure(endpoint, failed), "R22", "R30", "D6")


def _answered(
    endpoint: Endpoint, session: ServerSession, must: frozenset[Effect], says: frozenset[str], *rules: str
) -> list[Expected]:
    """Everyone who waits for this run is told, once."""
    after = endpoint.having(replace(session, waiting=()))
    return [
        Expected(
            after=after,
            must=must | {Answer(number=number, says=each) for number in session.waiting},
            rules=rules,
        )
        for each in sorted(says)
    ]


def _disconnected(endpoint: Endpoint, event: Happens, now: float) -> list[Expected]:
    """D7: generation is detached from the request, but for the switch."""
    session = next((one for one in endpoint.sessions if event.number in one.waiting), None)
    if session is None:
        return [Expected(after=endpoint)]
    left = replace(session, waiting=tuple(number for number in session.waiting if number != event.number))
    if endpoint.switches.abort_on_disconnect == "OFF" or left.waiting or lapsed(endpoint, left, now).state != "RUNNING":
        return [Expected(after=endpoint.having(left), rules=("D7",))]
    aborted = left.ends("ERROR", now, "ABORTED")
    return [Expected(after=endpoint.having(aborted), must=frozenset({Stop(token=left.token)}), rules=("D7", "R30"))]


def _transfer(endpoint: Endpoint, event: Happens, session: ServerSession, now: float) -> list[Expected]:
    over = replace(session, sending=None)
    if event.kind == "FileMissing":  # R30
        gone = over.ends("ERROR", now, "NO_FILE") if over.live else over
        assert event.number is not None
        refused = frozenset({Answer(number=event.number, says="DOWNLOAD_FAILED")})
        return [Expected(after=endpoint.having(gone), must=refused, rules=("R30",))]
    if event.kind == "FileSent" and over.state in ACTIVE:  # R27, D21
        return [Expected(after=endpoint.having(over.ends("CONSUMED", now)), rules=("R27",))]
    return [Expected(after=endpoint.having(over), rules=("D21",))]
