"""Decides what a transport must prove in bad weather: every fault in every state, with real files, against the table.

    class TestMyFaults(FaultContract):
        make_transport = TestMine.make_transport

Whole jobs run through `Client` or `AsyncClient`; one test is one fault, its five states at the same time. Must never
measure what the table says: expectations stand in `expected`, counts are taken at the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, final

import pytest

import reportdl
from reportdl.testing.canned import PDF
from reportdl.testing.faults import FAULTS, Ends
from reportdl.testing.faults.expected import EXPECTED, Deviation, Row, Word
from reportdl.testing.faults.server import STATES, FaultServer
from reportdl.testing.faults.verdicts import Verdict, for_ever, once
from reportdl.testing.raw_server import RawServer
from reportdl.testing.stage import CREDENTIAL, MakeTransport
from reportdl.testing.staging import Staged, staged
from reportdl_core.errors import Reason
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy

__all__ = ["FaultContract"]

_LEFT: Final = 2.0  # seconds for every connection to end, once the job has
_TOKEN: Final = "s3cr3t"  # noqa: S105 - part of every token of the fault server

# Nothing here is waited for: it is long enough for a busy machine.
_PATIENT: Final = Policy(
    first_pause=0.01, longest_pause=0.03, connect_timeout=10.0, stall_timeout=10.0, max_bytes=1024 * 1024
)


# Where patience is the subject. A dripping byte comes every 150 ms, so only a limit over the whole life ends it.
def _limited(seconds: float) -> Policy:
    return replace(
        _PATIENT,
        connect_timeout=seconds / 2,
        stall_timeout=seconds,
        request_timeout=seconds,
        run_timeout=seconds,
        get_timeout=seconds,
    )


_LIMITED: Final = {"http": _limited(0.6), "https": _limited(1.8)}  # a handshake takes its time on a busy machine
# A fault that never heals: a few tries, then a pause so long that patience ends in it, with no request under way.
_SILENCE: Final = {"http": 2.0, "https": 4.0}
_TIMED_OUT: Final = 4.0  # seconds for a job that only its own deadline ends
# What is called coded and is not is kept as it came (D34): no byte of it is lost.
_AS_IT_CAME: Final = frozenset({"gzip said and not done", "a coding that nobody asked for"})
_BLIND: Final = 1.5  # seconds for a job that can only run out of time


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    """What became of one cell."""

    reason: Reason
    asked: str
    folder: tuple[str, ...]
    wrong: tuple[str, ...]


class FaultContract(Staged):
    """What becomes of a job under every fault. Give it `make_transport`; set `library` for an async one.

    `deviations` are what the transport does instead of what the table says, by the fault's name: a case that stands
    there must differ just so.
    """

    deviations: ClassVar[Mapping[str, Deviation]] = MappingProxyType({})

    @pytest.mark.parametrize("name", FAULTS)
    @pytest.mark.rules("I3", "I5", "I10", "I11", "D21", "D35")
    def test_a_fault_that_strikes_once(
        self, make_transport: MakeTransport, scheme: str, name: str, tmp_path: Path
    ) -> None:
        self._row(make_transport, scheme, name, tmp_path, once, times=1)

    @pytest.mark.deep
    @pytest.mark.parametrize("name", FAULTS)
    @pytest.mark.rules("I5", "I8", "I13", "D21")
    def test_a_fault_that_never_heals(
        self, make_transport: MakeTransport, scheme: str, name: str, tmp_path: Path
    ) -> None:
        self._row(make_transport, scheme, name, tmp_path, for_ever, times=None)

    def _row(
        self,
        make: MakeTransport,
        scheme: str,
        name: str,
        folder: Path,
        verdict: Callable[[Row, str, str], Verdict],
        *,
        times: int | None,
    ) -> None:
        row = _deviating(EXPECTED[name], self.deviations.get(name), scheme)

        def play(state: str) -> _Played:
            cell = _Cell(name, row, state, scheme, times)
            return cell.play(make, self.library, scheme, folder / state)

        with ThreadPoolExecutor(len(STATES)) as pool:
            played = dict(zip(STATES, pool.map(play, STATES), strict=True))
        wrong = [
            f"{state}: {complaint}"
            for state in STATES
            for complaint in _complaints(verdict(row, state, scheme), played[state])
        ]
        if wrong:
            pytest.fail("\n".join([f"{name} ({scheme})", *wrong]), pytrace=False)


def _deviating(row: Row, deviation: Deviation | None, scheme: str) -> Row:
    if deviation is None or scheme not in deviation.schemes:
        return row
    words = tuple(deviation.words.get(state, row.word(state, scheme)) for state in STATES)
    unheard, raced = deviation.unheard.get(scheme, row.unheard), row.unheard if scheme in deviation.raced else None
    return replace(row, words=words, tls=None, unheard=unheard, raced=raced)


@final
class _Cell:
    """One fault in one state."""

    def __init__(self, fault: str, row: Row, state: str, scheme: str, times: int | None) -> None:
        self._fault, self._row, self._state, self._scheme, self._times = fault, row, state, scheme, times
        self._word = row.word(state, scheme)

    @property
    def _policy(self) -> Policy:
        policy = _LIMITED[self._scheme] if FAULTS[self._fault].ends is Ends.AT_A_LIMIT else _PATIENT
        if self._times is None:
            policy = replace(policy, first_pause=0.05, longest_pause=60.0, growth=8.0)
            if self._row.unheard is Reason.TIMED_OUT:
                return replace(policy, job_timeout=_TIMED_OUT)
            silence = _SILENCE[self._scheme]
            return replace(policy, silence=silence, first_contact=silence)
        return replace(policy, job_timeout=_BLIND) if self._word is Word.BLIND else policy

    def play(self, make: MakeTransport, library: str | None, scheme: str, folder: Path) -> _Played:
        """A job from its beginning to its end, and what is left of it."""
        (folder / "files").mkdir(parents=True)
        stage = staged(make, library, scheme, folder)
        try:
            with RawServer(_never) as elsewhere, self._server(stage.server_tls, elsewhere.url) as server:
                stage.reach(server.url)
                call = self._sync if library is None else self._async
                ended = stage.call(call, f"{server.url}/base", stage.transport, folder / "files")
                stage.close_transport()
                wrong = self._wrong(ended, server, elsewhere, folder / "files")
                if not server.all_left(timeout=_LEFT):
                    wrong.append("a connection is still open")
                return _Played(
                    reason=ended.outcome.reason if isinstance(ended, reportdl.DownloadError) else Reason.DELIVERED,
                    asked=" ".join(server.states),
                    folder=tuple(sorted(path.name for path in (folder / "files").iterdir())),
                    wrong=tuple(wrong),
                )
        finally:
            stage.close()

    def _server(self, tls: Any, elsewhere: str) -> FaultServer:
        return FaultServer(self._fault, on=self._state, times=self._times, tls=tls, elsewhere=elsewhere)

    def _sync(self, url: str, transport: Any, folder: Path) -> Receipt | reportdl.DownloadError:
        credentials = reportdl.Token(CREDENTIAL)
        with reportdl.Client(url, credentials=credentials, policy=self._policy, transport=transport) as client:
            try:
                return client.download(1042, format="pdf", to=folder)
            except reportdl.DownloadError as error:
                return error

    async def _async(self, url: str, transport: Any, folder: Path) -> Receipt | reportdl.DownloadError:
        credentials = reportdl.Token(CREDENTIAL)
        client = reportdl.aio.AsyncClient(url, credentials=credentials, policy=self._policy, transport=transport)
        async with client:
            try:
                return await client.download(1042, format="pdf", to=folder)
            except reportdl.DownloadError as error:
                return error

    def _wrong(
        self, ended: Receipt | reportdl.DownloadError, server: FaultServer, elsewhere: RawServer, folder: Path
    ) -> list[str]:
        """What no cell may ever show, whatever the table says."""
        wrong: list[str] = []
        if max(server.runs, default=0) > 1:
            wrong.append(f"a token was run more than once: {server.runs} (I3)")
        if max(server.files, default=0) > 1:
            wrong.append(f"a token gave more than one whole file: {server.files} (I5)")
        if elsewhere.seen:
            wrong.append(f"{len(elsewhere.seen)} requests went elsewhere (D31)")
        said = f"{ended!r} {ended}"
        wrong += [f"{secret!r} is shown (D39)" for secret in (_TOKEN, CREDENTIAL) if secret in said]
        if isinstance(ended, Receipt):
            whole = PDF[:-7] if self._word is Word.SHORT else PDF
            if ended.path is None or ended.path.read_bytes() != whole:
                wrong.append("the file is not the file (I10)")
        elif self._word is Word.ASIDE and self._fault in _AS_IT_CAME:
            kept = ended.outcome.kept
            if kept is None or Path(kept).read_bytes() != PDF:
                wrong.append("what is kept aside is not what came (D34)")
        return wrong


def _complaints(expected: Verdict, played: _Played) -> list[str]:
    complaints = list(played.wrong)
    if played.reason not in (expected.reason, expected.raced):
        complaints.append(f"{expected.reason.value} expected, {played.reason.value} came")
    if not re.fullmatch(expected.asked, played.asked):
        complaints.append(f"asked: {expected.asked!r} expected, {played.asked!r} came")
    if played.folder != expected.folder:
        complaints.append(f"folder: {expected.folder} expected, {played.folder} found")
    return complaints


def _never(seen: object) -> Any:
    raise AssertionError("nobody may come here")
