"""Decides how workers on many machines share a batch: one step of a job a task, its message the sealed checkpoint.

    REPORTDL_BROKER=redis://... REPORTDL_KEY_FILE=... REPORTDL_URL=... celery -A reportdl.batch.celery worker

A step ends where the session moves on: the checkpoint that shows `run`, then `get`, is handed on before it is sent.
Acknowledged late, so a step whose worker dies comes again, and is then taken up instead of done twice. Must never put a
credential into a message, nor carry a step on without its claim.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any, Final, final

import anyio
from celery import Celery  # pyright: ignore[reportMissingTypeStubs]
from celery.exceptions import OperationalError  # pyright: ignore[reportMissingTypeStubs]
from celery.signals import worker_init  # pyright: ignore[reportMissingTypeStubs]

from reportdl.batch import environment
from reportdl.batch.bring import Bringer
from reportdl.batch.described import credentials_of
from reportdl.batch.destinations import Folder, destination_of
from reportdl.batch.flights import BrokerUnusable, Claim, Flight, Flights, LeaseLost
from reportdl.batch.holding import Holding
from reportdl.batch.plan import Start, State
from reportdl.batch.rows import Row
from reportdl.files import Clash
from reportdl.spooling import TargetUnusable
from reportdl_core.errors import Reason, ReportdlError
from reportdl_core.job import Job

__all__ = ["QUEUES", "app", "first_record", "row_of", "send", "settled", "step"]

_RUN_LIMIT: Final = 1800
_CLAIMS: Final = 25
_POISON: Final = (
    f"{_CLAIMS} workers died over one step of this job: look at their logs, and at the memory that they may use"
)
_UNWRITABLE: Final = "unwritable"  # in a record: what the last worker said of the destination that it cannot write to
QUEUE: Final = "reportdl"
_LATER, _FIRST = 0, 9  # priorities of Redis: a token is waiting behind a later step, nothing behind a first one (R16)
_APART: Final = ":"
QUEUES: Final = (QUEUE, f"{QUEUE}{_APART}{_FIRST}")
"""The lists in Redis that hold messages: later steps, first ones."""

app: Any = Celery("reportdl", broker=environment.broker())
app.conf.update(
    task_default_queue=QUEUE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1000,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # they know by their lease whether they may go on
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "priority_steps": [_LATER, _FIRST],
        "sep": _APART,
        "queue_order_strategy": "priority",
        "visibility_timeout": 2 * _RUN_LIMIT,  # above the longest step: what lives is not delivered twice
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
)

_COLUMNS: Final = ("attempts", "runs", "path", "size", "sha256", "reason", "error", "retryable", "note", "began", "ran")
_MORE: Final = ("got", "ended", "checkpoint", "state")


def first_record(row: Row, settings: dict[str, Any]) -> dict[str, Any]:
    """What the first message says of a row. `settings` are those of the ledger, which hold no credential."""
    job = row.job
    known = {name: getattr(row, name) for name in (*_COLUMNS, "got", "ended", "checkpoint")}
    asked = {"id": row.id, "line": row.line, "server": row.server, "name": row.name}
    wanted = [str(job.element), str(job.segment), job.format]
    return {**known, **asked, "job": wanted, "state": row.state.value, "settings": settings}


def row_of(record: dict[str, Any]) -> Row:
    """The row that a record is of."""
    element, segment, key = record["job"]
    known = {name: record[name] for name in (*_COLUMNS, "got", "ended", "checkpoint")}
    known["retryable"] = bool(known["retryable"])
    job = Job(element=element, segment=segment, format=key)
    return Row(
        id=record["id"],
        line=record["line"],
        server=record["server"],
        job=job,
        name=record["name"],
        state=State(record["state"]),
        **known,
    )


def settled(record: dict[str, Any]) -> dict[str, Any]:
    """The ledger's columns of a record that has come back."""
    return {name: record[name] for name in (*_COLUMNS, *_MORE)}


def send(batch: str, row: int, number: int, record: dict[str, Any]) -> None:
    """Put a step into the queue; waits for the broker. Raises BrokerUnusable."""
    priority = _FIRST if record["checkpoint"] is None else _LATER
    policy = {"max_retries": 60, "interval_start": 0.05, "interval_step": 0.2, "interval_max": 1.0}
    try:
        step.apply_async((batch, row, number, record), priority=priority, retry=True, retry_policy=policy)
    except OperationalError as error:
        raise BrokerUnusable(f"the broker that REPORTDL_BROKER names cannot be used: {error}") from error


@worker_init.connect  # type: ignore[untyped-decorator]
def _look_first(**_: Any) -> None:
    """A worker whose environment lacks something ends at once, instead of failing job after job."""
    try:
        environment.seal()
        for one in environment.servers().values():
            credentials_of(one)
    except (ReportdlError, ValueError) as error:
        raise SystemExit(f"reportdl: {error}") from None


class _LeftAlone(Exception):
    """This worker cannot carry the step on; another may."""


class _HandedOn(Exception):
    """The next step is another task's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@final
class _Carried:
    """A row's store while a worker carries it: what is written goes to Redis at once (see `keeper.Store`)."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._begun = False

    def update(self, row: int, **values: object) -> None:
        self._flight.record.update(values)
        moving = "ran" in values or values.get("got") is not None
        if "checkpoint" in values and moving and self._begun:
            # Before it is sent: whoever claims the next step first may send it, and nobody else (D43, I3).
            raise _HandedOn(self._flight.hand_on())
        self._begun = self._begun or "checkpoint" in values
        self._flight.write()

    def choose(self, row: int, path: str) -> bool:
        free = self._flight.choose(path)
        if free:
            self.update(row, path=path)
        return free

    def append_note(self, row: int, note: str) -> None:
        before = self._flight.record.get("note")
        self._flight.record["note"] = f"{before}; {note}" if before else note
        self._flight.write()

    def formats(self, server: str, element: int) -> tuple[str, ...] | None:
        return self._flight.formats(server, element)

    def keep_formats(self, server: str, element: int, formats: tuple[str, ...]) -> None:
        self._flight.keep_formats(server, element, formats)


@app.task(name="reportdl.step", bind=True)  # type: ignore[untyped-decorator]
def step(task: Any, batch: str, row: int, number: int, record: Any) -> str:
    """Carry one job one step further. Its name, arguments and settings are what workers of one batch agree on."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{task.request.id}"
    flights = Flights(environment.broker(), batch)
    try:
        with flights.claim(row, number, worker) as (claim, flight):
            if flight is None:
                return claim.value
            if flight.claims > _CLAIMS:
                said = flight.record.get(_UNWRITABLE)
                _failed(flight, Reason.NOT_KEPT, said or _POISON, retryable=said is not None)
                flight.end()
                return "given up"
            try:
                anyio.run(_carry, flight, Start.GO_ON if claim is Claim.FIRST else Start.TAKE_UP)
            except _HandedOn as onward:
                send(batch, row, onward.number, flight.record)
                flights.sent(row, onward.number)
                return "handed on"
            except _LeftAlone:
                return "left alone"
            flight.end()
            return "over"
    except LeaseLost:
        return "lost"
    finally:
        flights.close()


async def _carry(flight: Flight, start: Start) -> None:
    record = flight.record
    try:
        server = environment.server_at(record["settings"]["servers"][record["server"]])
    except (ReportdlError, ValueError) as error:
        # Told as what it is for the job; the leader gives this server up, and goes on with the others.
        _failed(flight, Reason.CREDENTIALS, str(error), retryable=True)
        return
    try:
        bringer = _bringer(flight)
        record.pop(_UNWRITABLE, None)
        await bringer.bring(row_of(record), server, start=start)
    except TargetUnusable as error:
        _unwritable(flight, f"{error} (on {socket.gethostname()})")
    finally:
        await server.aclose()


def _failed(flight: Flight, reason: Reason, error: str, *, retryable: bool) -> None:
    flight.record |= {"state": State.FAILED.value, "reason": reason.value, "error": error}
    flight.record |= {"retryable": retryable, "checkpoint": None, "ended": time.time()}


def _unwritable(flight: Flight, said: str) -> None:
    """This machine cannot write to the destination. Raises _LeftAlone where another may still take what is there."""
    record = flight.record
    if record["state"] == State.HELD.value:
        record |= {"reason": Reason.NOT_KEPT.value, "error": said}
    elif record["checkpoint"] is None:  # nothing was asked for yet, so nothing is lost
        record["attempts"] += 1
        _failed(flight, Reason.NOT_KEPT, said, retryable=True)
    else:
        # A report is on its way: it is sent again once this worker's lease is over; told where nobody can write.
        record[_UNWRITABLE] = said
        flight.write()
        raise _LeftAlone


def _bringer(flight: Flight) -> Bringer:
    settings = flight.record["settings"]
    # A store's options, with their keys, are the environment's: FSSPEC_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on.
    destination = destination_of(settings["to"], clash=Clash(settings["clash"]))
    root = destination.root if isinstance(destination, Folder) else environment.holding()
    holding = Holding(os.path.join(root, f".reportdl-held-{settings['id']}"))
    destination.prepare()
    holding.prepare()
    return Bringer(
        store=_Carried(flight),
        seal=environment.seal(),
        holding=holding,
        destination=destination,
        watch=lambda row, progress: None,
    )
