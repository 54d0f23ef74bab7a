"""Decides which readings of the rules the server's end can take: one field for each, with the default we ship.

Readings and faults of meaning only. What goes wrong in HTTP or in bytes (a dropped connection, a 504, HTML with
200, a body cut short) is the business of whoever serves. Must never hold a value that changes while it is served.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from reportdl_core.errors import LocalProtocolError

__all__ = [
    "AbortOnDisconnect",
    "BeforeRun",
    "ConsumeOn",
    "FailedRun",
    "FailedSession",
    "FormatKeys",
    "RunSaysOk",
    "Switches",
    "TtlPolicy",
]


class TtlPolicy(Enum):
    """What the token's five minutes bound (D1, R15, R16)."""

    ABSOLUTE = "absolute"  # the whole session, from `init` on: literal R16
    START = "start"  # only the time until `run`
    SLIDING = "sliding"  # each `run` and `check` renews them


class ConsumeOn(Enum):
    """When a `get` spends the session (D21, R27)."""

    END = "end"  # after the last byte; a transfer that broke may be repeated
    START = "start"  # with the first


class AbortOnDisconnect(Enum):
    """Whether generation ends once nobody waits for `run` any more (D7)."""

    OFF = "off"
    ON = "on"


class FailedSession(Enum):
    """What `check` and `get` say of a failed run while the token lives (D5, R22, R26 against R30)."""

    STATUS = "status"  # 200 with status ERROR
    REFUSAL = "refusal"  # 400 `Download failed`


class FailedRun(Enum):
    """What `run` itself says when generation fails (D6)."""

    REFUSAL = "refusal"  # 400 `Download failed`
    STATUS = "status"  # a fault: 200 with status ERROR


class RunSaysOk(Enum):
    """When `run` says OK (D6, D42)."""

    WHEN_READY = "when ready"
    AT_ONCE = "at once"  # a fault: before the file exists


class BeforeRun(Enum):
    """What `check` and `get` say before `run` (D18)."""

    IN_PROGRESS = "in progress"
    ERROR = "error"  # a fault: the session stays usable all the same


class FormatKeys(Enum):
    """How format keys are spelled (D11): as keys or as capabilities, and whether case matters in a request."""

    LOWER = "lower"
    CAPABILITY = "capability"  # listed and asked for in upper case
    FOLDED = "folded"  # listed in lower case, asked for in any


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Every reading that the endpoint can take. Seconds and counts; LocalProtocolError where one makes no sense.

    `ttl` is the token's life (R15), `run_timeout` the longest generation (D28). `max_age` ends a live session
    under every `ttl_policy`, `remember` is how long a final one is still known by its token (D20, D36).
    `live_per_user` and `live_in_all` cap the sessions that are not final: an `init` beyond them is BUSY, with
    `retry_after`. `remembered` caps the final ones: the oldest is forgotten first (D36).
    """

    ttl_policy: TtlPolicy = TtlPolicy.ABSOLUTE
    consume_on: ConsumeOn = ConsumeOn.END
    abort_on_disconnect: AbortOnDisconnect = AbortOnDisconnect.OFF
    failed_session: FailedSession = FailedSession.STATUS
    failed_run: FailedRun = FailedRun.REFUSAL
    run_says_ok: RunSaysOk = RunSaysOk.WHEN_READY
    before_run: BeforeRun = BeforeRun.IN_PROGRESS
    format_keys: FormatKeys = FormatKeys.LOWER
    ttl: float = 300.0
    run_timeout: float = 1800.0
    max_age: float = 7200.0
    remember: float = 3600.0
    retry_after: float = 5.0
    live_per_user: int = 1_000
    live_in_all: int = 10_000
    remembered: int = 20_000

    def __post_init__(self) -> None:
        for name in ("ttl", "run_timeout", "max_age", "remember", "retry_after"):
            seconds = getattr(self, name)
            if not 0 < seconds < math.inf:
                raise LocalProtocolError(f"{name} must be a finite number of seconds above 0, not {seconds!r}")
        if self.max_age < self.ttl:
            raise LocalProtocolError("max_age must not be shorter than ttl: it bounds a session under every policy")
        if min(self.live_per_user, self.live_in_all, self.remembered) < 1:
            raise LocalProtocolError("live_per_user, live_in_all and remembered must be at least 1")
