"""A process is killed in the middle of a job, and another one ends it: one generation, one file (D43, I3, I10)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import reportdl
import reportdl_core
from reportdl.server import LoopbackServer
from reportdl.server.sources import ReportInfo
from reportdl_core.switches import ConsumeOn, Switches

ROOTS = [str(Path(module.__file__ or "").parents[1]) for module in (reportdl_core, reportdl)]
CREDENTIAL = "cr3dential"
MANY = 24_000_000
"""More than the sockets between two processes hold: a reader that stops keeps the server writing."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")

# What somebody's nightly job looks like; `stalls` is the moment at which it stands still to be killed.
SCRIPT = """
import sys, time
import reportdl
from reportdl.seal import Seal
how, url, target, folder, stalls = sys.argv[1:]
saved = reportdl.CheckpointFile(f"{folder}/job.saved", seal=Seal.from_key_file(f"{folder}/job.key"))
before = saved.read()
def stall(progress):
    if progress.received and stalls == "in the body":
        print("stalled", flush=True)
        time.sleep(60)
def kept(checkpoint):
    if checkpoint.over and stalls == "once published":
        print("stalled", flush=True)
        time.sleep(60)
    saved(checkpoint)
to = dict(to=target, on_progress=stall, on_checkpoint=kept)
token = reportdl.Token("cr3dential")
if how == "threads":
    with reportdl.Client(url, credentials=token) as client:
        got = client.resume(before, **to) if before else client.download(1, format="csv", **to)
else:
    import anyio
    async def main():
        async with reportdl.aio.AsyncClient(url, credentials=token) as client:
            return await (client.resume(before, **to) if before else client.download(1, format="csv", **to))
    got = anyio.run(main, backend=how)
print("kept", got.size)
"""


class Large:
    """A source of one report that is long."""

    name = "Large"

    def reports(self) -> list[ReportInfo]:
        return [ReportInfo(element=1, name="Large")]

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "large.csv"
        path.write_bytes(b"0123456789abcde\n" * (MANY // 16))
        return path


class Nightly:
    """The same job, started again and again in processes of its own."""

    def __init__(self, folder: Path, server: LoopbackServer, how: str) -> None:
        self.folder, self.server, self.how = folder, server, how
        self.out, self.home = folder / "out", folder / "home"
        self.out.mkdir()
        self.home.mkdir()
        self.target = self.out / "large.csv"

    @contextmanager
    def started(self, stalls: str = "never") -> Iterator[subprocess.Popen[str]]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS), "NO_PROXY": "*"}
        words = [self.how, self.server.url, str(self.target), str(self.home), stalls]
        command = [sys.executable, "-c", SCRIPT, *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def killed(self, moment: Callable[[subprocess.Popen[str]], object], stalls: str = "never") -> None:
        with self.started(stalls) as process:
            moment(process)
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL

    def finished(self) -> None:
        with self.started() as process:
            said, complaints = process.communicate(timeout=40)
        assert (process.returncode, said) == (0, f"kept {MANY}\n"), complaints

    def asked(self) -> tuple[int, int, int]:
        return self.server.count("init"), self.server.count("run"), self.server.count("get")

    def left(self) -> set[str]:
        """The files of both folders, but for spools, which a later sweep finds: they are too young for this one."""
        found = [*self.out.iterdir(), *self.home.iterdir()]
        return {path.name for path in found if not path.name.startswith(".reportdl-")}


def stalled(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "stalled\n"


Made = Callable[..., Nightly]


# Checkpoints are the same in tasks as in threads: what could differ is tried in `make deep-adapters`.
_TASKS = [pytest.param(library, marks=pytest.mark.deep) for library in ("asyncio", "trio")]


@pytest.fixture(params=["threads", *_TASKS])
def how(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def nightly(tmp_path: Path, how: str) -> Iterator[Made]:
    servers: list[LoopbackServer] = []

    def make(**options: object) -> Nightly:
        servers.append(LoopbackServer(sources=[Large()], **options).__enter__())  # type: ignore[arg-type]
        return Nightly(tmp_path, servers[-1], how)

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.rules("D43", "I3", "I10", "D7")
def test_killed_while_run_is_in_flight_it_ends_with_one_init_and_one_run(nightly: Made) -> None:
    job = nightly(generation_seconds=1.0)
    job.killed(lambda _: job.server.wait_for("run"))
    assert job.left() == {"job.key", "job.saved"}
    job.finished()
    assert job.asked() == (1, 1, 1)
    assert job.left() == {"job.key", "large.csv"}
    assert job.target.stat().st_size == MANY


@pytest.mark.deep
@pytest.mark.rules("D43", "I3")
def test_killed_at_every_request_it_asks_for_one_token_and_one_generation(tmp_path: Path) -> None:
    with LoopbackServer(sources=[Large()], generation_seconds=2.5, faults=["formats.delay=0.3:1"]) as server:
        job = Nightly(tmp_path, server, "threads")
        job.killed(lambda _: server.wait_for("formats"))
        job.killed(lambda _: server.wait_for("run"))
        job.killed(lambda _: server.wait_for("check"))
        job.killed(lambda _: server.wait_for("check", 2))
        job.finished()
        assert job.asked() == (1, 1, 1)


@pytest.mark.rules("D43", "D21", "I5")
def test_killed_in_the_body_a_server_that_consumes_at_the_end_gives_it_once_more(nightly: Made) -> None:
    job = nightly(switches=Switches(consume_on=ConsumeOn.END))
    job.killed(stalled, "in the body")
    assert job.left() == {"job.key", "job.saved"}
    job.finished()
    assert job.asked() == (1, 1, 2)
    assert job.left() == {"job.key", "large.csv"}


@pytest.mark.rules("D43", "D21", "R27", "R29")
def test_killed_in_the_body_a_server_that_consumes_at_the_start_generates_once_more_within_the_budget(
    nightly: Made,
) -> None:
    job = nightly(switches=Switches(consume_on=ConsumeOn.START))
    job.killed(stalled, "in the body")
    job.finished()
    assert job.asked() == (2, 2, 2)
    assert job.left() == {"job.key", "large.csv"}


@pytest.mark.deep
@pytest.mark.rules("D43", "D21", "I10")
def test_killed_after_the_file_was_published_the_file_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    with LoopbackServer(sources=[Large()]) as server:
        job = Nightly(tmp_path, server, "threads")
        job.killed(stalled, "once published")
        assert job.target.stat().st_size == MANY
        job.finished()
        # The dead process was the only one that knew: the server says consumed, and the budget pays.
        assert job.asked() == (2, 2, 2)
        assert job.left() == {"job.key", "large.csv"}


@pytest.mark.rules("D39")
def test_nothing_that_a_killed_process_leaves_shows_a_secret(tmp_path: Path) -> None:
    with LoopbackServer(sources=[Large()], generation_seconds=30) as server:
        job = Nightly(tmp_path, server, "threads")
        job.killed(lambda _: server.wait_for("run"))
        (run,) = [call for call in server.calls if call.state == "run"]
        token = run.target.partition("token=")[2].partition("&")[0]
        for path in job.home.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path.name
            for secret in (token, token.replace("%3D", "="), CREDENTIAL):
                assert secret.encode() not in path.read_bytes(), path.name
