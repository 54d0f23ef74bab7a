"""Decides which steps an examination has, what each costs, and in which order they are done.

What costs a generation or a wait is done only where it was asked for by name. Must never lose what was found: a step
that cannot go on ends alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from reportdl.conform.expiring import expiry, expiry_ready
from reportdl.conform.findings import Examination, Findings
from reportdl.conform.free import free
from reportdl.conform.generating import generation
from reportdl.conform.lab import Elements, Lab, NoToken
from reportdl.conform.overall import overall
from reportdl.conform.probe import Probe
from reportdl.conform.repeating import broken_get, dropped_run, failing, run_refusals, second_run
from reportdl.credentials import Credentials
from reportdl.origin import Origin
from reportdl.transports import Transport
from reportdl_core.affinity import cookie_names
from reportdl_core.job import Job
from reportdl_core.policy import TOKEN_LIFE, Policy

__all__ = ["STEPS", "Step", "examine"]

_DEFAULT: Final = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `cost` says what it takes from the server and from whoever waits."""

    name: str
    cost: str
    shows: str
    do: Callable[[Lab], None]


_FREE: Final = Step(name="free", cost="nothing", shows="formats, tokens, refusals", do=free)
_FAILING: Final = Step(name="failing", cost="a generation that fails", shows="D5, D6, R22, R30", do=failing)

STEPS: Final[tuple[Step, ...]] = (
    Step(name="generation", cost="1 generation", shows="run, check and get, the file, the spent token", do=generation),
    Step(name="second-run", cost="1 to 5 generations", shows="what a second run does (D8, D9)", do=second_run),
    Step(name="dropped-run", cost="1 generation", shows="whether a dropped run is aborted (D7)", do=dropped_run),
    Step(
        name="broken-get",
        cost="1 generation",
        shows="a broken get (D21), two at once (D42)",
        do=broken_get,
    ),
    Step(name="run-refusals", cost="0 to 3 generations", shows="formats that must be refused (R10)", do=run_refusals),
    Step(name="expiry", cost="5 minutes", shows="how long a token lives (R15, R17)", do=expiry),
    Step(name="expiry-ready", cost="2 generations, 5 minutes", shows="what five minutes bound (D1)", do=expiry_ready),
)
"""What is done where it is asked for by name; what costs nothing is always done."""


def examine(
    origin: Origin,
    *,
    transport: Transport,
    credentials: Credentials,
    job: Job,
    steps: Iterable[str] = (),
    elements: Elements | None = None,
    other_credentials: Credentials | None = None,
    ttl: float = TOKEN_LIFE,
    patience: float = 1800.0,
    policy: Policy = _DEFAULT,
    affinity_cookies: Iterable[str] = (),
    on_step: Callable[[Step], None] | None = None,
) -> Examination:
    """Ask a server what it does, and say which rules it keeps and which readings it follows.

    `job` names an element that `credentials` may see, and the format to generate. `steps` are names of `STEPS`; the
    step for a failing report is done where `elements` names one. `ttl` is how long a token should live, in seconds,
    `patience` how long one generation is waited for. `affinity_cookies` are names as for a `Client`. ValueError for a
    step that there is not, UnusableCookieName.
    """
    named = elements or Elements()
    chosen = _chosen(tuple(steps), named)
    probe = Probe(origin, transport, credentials, policy, affinity=cookie_names(affinity_cookies))
    lab = Lab(
        probe=probe,
        found=Findings(),
        element=job.element,
        segment=job.segment,
        format=job.format,
        elements=named,
        ttl=ttl,
        patience=patience,
        other_credentials=other_credentials,
    )
    try:
        for step in chosen:
            _done(step, lab, on_step)
    finally:
        lab.close()
    overall(lab.found, probe.answers)
    return Examination(
        server=str(origin),
        element=job.element,
        segment=job.segment,
        format=lab.format,
        steps=tuple(step.name for step in chosen),
        took=probe.now(),
        findings=lab.found.all(),
        answers=tuple(probe.answers),
    )


def _chosen(names: tuple[str, ...], elements: Elements) -> tuple[Step, ...]:
    known = {step.name for step in STEPS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such step: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    failed = (_FAILING,) if elements.failing is not None else ()
    return (_FREE, *(step for step in STEPS if step.name in names), *failed)


def _done(step: Step, lab: Lab, on_step: Callable[[Step], None] | None) -> None:
    lab.probe.step = step.name
    if on_step is not None:
        on_step(step)
    try:
        step.do(lab)
    except NoToken as none:
        lab.found.rule("R12", False, f"init gives no token: {none}")
