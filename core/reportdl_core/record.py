"""Decides what an answer leaves behind: records what happened to one token, as facts and, at its end, as a verdict.

The meaning of an answer comes from the table in `answers`; here stands only what depends on the session's own past
(D16, D18, D21, D41, D42, I3). Must never issue a command: `session` derives those from what stands here.
"""

from __future__ import annotations

from typing import assert_never, final

from reportdl_core.answers import MEANINGS, Answer, Failure, Meaning, answer_of
from reportdl_core.commands import Check, Command, Get, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.deadlines import expires_at, rest
from reportdl_core.errors import Reason
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    LookedUp,
    Lost,
    Refused,
    RunFinished,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.facts import Facts, Renewal, RunPhase, Silence, Step
from reportdl_core.formats import listed
from reportdl_core.job import Job
from reportdl_core.lifecycle import Move
from reportdl_core.policy import EARLY_ERROR, PROMPT, Policy, instant, pause
from reportdl_core.secret import Secret
from reportdl_core.verdicts import Verdict, final_verdict, note

__all__ = ["Record"]


@final
class Record:
    """What happened to one token so far."""

    __slots__ = ("facts", "job", "policy", "seed", "token", "verdict")

    job: Job
    policy: Policy
    seed: int
    facts: Facts

    def __init__(self, job: Job, policy: Policy, seed: int, facts: Facts) -> None:
        self.job, self.policy, self.seed, self.facts = job, policy, seed, facts
        self.token: Secret | None = None
        self.verdict: Verdict | None = None

    def know(self, formats: tuple[str, ...]) -> None:
        """Note what the report is known to offer without having been asked here (D12)."""
        self.facts.formats = formats
        if listed(self.job.format, formats) is None:
            self._end(Reason.INVALID_FORMAT)

    def take(self, command: Command, event: Event, now: float, *, asking: bool = False) -> None:
        """Note what `event`, the answer to `command`, says. `asking`: another request stays outstanding beside it."""
        facts, pauses = self.facts, self.facts.pauses
        match event:
            case FormatsListed():
                self._on_formats_listed(event, now)
            case TokenIssued():
                self._on_token_issued(event, now)
            case LookedUp():
                self._on_valid(now)
                facts.due, facts.pauses = now, 0
            case RunFinished():
                self._on_run_finished(now)
            case StatusReported(status=Status.OK) if isinstance(command, Run):
                self._on_run_finished(now)  # `run`'s OK, from a driver that calls it so (R18)
            case FileReceived():
                self.verdict = Verdict(Move.CONSUME, Reason.DELIVERED, receipt=event.receipt)
            case FileNotKept():
                # Neither a refusal nor a loss: the token may be spent, so never a second `get` by itself (D44).
                note(facts, command, event, now)
                reason = Reason.NOT_KEPT if event.why is Kept.FAILED else Reason.UNVERIFIED
                self.verdict = Verdict(Move.FAIL, reason, kept=event.path)
            case WaitElapsed():
                self._hold_back()  # what was told meanwhile, be it to a `run` that adds nothing any more
            case CredentialsRenewed():
                facts.renewed, facts.renewal, facts.due = command.number, Renewal.SPENT, now
                self._hold_back()  # the one repeat that needs no pause (I13)
            case Cancelled() if isinstance(command, Wait):
                self._hold_back()  # given up by its driver: that is no failure, and no pause that is over
            case StatusReported() | Refused() | Lost() | Cancelled():
                note(facts, command, event, now)
                self._on_failure(command, event, now)
                if asking and isinstance(command, Run) and facts.run is RunPhase.OVER:
                    # That request stands for the pause, so that the next one made has this one's length (D19).
                    facts.pauses = min(pauses, max(facts.pauses - 1, 0))
            case _:
                assert_never(event)

    @property
    def _insuring(self) -> bool:
        # `run` is alive and its own answer is awaited: `check` only insures, and its failures end nothing (D19).
        return self.facts.run is RunPhase.ALIVE and not self.facts.ready

    def _rest(self, now: float) -> None:
        held = self.facts.held_until
        rest(self.facts, self.policy, seed=self.seed, now=now, insuring=self._insuring, held=held)

    def _at_once(self, now: float) -> None:
        # But a renewal that failed keeps its pause, whatever else comes in the meantime (I13).
        if self.facts.renewal is not Renewal.WANTED:
            self.facts.due = now

    def _end(self, reason: Reason, move: Move = Move.FAIL) -> None:
        self.verdict = Verdict(move, reason)

    # -- good answers -------------------------------------------------------------------------------------------

    def _on_valid(self, now: float) -> None:
        self._hear(now)
        # Any success re-arms the renewal: a credential of five minutes needs several in one run (D16).
        if self.facts.renewal is Renewal.SPENT:
            self.facts.renewal = Renewal.ARMED

    def _hear(self, now: float) -> None:
        # One valid answer ends a silence (D19).
        self.facts.heard, self.facts.quiet_since, self.facts.silence = True, now, Silence.NOTHING

    def _on_formats_listed(self, event: FormatsListed, now: float) -> None:
        facts = self.facts
        self._on_valid(now)
        facts.formats, facts.due, facts.pauses = event.formats, now, 0
        if facts.naming or listed(self.job.format, event.formats) is None:
            self._end(Reason.INVALID_FORMAT)

    def _on_token_issued(self, event: TokenIssued, now: float) -> None:
        facts = self.facts
        self._on_valid(now)
        self.token = event.token
        # The clock counts from the moment `init` was sent: the server's own began later, never earlier (D1).
        facts.token_from, facts.due, facts.pauses = facts.other_sent, now, 0

    def _on_run_finished(self, now: float) -> None:
        self.facts.run = RunPhase.OVER
        if self.facts.naming:
            return  # the format was refused, and that is the end of it (D12)
        if self.facts.ready:
            self._on_valid(now)  # `check` saw the file before: what a lost or early `get` still waits for stays
        else:
            self._on_ready(now)

    def _on_ready(self, now: float) -> None:
        facts = self.facts
        self._on_valid(now)
        if not facts.ready:
            facts.ready, facts.pauses = True, 0
        facts.step, facts.run_unproven, facts.odd_checks = Step.GET, False, 0
        self._at_once(now)

    def _on_in_progress(self, now: float) -> None:
        facts = self.facts
        self._on_valid(now)
        facts.odd_checks = 0
        expiry = expires_at(facts)
        if expiry is not None and facts.other_sent is not None and facts.other_sent >= expiry:
            facts.kept_on = True
            if facts.run_unproven:  # a `run` that never arrived looks just like this, for ever
                self._end(Reason.EXPIRED, Move.EXPIRE)
        self._rest(now)

    # -- failures -----------------------------------------------------------------------------------------------

    def _on_failure(self, command: Command, event: Failure, now: float) -> None:
        answer = answer_of(event)
        if isinstance(event, Refused) and answer is Answer.BUSY:
            self._on_busy(command, event, now)
        if isinstance(command, Run):
            self._on_run_failure(command, event, answer, now)
        elif self.facts.naming:
            self._end(Reason.INVALID_FORMAT)  # the other formats stay unnamed (D12)
        elif isinstance(command, RenewCredentials):
            self._on_renewal_failed(answer, now)
        else:
            self._on_meaning(MEANINGS[answer, type(command)], command, event, answer, now)

    def _on_busy(self, command: Command, event: Refused, now: float) -> None:
        # The server told us when: that is not silence, but it stays within the job's deadline (D19). Who says no time
        # tells nothing: no valid answer, and none that was said before is taken back.
        facts, told = self.facts, self._told(event, now)
        if told is None:
            return
        facts.held_until = told if facts.held_until is None else max(facts.held_until, told)
        facts.quiet_since = max(facts.quiet_since, told if isinstance(command, Get) else facts.held_until)

    def _hold_back(self) -> None:
        # A Retry-After stays honoured (D19). It holds `check` back, not the file that is ready (D2).
        facts = self.facts
        if facts.held_until is not None and not (facts.ready and facts.step is Step.GET):
            facts.due = max(facts.due, facts.held_until)

    def _told(self, event: Refused, now: float) -> float | None:
        after = event.retry_after or 0.0
        return instant(min(now + after, self.facts.end)) if after > 0 else None

    def _on_repeat(self, command: Command, event: Failure, now: float) -> None:
        if isinstance(command, Get):
            # What held `check` back does not hold the file back (D2), only what `get` is told itself.
            told = self._told(event, now) if isinstance(event, Refused) else None
            rest(self.facts, self.policy, seed=self.seed, now=now, insuring=False, held=told)
        else:
            self._rest(now)

    def _on_renewal_failed(self, answer: Answer, now: float) -> None:
        if answer in (Answer.NOT_SENT, Answer.UNAVAILABLE, Answer.BUSY):
            # A repeat like every other, also while `run` is alive: only `check` merely insures then (D19).
            held = self.facts.held_until
            rest(self.facts, self.policy, seed=self.seed, now=now, insuring=False, held=held)
        else:
            self._end(Reason.CREDENTIALS)

    def _want_renewal(self, command: Command, now: float) -> None:
        facts = self.facts
        older = command.number <= facts.renewed  # an older credential was refused: repeat without renewing (D16)
        if older or facts.renewal is not Renewal.SPENT:
            self._at_once(now)
            facts.renewal = facts.renewal if older else Renewal.WANTED
        elif self._insuring and isinstance(command, Check):
            # D19 before D16: it ends no live `run`. The next one, an interval later, may renew once more.
            facts.renewal = Renewal.ARMED
            self._rest(now)
        else:
            self._end(Reason.CREDENTIALS)

    def _on_run_failure(self, command: Run, event: Failure, answer: Answer, now: float) -> None:
        facts = self.facts
        facts.run = RunPhase.OVER
        if facts.ready and isinstance(event, StatusReported):
            self._hear(now)  # needless as it is, the server has spoken
        if facts.ready or facts.naming:
            return  # `check` saw the file, or the format is refused: whatever becomes of `run` now, it changes nothing
        prompt = facts.run_sent is not None and now - facts.run_sent <= PROMPT
        match MEANINGS[answer, Run]:
            case Meaning.READY:
                self._on_ready(now)
            case Meaning.REPEAT:
                facts.run, facts.run_sent = RunPhase.UNSENT, None
                self._rest(now)
            case Meaning.RENEW if prompt and not facts.run_refusals:
                facts.run, facts.run_sent = RunPhase.UNSENT, None
                facts.run_refusals += 1
                self._want_renewal(command, now)
            case Meaning.FINAL:
                self._on_final(command, event, answer, now)
            case _:
                self._lose_run(command, answer, prompt=prompt, now=now)

    def _lose_run(self, command: Run, answer: Answer, *, prompt: bool, now: float) -> None:
        facts = self.facts
        lost = answer in (Answer.UNAVAILABLE, Answer.BUSY, Answer.CREDENTIALS)
        facts.run_unproven = prompt and lost
        facts.pauses, facts.quiet_since = 0 if lost else facts.pauses, max(facts.quiet_since, now)
        facts.silence = Silence.NOTHING  # it begins here: what came before is another matter
        if answer is Answer.IN_PROGRESS:
            self._on_valid(now)
        self._rest(now)
        dead = answer is Answer.CREDENTIALS and command.number > facts.renewed
        if dead and facts.renewal is Renewal.ARMED:
            facts.renewal, facts.due = Renewal.WANTED, now  # or the `check` would be refused like `run`

    def _on_meaning(self, meaning: Meaning, command: Command, event: Failure, answer: Answer, now: float) -> None:
        facts = self.facts
        match meaning:
            case Meaning.REPEAT:
                self._on_repeat(command, event, now)
            case Meaning.REPEAT_ONCE:
                facts.odd_checks += 1
                self._rest(now)
                if facts.odd_checks >= 2 and facts.run is not RunPhase.ALIVE:
                    self._end(Reason.PROTOCOL)
            case Meaning.RENEW:
                self._want_renewal(command, now)
            case Meaning.POLL:
                self._on_in_progress(now)
            case Meaning.READY:
                self._on_ready(now)
            case Meaning.LOST_GET:
                self._on_lost_get(now)
            case Meaning.NOT_YET:
                self._on_valid(now)
                facts.step = Step.CHECK
                self._rest(now)
            case Meaning.FINAL:
                self._on_final(command, event, answer, now)
            case Meaning.PROTOCOL:
                self._end(Reason.PROTOCOL)
            case _:
                assert_never(meaning)

    def _on_lost_get(self, now: float) -> None:
        facts = self.facts
        facts.lost_gets += 1
        facts.step, facts.quiet_since, facts.silence = Step.CHECK, max(facts.quiet_since, now), Silence.NOTHING
        self._rest(now)
        if facts.lost_gets >= 2:
            self._end(Reason.TRANSFER_LOST)

    def _on_final(self, command: Command, event: Failure, answer: Answer, now: float) -> None:
        facts = self.facts
        if answer is Answer.ERROR and isinstance(command, Check) and self._too_early(now):
            # Perhaps asked before the server knew of `run`: once more (D18).
            facts.early_errors += 1
            self._on_valid(now)
            facts.due = now + pause(self.policy, seed=self.seed, number=facts.number, times=0)
            return
        expiry = expires_at(facts)
        expired = expiry is not None and now >= expiry
        self.verdict = final_verdict(facts, command, event, answer, expired=expired)
        unnamed = facts.formats is None and not isinstance(command, ListFormats)
        held = facts.held_until is not None and facts.held_until > now
        if self.verdict.reason is Reason.INVALID_FORMAT and unnamed and not held:
            # Command without a preflight: the others are named before the end (D12). But an end that is known does not
            # wait for a Retry-After, only to be told better (D19).
            self.verdict, facts.naming, facts.run = None, True, RunPhase.OVER
            self._at_once(now)

    def _too_early(self, now: float) -> bool:
        facts = self.facts
        alive = facts.run is RunPhase.ALIVE and facts.run_sent is not None and not facts.ready
        return alive and not facts.early_errors and now - (facts.run_sent or 0.0) <= EARLY_ERROR
