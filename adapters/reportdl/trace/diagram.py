"""Decides how a trace looks as a Mermaid sequence diagram: the server between the two connections that ask it.

Must never let a text of a server's end or change the diagram: what Mermaid would read as its own is written as an
entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reportdl.trace.reading import Moved, Trace
from reportdl.trace.wording import asked, happened
from reportdl_core.commands import Finish, RenewCredentials, Run, Wait
from reportdl_core.events import FileNotKept, Lost, Refused, WaitElapsed
from reportdl_core.lifecycle import State

__all__ = ["diagram"]

_OTHER, _SERVER, _RUN = "other", "server", "running"


def diagram(trace: Trace) -> str:
    """The trace in Mermaid's words, ending in a line break."""
    job = trace.job
    lines = [
        "sequenceDiagram",
        f"    participant {_OTHER} as connection for all else",
        f"    participant {_SERVER} as server, element {job.element}/{job.segment}",
        f"    participant {_RUN} as connection for run",
    ]
    runs: set[int] = set()
    state: State | None = None
    for move in trace.moves:
        lines += [f"    {line}" for line in _lines(move, runs, state)]
        runs |= {command.number for command in move.new if isinstance(command, Run)}
        state = move.state
    return "\n".join([*lines, ""])


def _lines(move: Moved, runs: set[int], before: State | None) -> Iterator[str]:
    event = move.event
    if event is not None and not isinstance(event, WaitElapsed):
        side = _RUN if event.number in runs else _OTHER
        arrow = "--x" if isinstance(event, Lost) else "-->>"
        bad = "#10007; " if isinstance(event, Lost | Refused | FileNotKept) else ""
        yield f"{_SERVER}{arrow}{side}: {bad}{_text(happened(event))} ({move.at:.1f} s)"
    for number in move.superseded:
        # A wait that is given up travels nowhere.
        if number in runs:
            yield f"{_RUN}-x{_SERVER}: superseded"
    if move.state is not before and not any(isinstance(command, Finish) for command in move.new):
        yield f"Note over {_OTHER},{_RUN}: {move.state.value}"
    for command in move.new:
        words = _text(asked(command, now=move.at))
        match command:
            case Wait():
                yield f"Note right of {_OTHER}: {words}"
            case Finish():
                yield f"Note over {_OTHER},{_RUN}: {words} ({move.at:.1f} s)"
            case Run():
                yield f"{_RUN}->>{_SERVER}: {words}"
            case RenewCredentials():
                yield f"{_OTHER}->>{_SERVER}: {words} (credentials)"
            case _:
                yield f"{_OTHER}->>{_SERVER}: {words}"


def _text(words: str) -> str:
    """Words that Mermaid takes for words."""
    return re.sub(r"[^\w .,*/()\-]", lambda found: f"#{ord(found[0])};", words)
