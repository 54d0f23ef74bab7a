"""Decides what a word of the table means in full: the end, the requests in their order, and what lies in the folder.

Once, or for ever: a fault that never heals ends every job too, within its limits (I8, I13). Must never look at a
transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from reportdl.testing.faults.expected import Row, Word
from reportdl.testing.faults.server import STATES
from reportdl_core.errors import Reason

__all__ = ["Verdict", "for_ever", "once"]

_FILE: Final = ("Sales.pdf",)
_ASIDE: Final = ("Sales.pdf.unverified",)

_ENDS: Final = {
    Word.CREDENTIALS: Reason.CREDENTIALS,
    Word.DENIED: Reason.ACCESS_DENIED,
    Word.ABSENT: Reason.NOT_FOUND,
    Word.MISSING: Reason.ENDPOINT_MISSING,
    Word.MOVED: Reason.REDIRECTED,
    Word.REFUSED: Reason.REFUSED,
    Word.PROTOCOL: Reason.PROTOCOL,
    Word.FAILED: Reason.GENERATION_FAILED,
    Word.ASIDE: Reason.UNVERIFIED,
    Word.LARGE: Reason.NOT_KEPT,
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a job ends, what the server read (a regular expression over the state words), what is in the folder."""

    reason: Reason
    asked: str
    folder: tuple[str, ...] = ()
    raced: Reason | None = None


def _path(state: str) -> list[str]:
    """The requests of a job in which nothing goes wrong; where `check` is to be reached, `run` is lost."""
    return [one for one in STATES if one != "check" or state == "check"]


def _until(state: str) -> list[str]:
    path = _path(state)
    return path[: path.index(state) + 1]


def _delivered(*asked: str) -> Verdict:
    return Verdict(reason=Reason.DELIVERED, asked=" ".join(asked), folder=_FILE)


def once(row: Row, state: str, scheme: str) -> Verdict:
    """The verdict where the fault strikes once."""
    word = row.word(state, scheme)
    if word in _ENDS:
        folder = _ASIDE if word is Word.ASIDE else ()
        return Verdict(reason=_ENDS[word], asked=" ".join(_until(state)), folder=folder)
    match word:
        case Word.SAME | Word.SHORT | Word.UNSEEN:
            return _delivered(*_path(state))
        case Word.SURPLUS:
            # The next request on that connection, which is `init` or `get`, may be given up and asked again.
            spoilt = {"init": "init( init)?", "get": "(check )?get"} if state == "formats" else {"get": "(check )?get"}
            return _delivered(*(spoilt.get(one, one) for one in _path(state)))
        case Word.AGAIN:
            return _delivered(*(two for one in _path(state) for two in ([one] * (1 + (one == state)))))
        case Word.POLL:
            return _delivered("formats", "init", "run", "check", "get")
        case Word.FETCH:
            return _delivered("formats", "init", "run", "get", "check", "get")
        case Word.ALIKE if state == "get":
            return _delivered("formats", "init", "run", "check", "get")
        case Word.ALIKE:
            return _delivered(*_path(state))
        case Word.BLIND:
            return Verdict(reason=Reason.TIMED_OUT, asked="formats init( check)+")
        case _:
            raise AssertionError(word)


def for_ever(row: Row, state: str, scheme: str) -> Verdict:
    """The verdict where every answer to `state` is spoiled; where the server can no more be reached, all of them."""
    word = row.word(state, scheme)
    match word:
        case Word.UNSEEN | Word.ALIKE | Word.BLIND:
            return Verdict(reason=Reason.UNREACHABLE, asked=" ".join(_until(state)[:-1]))
        case Word.AGAIN if row.unheard is Reason.PROTOCOL:
            # An envelope that cannot be read is final after the second `check`.
            return Verdict(reason=Reason.PROTOCOL, asked=" ".join([*_until(state), state]))
        case Word.AGAIN:
            return Verdict(reason=row.unheard, raced=row.raced, asked=f"{' '.join(_until(state))}( {state})+")
        case Word.FETCH if row.unheard is Reason.TIMED_OUT:
            return Verdict(reason=Reason.TIMED_OUT, asked="formats init run get( check get)+( check)?")
        case Word.FETCH:
            # Lost twice, one more session, lost twice again (D21).
            return Verdict(reason=Reason.TRANSFER_LOST, asked="formats init run get check get init run get check get")
        case _:
            return once(row, state, scheme)
