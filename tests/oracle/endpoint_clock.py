"""What the clock does to a session of the server, and what a `run` that came to nothing is told."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.endpoint_words import Effect, Endpoint, ServerSession

__all__ = ["Expected", "expiry", "failure", "lapsed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One thing that may follow: what must be done now, and what may be done besides."""

    after: Endpoint
    must: frozenset[Effect] = frozenset()
    may: frozenset[Effect] = frozenset()
    rules: tuple[str, ...] = ()


def expiry(endpoint: Endpoint, session: ServerSession) -> float:
    """When this session expires: by the policy in force (D1), and by its age at the latest (D36)."""
    switches = endpoint.switches
    oldest = session.began + switches.max_age
    if switches.ttl_policy == "ABSOLUTE":
        return min(session.began + switches.ttl, oldest)
    if switches.ttl_policy == "SLIDING":
        return min(session.renewed + switches.ttl, oldest)
    return min(session.began + switches.ttl, oldest) if session.run_began is None else oldest


def lapsed(endpoint: Endpoint, session: ServerSession, now: float) -> ServerSession:
    """The session as the clock leaves it (R15, R16, D28); D2: a started transfer completes."""
    if not session.live or session.sending is not None:
        return session
    end = expiry(endpoint, session)
    late = session.run_began is not None and now >= session.run_began + endpoint.switches.run_timeout
    if now >= end:
        if late and session.state == "RUNNING" and session.run_began is not None:
            failed_at = session.run_began + endpoint.switches.run_timeout
            if failed_at < end:
                return session.ends("ERROR", failed_at, "TIMED_OUT")
        return session.ends("EXPIRED", end)
    if late and session.state == "RUNNING":
        return session.ends("ERROR", now, "TIMED_OUT")
    return session


def failure(endpoint: Endpoint, session: ServerSession) -> frozenset[str]:
    """How a `run` that came to nothing is answered (D6)."""
    if session.state == "ERROR" and endpoint.switches.failed_run == "STATUS":
        # Freedom: no file and an aborted generation are a refusal in any case (R30), or follow the switch.
        return frozenset({"ERROR"} if session.how in {"FAILED", "TIMED_OUT"} else {"ERROR", "DOWNLOAD_FAILED"})
    return frozenset({"DOWNLOAD_FAILED"})
