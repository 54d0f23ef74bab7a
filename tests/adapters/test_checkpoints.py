"""What is kept of a job between two processes: when it is handed over, how it is written, who may go on (D39, D43)."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import pickle
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reportdl
from reportdl import Checkpoint, CheckpointFile, CheckpointUnusable
from reportdl.seal import Seal
from reportdl.server import LoopbackServer
from reportdl_core.secret import Secret

TOKEN = reportdl.Token("cr3dential")
SEAL = Seal(bytes(range(32)))


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def client(server: LoopbackServer) -> Iterator[reportdl.Client]:
    with reportdl.Client(server.url, credentials=TOKEN) as client:
        yield client


class Stop(Exception):
    """The program's own reason to stop."""


def until(server: LoopbackServer, client: reportdl.Client, state: str) -> Checkpoint:
    """The last checkpoint of a job that was stopped when the endpoint's `state` had been asked for."""
    seen: list[Checkpoint] = []

    def stop(checkpoint: Checkpoint) -> None:
        if server.count(state):
            raise Stop
        seen.append(checkpoint)

    with pytest.raises(Stop):
        client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=stop)
    return seen[-1]


@pytest.fixture(scope="module")
def running() -> Checkpoint:
    """Of a job whose `run` is in flight, at a server that nobody asks."""
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=TOKEN) as client:
        return dataclasses.replace(until(server, client, "run"), origin="https://mi.example.com")


@pytest.mark.rules("D43", "I3")
def test_each_checkpoint_is_handed_over_before_what_it_shows_is_asked(
    server: LoopbackServer, client: reportdl.Client
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def kept(checkpoint: Checkpoint) -> None:
        shown = [name for name, *_ in checkpoint.snapshot["session"]["outstanding"]]
        seen.append((checkpoint.state.value, shown))
        for name, asked in (("ListFormats", "formats"), ("Init", "init"), ("Run", "run"), ("Get", "get")):
            if shown[:1] == [name]:
                assert server.count(asked) == 0
        assert (checkpoint.token is not None) == (server.count("init") == 1)

    receipt = client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=kept)
    assert receipt.size > 0
    assert seen == [
        ("INIT", ["ListFormats"]),
        ("INIT", ["Init"]),
        ("RUNNING", ["Run", "Wait"]),
        ("READY", ["Get"]),
        ("CONSUMED", []),
    ]


@pytest.mark.rules("D43", "I3")
@pytest.mark.parametrize("nth", range(5))
def test_what_the_callback_raises_ends_the_job_before_anything_more_is_asked(
    server: LoopbackServer, client: reportdl.Client, tmp_path: Path, nth: int
) -> None:
    count = 0

    def kept(_: Checkpoint) -> None:
        nonlocal count
        count += 1
        if count > nth:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        client.download(1042, format="csv", to=tmp_path / "r.csv", on_checkpoint=kept)
    assert [call.state for call in server.calls] == ["formats", "init", "run", "get"][:nth]
    # Published before the last checkpoint: the file is whole then, and otherwise nothing is there.
    assert [path.name for path in tmp_path.iterdir()] == (["r.csv"] if nth == 4 else [])


@pytest.mark.rules("D43", "D38")
@pytest.mark.parametrize("state", ["formats", "init", "run", "get"])
def test_a_job_that_was_stopped_anywhere_goes_on_from_its_last_checkpoint(
    server: LoopbackServer, client: reportdl.Client, tmp_path: Path, state: str
) -> None:
    saved = Checkpoint.opened(until(server, client, state).sealed(SEAL), seal=SEAL)
    got = client.resume(saved, to=tmp_path)
    assert got.path is not None
    assert got.path.stat().st_size == got.size
    if state != "get":  # there the file had gone to a stream that is lost
        assert (server.count("run"), server.count("get")) == (1, 1)


@pytest.mark.rules("D30", "D39", "D43")
def test_the_cookies_of_a_session_go_on_with_it_sealed(running: Checkpoint) -> None:
    saved = dataclasses.replace(running, cookies={"AWSALB": Secret("c00kie/of+a=node"), "zone": Secret("7")})
    line = saved.sealed(SEAL)
    assert "c00kie" not in line + repr(saved)
    assert Checkpoint.opened(line, seal=SEAL) == saved
    with pytest.raises(TypeError):
        pickle.dumps(saved)
    other = dataclasses.replace(saved, written=saved.written + 1.0).sealed(SEAL)
    for damaged in (
        {**json.loads(line), "cookies": json.loads(other)["cookies"]},
        {**json.loads(line), "cookies": json.loads(line)["token"]},
        {**json.loads(line), "token": json.loads(line)["cookies"]},
        {**json.loads(line), "cookies": "?"},
        {**json.loads(line), "cookies": 1},
    ):
        with pytest.raises(CheckpointUnusable):
            Checkpoint.opened(json.dumps(damaged), seal=SEAL)


@pytest.mark.rules("D43")
def test_a_resumed_job_hands_its_first_checkpoint_over_before_it_asks(
    server: LoopbackServer, client: reportdl.Client
) -> None:
    saved = until(server, client, "run")
    before = len(server.calls)
    with pytest.raises(Stop):
        client.resume(saved, to=io.BytesIO(), on_checkpoint=raising)
    assert len(server.calls) == before


def raising(_: Checkpoint) -> None:
    raise Stop


@pytest.mark.rules("D31", "D39")
def test_a_checkpoint_goes_to_no_other_server(client: reportdl.Client, running: Checkpoint) -> None:
    with pytest.raises(CheckpointUnusable, match=r"is of https://mi\.example\.com, not of http://127"):
        client.resume(running, to=io.BytesIO())


@pytest.mark.rules("R27", "I1")
def test_a_job_that_is_over_is_not_taken_up_again(server: LoopbackServer, client: reportdl.Client) -> None:
    seen: list[Checkpoint] = []
    client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=seen.append)
    assert [one.over for one in seen] == [False] * (len(seen) - 1) + [True]
    asked = len(server.calls)
    with pytest.raises(CheckpointUnusable, match=r"ended already \(CONSUMED\)"):
        client.resume(seen[-1], to=io.BytesIO())
    assert len(server.calls) == asked


@pytest.mark.rules("R15", "D1", "D43", "D21")
@pytest.mark.parametrize(
    ("expiry", "away", "inits"), [("CONFIRM", 600, 1), ("DOCUMENTED", 600, 2), ("DOCUMENTED", -600, 1)]
)
def test_the_time_away_ages_the_token_and_a_clock_that_was_set_back_makes_nothing_older(
    server: LoopbackServer, expiry: str, away: float, inits: int
) -> None:
    policy = reportdl.Policy(expiry=reportdl.Expiry[expiry])
    with reportdl.Client(server.url, credentials=TOKEN, policy=policy) as client:
        saved = until(server, client, "run")
        receipt = client.resume(dataclasses.replace(saved, written=saved.written - away), to=io.BytesIO())
    assert receipt.size > 0
    # What expired while nobody held it costs one more session; a server that keeps its sessions longer is believed.
    assert server.count("init") == server.count("run") == inits


@pytest.mark.rules("D39")
def test_a_line_gives_the_same_checkpoint_back_and_shows_no_token(running: Checkpoint) -> None:
    line = running.sealed(SEAL)
    assert "\n" not in line
    assert Checkpoint.opened(line, seal=SEAL) == running == Checkpoint.opened(line.encode(), seal=SEAL)
    assert running.token is not None
    shown = f"{running!r} {running} {vars(type(running))} {line} {json.dumps(running.snapshot)}"
    assert running.token.reveal() not in shown
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(running)


@pytest.mark.rules("D39")
def test_a_line_that_was_changed_anywhere_does_not_open(running: Checkpoint) -> None:
    line = running.sealed(SEAL)
    said = json.loads(line)
    other = json.loads(dataclasses.replace(running, written=running.written + 1).sealed(SEAL))
    changed = [
        *({**said, name: other[name]} for name in ("token", "written")),
        *({**said, name: None} for name in said),
        *({key: value for key, value in said.items() if key != name} for name in said),
        {**said, "origin": "https://evil.example.com"},
        {**said, "job": [1, 0, "csv"]},
        {**said, "version": 2},
        {**said, "more": 1},
    ]
    assert len(changed) == 2 + 2 * len(said) + 4
    for one in changed:
        with pytest.raises(CheckpointUnusable):
            opened_for_use(json.dumps(one))


def opened_for_use(line: str) -> None:
    """A line without its token opens, as it does before `init`; then the core sees that one is missing."""
    with reportdl.Client("https://mi.example.com", credentials=TOKEN) as client:
        client.resume(Checkpoint.opened(line, seal=SEAL), to=io.BytesIO(), on_checkpoint=raising)


@pytest.mark.rules("D39", "I11")
@given(line=st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.integers(), st.lists).map(json.dumps)))
def test_any_other_line_is_refused_as_damaged(line: str | bytes) -> None:
    with pytest.raises(CheckpointUnusable, match="damaged"):
        Checkpoint.opened(line, seal=SEAL)


@pytest.mark.rules("D39")
def test_under_another_key_a_line_does_not_open(running: Checkpoint) -> None:
    with pytest.raises(CheckpointUnusable, match="another key"):
        Checkpoint.opened(running.sealed(SEAL), seal=Seal(bytes(32)))


def test_what_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(CheckpointUnusable):
        Checkpoint.opened("[" * 100_000, seal=SEAL)


def test_a_number_that_no_clock_can_hold_is_refused() -> None:
    line = {"version": 1, "origin": "https://h", "job": [1, 0, "csv"], "state": "INIT", "snapshot": {}, "token": None}
    with pytest.raises(CheckpointUnusable, match="damaged"):
        Checkpoint.opened(json.dumps({**line, "written": 10**400}), seal=SEAL)


@pytest.mark.rules("D43")
def test_a_damaged_snapshot_is_refused_before_anything_is_asked(running: Checkpoint) -> None:
    asked = Secret("token")
    for broken in (
        dataclasses.replace(running, token=None),
        dataclasses.replace(running, snapshot={}),
        dataclasses.replace(running, job=reportdl.Job(element=1, format="csv"), token=asked),
        dataclasses.replace(running, written=float("-inf")),
        dataclasses.replace(running, written=10**400),
        *(dataclasses.replace(running, snapshot={**running.snapshot, name: 10**400}) for name in running.snapshot),
    ):
        with (
            reportdl.Client("https://mi.example.com", credentials=TOKEN) as client,
            pytest.raises(CheckpointUnusable, match="damaged"),
        ):
            client.resume(broken, to=io.BytesIO())


@pytest.mark.rules("D39", "D43")
def test_a_checkpoint_file_is_its_owners_and_goes_when_the_job_is_over(
    server: LoopbackServer, client: reportdl.Client, tmp_path: Path
) -> None:
    saved = CheckpointFile(tmp_path / "job", seal=SEAL)
    assert saved.read() is None
    seen: list[Checkpoint | None] = []

    def kept(checkpoint: Checkpoint) -> None:
        saved(checkpoint)
        if not checkpoint.over:
            assert stat.S_IMODE((tmp_path / "job").stat().st_mode) == 0o600
            assert saved.read() == checkpoint
        seen.append(saved.read())

    client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=kept)
    assert seen[-1] is None
    assert len(seen) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("I10", "D43")
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one_and_ends_the_job(
    server: LoopbackServer,
    client: reportdl.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    running: Checkpoint,
    call: str,
) -> None:
    saved = CheckpointFile(tmp_path / "job", seal=SEAL)
    saved(running)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def kept(checkpoint: Checkpoint) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(f"reportdl.spool.os.{call}", fail)
            saved(checkpoint)

    with pytest.raises(OSError, match="Input/output error"):
        client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=kept)
    assert server.calls == ()
    assert saved.read() == running
    assert [path.name for path in tmp_path.iterdir()] == ["job"]
