"""Decides what may happen to one job: good and bad answers, late ones, time, a caller's mistakes, a process that dies.

Under a virtual clock, audited after every event. Which of these happens is for whoever tests; `random.Random(seed)` and
Hypothesis are both used so. Must never know how the job it drives is embedded: that is what `Embedding` is for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from reportdl.testing.answering import FAILURES, STATUSES, Choose, Make, bad, first, good
from reportdl.testing.auditor import Audited, Auditor
from reportdl_core.commands import Check, Command, Run, Wait
from reportdl_core.download import Download
from reportdl_core.errors import LocalProtocolError
from reportdl_core.events import Cancelled, Event, Lost, Refused, RunFinished, Sent, WaitElapsed
from reportdl_core.job import Job
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

__all__ = ["PLAIN", "Embedded", "Embedding", "Journey"]


class Embedded(Audited, Protocol):
    """A `Download`, or what somebody made around one."""

    @property
    def token(self) -> Secret | None:
        """The present session's token, to be kept beside a snapshot (D39)."""
        ...

    def snapshot(self, *, now: float) -> dict[str, Any]:
        """The job as JSON values, without its token (D43)."""
        ...


class Embedding(Protocol):
    """How a job is begun, and taken up again by another process."""

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        """A new job."""
        ...

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        """The job of a snapshot, `elapsed` seconds later. What was in flight is answered afterwards, one by one."""
        ...


class _Plain:
    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        return Download(job, policy=policy, seed=seed, now=now)

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        return Download.restore(snapshot, job=job, policy=policy, token=token, now=now, elapsed=elapsed)


PLAIN: Final[Embedding] = _Plain()
"""The core's own `Download`, with nothing around it."""


class Journey:
    """One job on a virtual clock, and what may happen to it. `choose` decides which."""

    def __init__(
        self,
        job: Job,
        choose: Choose,
        *,
        policy: Policy,
        seed: int,
        reached: Counter[object] | None = None,
        embedding: Embedding = PLAIN,
    ) -> None:
        self.job: Job = job
        self.policy: Policy = policy
        self.choose: Choose = choose
        self.embedding: Embedding = embedding
        self.now: float = 0.0
        self.seen: float = 0.0
        self.fresh: int = 0
        self.reached: Counter[object] = Counter() if reached is None else reached
        self.download: Embedded = embedding.begin(job, policy=policy, seed=seed, now=0.0)
        self.auditor: Auditor = Auditor(self.download, job=job, policy=policy, now=0.0, reached=self.reached)

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.download.outcome is not None

    def hear(self, event: Event) -> None:
        """The event comes in, and the auditor looks at what follows."""
        if isinstance(event, Refused):
            self.reached[event.refusal] += 1
        new = self.download.receive(event, now=self.now)
        self.seen = self.now
        self.auditor.heard(event, new, self.download, now=self.now)

    def wait(self, seconds: float) -> None:
        """Time passes, but no driver sleeps past an alarm."""
        self.now = min(self.now + seconds, max(self.now, self.download.alarm[0]))

    def ring(self, late: float = 0.0) -> None:
        """The alarm rings, `late` seconds after its time."""
        when, event = self.download.alarm
        self.now = max(self.now, when) + late
        self.hear(event)

    def answer(self, *, well: bool, kinds: Sequence[Make] = (*FAILURES, *STATUSES)) -> None:
        """One of the outstanding commands is answered: as a server in order would, or with one of these failures."""
        command: Command = self.choose(self.download.outstanding)
        if not well:
            self.hear(bad(command, self.choose, kinds))
        else:
            self._hear_good(command, self.choose)

    def go_on(self) -> None:
        """As one hopes: a request is answered well, or the alarm ends a wait. `check` may be told READY or not yet."""
        command: Command = self.choose(self.download.outstanding)
        if isinstance(command, Wait):
            self.ring()
        else:
            self._hear_good(command, self.choose if isinstance(command, Check) else first)

    def _hear_good(self, command: Command, choose: Choose) -> None:
        self.fresh += 1
        self.hear(good(command, choose, self.fresh))

    def late(self) -> None:
        """An answer to a command that is not outstanding any more, of any kind."""
        known = {one.number for one in self.download.outstanding}
        gone = [number for number in range(1, self.auditor.highest + 1) if number not in known]
        if gone:
            number = self.choose(gone)
            self.hear(self.choose((FAILURES[0](number), RunFinished(number=number), STATUSES[1](number))))

    def misuse(self) -> None:
        """Refused, and nothing moves (D37)."""
        download, command = self.download, self.choose(self.download.outstanding)
        before = self._seen()
        wrong: Event = RunFinished(number=command.number)
        if isinstance(command, Run):
            wrong = WaitElapsed(number=command.number)
        for event, now in (
            (wrong, self.now),
            (Cancelled(number=self.auditor.highest + 5), self.now),
            (Cancelled(number=command.number), self.seen - 2.0**-20),
        ):
            try:
                download.receive(event, now=now)
            except LocalProtocolError:
                continue
            raise AssertionError(f"taken, although it cannot be (D37): {event!r}")
        self._unmoved(before, "{name} moved, although what came was refused (D37)")

    def written(self) -> dict[str, Any]:
        """The snapshot as it comes back from a file (D39, D43)."""
        text = json.dumps(self.download.snapshot(now=self.now), allow_nan=False)
        assert "token-" not in text, "a snapshot holds a token (D39)"
        snapshot: dict[str, Any] = json.loads(text)
        return snapshot

    def reload(self) -> None:
        """Written down and read back with no time between: exactly the same (I9)."""
        before = self._seen()
        self._again(elapsed=0.0)
        self._unmoved(before, "read back, {name} is not what was written (I9)")

    def _unmoved(self, before: dict[str, object], else_said: str) -> None:
        after = self._seen()
        for name, one in before.items():
            assert one == after[name], f"{else_said.format(name=name)}: {one!r}, then {after[name]!r}"

    def _seen(self) -> dict[str, object]:
        download = self.download
        known: dict[str, object] = {"outstanding": download.outstanding, "state": download.state}
        return known | {"alarm": download.alarm} | {f"snapshot[{key!r}]": one for key, one in self.written().items()}

    def die(self, away: float) -> None:
        """The process died; another one takes the job up (D43)."""
        self._again(elapsed=away)
        self.auditor.token_from -= away
        for command in self.download.outstanding:
            if not isinstance(command, Wait):
                # What `recover` does, one event at a time, so that the auditor sees each.
                self.hear(Lost(number=command.number, sent=Sent.UNKNOWN))

    def _again(self, *, elapsed: float) -> None:
        self.download = self.embedding.again(
            self.written(), job=self.job, policy=self.policy, token=self.download.token, now=self.now, elapsed=elapsed
        )
        self.auditor.session = self.download.session
