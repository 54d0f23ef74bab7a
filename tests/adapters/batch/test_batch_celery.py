"""Many workers over a real Redis: killed with -9, the broker restarted, and every job done once or named."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reportdl.batch import Budget, Lanes, Ledger
from reportdl.batch.crew import Crew
from reportdl.batch.flights import BrokerUnusable, Claim, Flights, LeaseLost
from reportdl.batch.plan import State
from reportdl.batch.rows import Wished
from reportdl.seal import Seal
from reportdl.server import Accounts, LoopbackServer
from reportdl_core.job import Job

pytestmark = pytest.mark.needs("redis-server")


class Broker:
    """A redis-server of the test's own, with its append-only file on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        command = ["redis-server", *words, "--appendonly", "yes", "--logfile", "redis.log", "--daemonize", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("redis-server does not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()


class Workers:
    """Worker processes, each the leader of a session of its own, so that one kill takes its pool along."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder, self._env = folder, env
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, number: int, *, pool: int = 1) -> None:
        words = ["worker", "--pool", "prefork", "-c", str(pool), "-n", f"w{number}-{time.monotonic_ns()}@test"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        command = [sys.executable, "-m", "celery", "-A", "reportdl.batch.celery", *words, *quiet]
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append(process)

    def kill(self, number: int) -> None:
        process = self._running.pop(number)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        while self._running:
            self.kill(0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "redis")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def crew(desk: Any, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts workers for an endpoint's URL."""
    crews: list[Workers] = []
    Seal.from_key_file(desk.folder / "crew.key")
    monkeypatch.setenv("REPORTDL_BROKER", broker.url)

    def start(url: str, count: int, **servers: str) -> Workers:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
        more = servers or {"REPORTDL_URL": url, "REPORTDL_TOKEN": "any"}
        more |= {"REPORTDL_BROKER": broker.url, "NO_PROXY": "*"}
        env = {**kept, **more, "REPORTDL_KEY_FILE": str(desk.folder / "crew.key"), "C_FORCE_ROOT": "1"}
        workers = Workers(desk.folder, env)
        crews.append(workers)
        for number in range(count):
            workers.start(number)
        return workers

    yield start
    for workers in crews:
        workers.end()


def lead(desk: Any, broker: Broker, url: str, *words: str) -> subprocess.Popen[bytes]:
    """The process that leads them."""
    os.environ["REPORTDL_BROKER"] = broker.url
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
    env = {**kept, "REPORTDL_URL": url, "REPORTDL_TOKEN": "any", "REPORTDL_BROKER": broker.url, "NO_PROXY": "*"}
    command = [sys.executable, "-m", "reportdl", *words]
    return subprocess.Popen(command, cwd=desk.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


BATCH = ("batch", "night.csv", "-o", "out", "--engine", "celery")


def told(desk: Any) -> Counter[str]:
    """What the ledger says of generations beyond the first, each by itself."""
    return Counter(part for note in desk.rows("note") if note for part in note.split("; "))


@pytest.mark.parametrize(
    "words",
    [
        ("--jobs", "8"),
        ("--jobs-in-all", "8"),
        ("--trace", "t"),
        ("--jobs", "8", "--dry-run"),
        ("--storage-option", "endpoint_url=http://127.0.0.1"),
        ("--timeout", "3600"),  # the default, and typed all the same
        ("--expiry", "documented"),
        ("--no-preflight",),
    ],
)
def test_what_has_no_meaning_for_a_crew_is_refused_before_there_is_a_ledger(desk, words):
    desk.jobs("1042,csv,one")
    ran = desk.run(*BATCH, *words, url="https://mi.example.com")
    assert ran.code == 2, ran.err
    assert f"{words[0]} is for the local engine" in ran.err.replace("\n", " ")
    assert [path.name for path in desk.folder.iterdir()] == ["night.csv"]


@pytest.mark.deep
@pytest.mark.rules("D43", "I3")
def test_ten_jobs_and_a_worker_that_is_killed(desk, broker, crew):
    desk.jobs(*(f"1042,csv,r{number}" for number in range(10)))
    with LoopbackServer(generation_seconds=1.0, generations_at_once=16) as server:
        workers = crew(server.url, 2)
        leader = lead(desk, broker, server.url, *BATCH)
        server.wait_for("run", 2, timeout=40.0)
        workers.kill(0)
        workers.start(2)
        out, err = leader.communicate(timeout=55)
        assert leader.returncode == 0, err.decode()
        assert len(out.splitlines()) == 10
        assert [name for name in desk.files if not name.startswith(".")] == sorted(f"r{n}.csv" for n in range(10))
        assert server.count("run") == 10 + sum(told(desk).values())
        assert server.count("init") >= 10
    assert desk.rows("state") == ["done"] * 10


@pytest.mark.deep
@pytest.mark.rules("D31", "D12")
def test_a_crew_over_two_servers_and_one_that_no_worker_was_told_of(desk, broker, crew, serving):
    names = ("emea", "us")
    servers = {name: serving(accounts=Accounts(bearers={f"canary-{name}": name})) for name in names}
    given = " ".join(f"{name}={one.url}" for name, one in servers.items())
    told = {f"REPORTDL_{name.upper()}_TOKEN": f"canary-{name}" for name in names}
    told |= {f"REPORTDL_{name.upper()}_TOKEN_KIND": "bearer" for name in names}
    lines = [f"{name},1042,{key},{name}-{key}" for name in names for key in ("csv", "pdf", "xml")]
    lines += ["mars,1042,csv,m1", "mars,1042,pdf,m2"]
    (desk.folder / "night.csv").write_text("\n".join(["server,element,format,name", *lines, ""]))
    crew("", 2, REPORTDL_SERVER=given, **told)
    words = (*BATCH, "--server", "mars=https://mars.example", *(f"--server={word}" for word in given.split()))
    ran = desk.run(*words, url=None, REPORTDL_BROKER=broker.url)  # the leader needs no credential
    assert ran.code == 8, ran.err
    assert [name for name in desk.files if not name.startswith(".")] == sorted(
        f"{name}-{key}.{key}" for name in names for key in ("csv", "pdf", "xml")
    )
    assert [one.count("run") for one in servers.values()] == [3, 3]
    assert {one.count("formats") for one in servers.values()} <= {1, 2}  # by the first, or by the two first at once
    assert "was not told of a server https://mars.example" in ran.err
    assert "emea: 3 of 3 are here\n  mars: 0 of 2 are here, " in ran.err
    assert not any(b"canary" in path.read_bytes() for path in desk.folder.rglob("*") if path.is_file())


@pytest.mark.rules("D37")
def test_a_step_is_claimed_by_one_and_an_older_message_by_nobody(broker):
    flights = Flights(broker.url, "b")
    number = flights.begin(7, {"name": "x"})
    assert number is not None
    assert flights.begin(7, {}) is None
    flights.sent(7, number)
    with flights.claim(7, number, "one") as (claim, flight):
        assert claim is Claim.FIRST
        assert flight is not None
        assert flight.record == {"name": "x"}
        with flights.claim(7, number, "two") as (second, nothing):
            assert (second, nothing) == (Claim.HELD, None)
        flight.record["name"] = "y"
        onward = flight.hand_on()
        with pytest.raises(LeaseLost):
            flight.write()
        with pytest.raises(LeaseLost):
            flight.end()
    with flights.claim(7, number, "three") as (claim, _):
        assert claim is Claim.STALE
    with flights.claim(7, onward, "four") as (claim, flight):
        assert flight is not None
        assert (claim, flight.record, flight.claims) == (Claim.FIRST, {"name": "y"}, 1)
    flights._redis.delete(flights._lease(7))  # the fourth has died
    with flights.claim(7, onward, "five") as (claim, flight):
        assert flight is not None
        assert (claim, flight.claims) == (Claim.AGAIN, 2)
        flight.end()
    with flights.claim(7, onward, "six") as (claim, _):
        assert claim is Claim.OVER
    assert flights.results() == {7: {"name": "y"}}
    flights.collected([7])
    flights.forget()
    assert flights._redis.dbsize() == 0
    flights.close()


# -- ordinary trouble --------------------------------------------------------------------------------------------------


def test_a_broker_that_is_no_redis_is_no_bug(desk):
    desk.jobs("1042,csv,one")
    ran = desk.run(*BATCH, url="https://mi.example.com", REPORTDL_BROKER="amqp://bob:s3cretpw@host")
    assert ran.code == 1
    assert "REPORTDL_BROKER is no URL of a Redis" in ran.err
    assert "bug" not in ran.err
    assert "s3cretpw" not in ran.err


def test_a_broker_that_is_not_there_or_goes_for_good_is_told(broker, monkeypatch):
    monkeypatch.setattr("reportdl.batch.flights._FIRST_RETRIES", 1)
    monkeypatch.setattr("reportdl.batch.flights._RETRIES", 1)
    url = broker.url.replace("redis://", "redis://bob:s3cretpw@")
    with (
        contextlib.closing(Flights(url, "b")) as flights,
        pytest.raises(BrokerUnusable, match="cannot be used") as refused,
        flights.led(),
    ):
        raise AssertionError("the block is not begun")
    assert "s3cretpw" not in str(refused.value)
    with contextlib.closing(Flights(broker.url, "b")) as flights:
        with (
            pytest.raises(BrokerUnusable, match=r"that REPORTDL_BROKER names cannot be used: .*refused"),
            flights.led(),
        ):
            assert flights.begin(7, {}) is not None
            broker.kill()
            flights.begin(8, {})
        with pytest.raises(BrokerUnusable), flights.led():
            raise AssertionError("the block is not begun")


class Seeing:
    """What watches a leader; says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_a_job_that_the_broker_has_lost_says_so_at_its_end(tmp_path, broker, monkeypatch):
    flights, job = Flights(broker.url, "b"), Job(element=1042, format="csv")

    def done(batch: str, row: int, number: int, record: dict[str, Any]) -> None:
        with flights.claim(row, number, "w") as (_, flight):
            assert flight is not None
            flight.record |= {"state": "done", "path": "out/x.csv"}
            flight.end()

    monkeypatch.setattr("reportdl.batch.crew.send", done)
    with Ledger(tmp_path / "ledger") as ledger, contextlib.closing(flights):
        ledger.add([Wished(line=1, server="", job=job, name="x.csv")])
        (row,) = ledger.rows(State.WAITING)
        ledger.update(row.id, state="running", note="generated again: before")
        crew = Crew(
            ledger=ledger,
            flights=flights,
            lanes=Lanes(per_server=4),
            servers=[""],
            settings={"id": "b"},
            budget=Budget(),
            watch=Seeing(),
            sleep=lambda _: None,
        )
        crew.run(ledger.rows(State.RUNNING))
        (row,) = ledger.rows(State.DONE)
    assert row.note == "generated again: before; begun again: the broker has lost what it held of it"


@pytest.fixture
def record(tmp_path, broker, monkeypatch) -> dict[str, Any]:
    """What is known of a job whose destination is a folder in a file, on a worker that is told of its server."""
    Seal.from_key_file(tmp_path / "crew.key")
    (tmp_path / "file").write_text("")
    told = {"REPORTDL_BROKER": broker.url, "REPORTDL_KEY_FILE": str(tmp_path / "crew.key")}
    for name, value in {**told, "REPORTDL_URL": "https://mi.example.com", "REPORTDL_TOKEN": "any"}.items():
        monkeypatch.setenv(name, value)
    settings: dict[str, Any] = {"id": "b", "to": str(tmp_path / "file" / "out"), "clash": "suffix"}
    settings |= {"servers": {"": "https://mi.example.com"}}
    blank = dict.fromkeys(("path", "size", "sha256", "reason", "error", "note", "began", "ran", "got", "ended"))
    known = {"id": 1, "line": 1, "server": "", "name": "x.csv", "job": ["1042", "0", "csv"], "state": "running"}
    return {**blank, **known, "attempts": 0, "runs": 0, "retryable": False, "checkpoint": None, "settings": settings}


def stepped(broker: Broker, record: dict[str, Any], *, times: int = 1) -> tuple[list[str], dict[str, Any] | None]:
    """What workers say of one step, each after the lease of the one before, and what came of the job."""
    from reportdl.batch.celery import step

    with contextlib.closing(Flights(broker.url, "b")) as flights:
        number = flights.begin(1, record)
        said: list[str] = []
        for _ in range(times):
            said.append(step.apply(args=("b", 1, number, record)).get())
            flights._redis.delete(flights._lease(1))
        return said, flights.results().get(1)


def test_a_worker_that_cannot_write_to_the_destination_says_so_before_anything_is_asked(broker, record):
    said, result = stepped(broker, record)
    assert said == ["over"]
    assert result is not None
    assert (result["state"], result["reason"], result["retryable"], result["attempts"]) == (
        "failed",
        "not kept",
        True,
        1,
    )
    assert f"(on {socket.gethostname()})" in result["error"]
    assert "cannot write to" in result["error"]


def test_a_file_that_is_held_stays_held_where_a_worker_cannot_deliver_it(broker, record):
    said, result = stepped(broker, {**record, "state": "held"})
    assert said == ["over"]
    assert result is not None
    assert (result["state"], result["reason"]) == ("held", "not kept")
    assert "cannot write to" in result["error"]


@pytest.mark.rules("D43")
def test_a_report_on_its_way_is_left_to_workers_that_can_write_and_ends_with_the_reason(broker, record, monkeypatch):
    monkeypatch.setattr("reportdl.batch.celery._CLAIMS", 3)
    under_way = {**record, "checkpoint": "a sealed one"}
    said, result = stepped(broker, under_way, times=4)
    assert said == ["left alone"] * 3 + ["given up"]
    assert result is not None
    assert (result["state"], result["retryable"]) == ("failed", True)
    assert "cannot write to" in result["error"]
    assert "memory" not in result["error"]


@pytest.mark.rules("I10", "D43")
def test_a_path_is_one_rows_however_often_its_task_is_delivered(broker):
    flights = Flights(broker.url, "b")
    flights.keep_paths([(3, "", "/out/old.pdf"), (4, "x.pdf", "/out/x.pdf")])
    for row, name in ((7, ""), (8, ""), (9, "x.pdf")):
        number = flights.begin(row, {"name": name})
        assert number is not None
        with flights.claim(row, number, "one") as (_, flight):
            assert flight is not None
            assert flight.choose("/out/sales.pdf") is (row == 7)
            assert not flight.choose("/out/old.pdf")  # of an earlier start
            assert flight.choose("/out/x.pdf") is (row == 9)  # what the list calls so
        flights._redis.delete(flights._lease(row))  # it has died; the broker delivers the same message again
        with flights.claim(row, number, "two") as (claim, flight):
            assert claim is Claim.AGAIN
            assert flight is not None
            assert flight.choose("/out/sales.pdf") is (row == 7)
            assert flight.choose("/out/x.pdf") is (row == 9)
    flights.keep_paths([(1, "", "/out/sales.pdf")])  # another leader, whose ledger is behind
    assert flights.choose(7, "/out/sales.pdf", name="")
    for row in (7, 8, 9):
        flights._redis.delete(flights._lease(row))
    flights.forget()
    assert flights._redis.dbsize() == 0
    flights.close()


@pytest.mark.deep
@pytest.mark.rules("I10", "D24")
def test_workers_do_not_take_each_others_names(desk, broker, crew):
    def lines(*elements: int) -> str:
        return "\n".join(["element,format", *(f"{element},csv" for element in elements), ""])

    path, words = desk.folder / "night.csv", (*BATCH, "--overwrite")
    with LoopbackServer(faults=["get.filename=same.csv"]) as server:
        crew(server.url, 2)
        for elements in ((1042, 1043), (1042, 1043, 1045)):  # between the two Redis forgets, and the ledger does not
            path.write_text(lines(*elements))
            leader = lead(desk, broker, server.url, *words)
            _, err = leader.communicate(timeout=55)
            assert leader.returncode == 0, err.decode()
        assert [name for name in desk.files if not name.startswith(".")] == [
            "same (2).csv",
            "same (3).csv",
            "same.csv",
        ]


@pytest.mark.deep
@pytest.mark.timeout(1500)
@pytest.mark.rules("D43", "I3", "I10")
def test_two_hundred_jobs_while_workers_are_killed_and_the_broker_is_restarted(desk, broker, crew):
    jobs, chance = 200, random.Random(8)
    desk.jobs(*(f"1042,csv,r{number}" for number in range(jobs)))
    with LoopbackServer(generation_seconds=1.0, generations_at_once=16) as server:
        workers = crew(server.url, 4)
        leader = lead(desk, broker, server.url, *BATCH)
        kills = restarts = 0
        began = time.monotonic()
        while leader.poll() is None:
            time.sleep(chance.uniform(2.0, 6.0))
            if leader.poll() is None and kills < 25:
                workers.kill(chance.randrange(4))
                workers.start(4 + kills)
                kills += 1
            if kills in (8, 16) and restarts < kills // 8:
                broker.restart()
                restarts += 1
        out, err = leader.communicate(timeout=60)
        runs, named = server.count("run"), told(desk)
        print(
            f"\n{jobs} jobs, {kills} workers killed with -9, {restarts} restarts of the broker, "
            f"{time.monotonic() - began:.0f} s; `run` at the server {runs}; named in the ledger: {dict(named)}"
        )
        assert leader.returncode == 0, err.decode()
        assert [name for name in desk.files if not name.startswith(".")] == sorted(f"r{n}.csv" for n in range(jobs))
        assert kills >= 10
        assert restarts >= 1
        assert runs == jobs + sum(count for note, count in named.items() if note.startswith("generated again"))
    assert desk.rows("state") == ["done"] * jobs
    assert len(out.splitlines()) == jobs
