"""Decides how the core's clock is made small, so that all its regions are a few whole seconds.

The core has three times that no policy can change: five minutes of a token, five seconds in which `run` counts as just
sent, ten in which an ERROR may be too early. Here they are 4, 0 and 1 seconds, and jitter is always at its longer end.
What follows from a moment before, at and after each deadline stays the same; nothing else of the core is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.switches import Switches

__all__ = [
    "CONSTANTS",
    "EARLY",
    "FORGOTTEN",
    "LIFE",
    "OLDEST",
    "POLICY",
    "PROMPT",
    "SHORT_CONSTANTS",
    "SHORT_LIFE",
    "SWITCHES",
    "small_clock",
]

LIFE: Final = 4.0
PROMPT: Final = 0.0
EARLY: Final = 1.0
CONSTANTS: Final = {"ttl": LIFE, "early_error": EARLY, "early_refusal": PROMPT, "early_loss": PROMPT}
"""The same times, as the oracle takes them."""

SHORT_LIFE: Final = 3.0
SHORT_CONSTANTS: Final = {**CONSTANTS, "ttl": SHORT_LIFE}
"""For a client alone, which hears everything at every second: one second less of a token."""

POLICY: Final = Policy(
    expiry=Expiry.CONFIRM,
    preflight=Preflight.OFF,
    job_timeout=8.0,
    run_timeout=6.0,
    request_timeout=1.0,
    get_timeout=2.0,
    silence=3.0,
    first_contact=3.0,
    first_check=1.0,
    longest_insurance=1.0,
    first_pause=1.0,
    longest_pause=1.0,
    growth=1.0,
    expiry_margin=1.0,
)
"""Every pause one second: without growth, how often something was repeated makes no difference."""

SWITCHES: Final = Switches(ttl=LIFE, run_timeout=6.0, max_age=7.0, remember=2.0, retry_after=1.0)

OLDEST: Final = SWITCHES.max_age + SWITCHES.remember + 1.0
"""What the server's end knows of a session that is older makes no difference any more."""

FORGOTTEN: Final = SWITCHES.remember + 1.0
"""What ended longer ago is forgotten at the next moment when the server looks, or as soon as its file has been sent."""


@contextmanager
def small_clock(*, life: float = LIFE) -> Iterator[None]:
    """Inside, the core's three fixed times are small and its jitter is fixed. `life` is a token's."""
    core = "reportdl_core."
    with (
        patch(core + "deadlines.TOKEN_LIFE", life),
        patch(core + "snapshots.TOKEN_LIFE", life),
        patch(core + "record.PROMPT", PROMPT),
        patch(core + "record.EARLY_ERROR", EARLY),
        patch(core + "policy._fraction", lambda _seed, _number: 1.0),
    ):
        yield
