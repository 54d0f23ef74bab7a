"""For each invariant, a small change of the core that breaks just this one: the kind that looks right in a review.

A saboteur is a text of the core and what stands there instead. `test_saboteurs.py` makes a copy of the core with the
change in it and runs the tests of the core against the copy.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SABOTEURS", "Saboteur"]


class Saboteur(NamedTuple):
    """Breaks `invariant` in `module`, so that `harm` follows. `also`: other invariants that cannot stay whole then."""

    invariant: str
    module: str
    harm: str
    before: str
    after: str
    also: frozenset[str] = frozenset()


SABOTEURS = (
    Saboteur(
        "I1",
        "lifecycle",
        "a session that is used up fails afterwards",
        "    (Move.FAIL, State.READY, State.ERROR),\n",
        "    (Move.FAIL, State.READY, State.ERROR),\n    (Move.FAIL, State.CONSUMED, State.ERROR),\n",
    ),
    Saboteur(
        "I2",
        "endpoint_register",
        "a token works in anybody's hands",
        "return session if (session.user, session.element, session.segment) == (user, element, segment) else None",
        "return session if (session.element, session.segment) == (element, segment) else None",
    ),
    Saboteur(
        "I3",
        "download",
        "a job that is taken up again sends a `run` that may have left a second time",
        'sent=Sent.UNKNOWN, message="the process that asked is gone"',
        'sent=Sent.NOT_SENT, message="the process that asked is gone"',
    ),
    Saboteur(
        "I4",
        "session",
        "`get` waits for a `check` that nobody needs any more",
        "if isinstance(self._other, Check) and wanted is not Check:",
        "if isinstance(self._other, Check) and wanted is not Check and wanted is not Get:",
        # The pauses after `check` are counted, and the token looked at in `get`, on a way that goes through here.
        also=frozenset({"I13", "I2"}),
    ),
    Saboteur(
        "I5",
        "endpoint",
        "two clients with one token get the file",
        "if session.sending is not None:  # its client may be dead (D42)",
        "if session.cell.state is State.CONSUMED:  # its client may be dead (D42)",
    ),
    Saboteur(
        "I6",
        "deadlines",
        "a token that has died by the clock is sent once more, because the file was seen",
        "return policy.expiry is Expiry.DOCUMENTED or facts.run is RunPhase.UNSENT",
        "return (policy.expiry is Expiry.DOCUMENTED and not facts.ready) or facts.run is RunPhase.UNSENT",
    ),
    Saboteur(
        "I7",
        "session",
        "a late answer makes the session decide anew",
        "            if command is None:\n                return ()\n",
        "            if command is None:\n                return self._decide(now)\n",
        also=frozenset({"I3", "I4", "I5", "I9"}),  # a race in which two threads bring one answer: the second is late
    ),
    Saboteur(
        "I8",
        "session",
        "a transfer goes on after the job's end",
        "deadline = min(now + instant(policy.get_timeout), self._record.facts.end)",
        "deadline = now + instant(policy.get_timeout)",
    ),
    Saboteur(
        "I9",
        "facts",
        "a job that was written down has forgotten how often it paused",
        "    return packed\n",
        '    packed["pauses"] = min(facts.pauses, 1)\n    return packed\n',
    ),
    Saboteur(
        "I10",
        "intake",
        "half a file is published under its final name",
        "if head.length is not None and self._received != head.length:",
        "if head.length is not None and self._received > head.length:",
    ),
    Saboteur(
        "I11",
        "envelope",
        "a body that is nested deeply enough raises out of the core",
        "except (ValueError, RecursionError):",
        "except ValueError:",
    ),
    Saboteur(
        "I12",
        "http_head",
        "an envelope without a name of its own passes for the file, and the session for consumed",
        '_ENVELOPES: Final = frozenset({"", "application/json", ',
        '_ENVELOPES: Final = frozenset({"", ',
    ),
    Saboteur(
        "I13",
        "record",
        "a renewal that failed is repeated at once when something else is answered",
        "if self.facts.renewal is not Renewal.WANTED:\n            self.facts.due = now",
        "if True:\n            self.facts.due = now",
    ),
)
