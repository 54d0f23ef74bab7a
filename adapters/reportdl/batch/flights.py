"""Decides who may carry a job on, when many machines could: one at a time, and never from an older message.

A broker delivers a message at least once, and may deliver it again while its worker lives or after a later one. So
each job has in Redis the number of its latest step, what is known of it, and a lease that its worker keeps alive; a
step is claimed, handed on and ended by scripts that no other client sees half-done. Must never hold a token in clear.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from typing import Any, Final, cast, final

from redis import Redis
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisSlow
from redis.retry import Retry

from reportdl_core.errors import ReportdlError

__all__ = ["BrokerUnusable", "Claim", "Flight", "Flights", "LeaseLost"]

LEASE: Final = 9.0
"""Seconds after which a worker that says nothing counts as dead."""

_BEAT: Final = 2.0
_RETRIES: Final = 60  # over a restart of the broker
_FIRST_RETRIES: Final = 10  # half a second apart: who has just begun may have mistyped its address
_LONGEST: Final = 1.0
_GRACE: Final = 5.0  # seconds for a step that was handed on to arrive in the queue


class LeaseLost(ReportdlError):
    """Another worker has the job: this one leaves it alone, and has sent nothing since."""


class BrokerUnusable(ReportdlError):
    """A broker that is not there, is gone for longer than a restart takes, or refuses what it is asked."""


class Claim(Enum):
    """What a worker may do with a message."""

    FIRST = "first"  # nobody has begun this step: what its checkpoint shows was not sent
    AGAIN = "again"  # somebody has, and is gone: perhaps it was sent (D43)
    HELD = "held"  # somebody is at it
    STALE = "stale"  # a later step is under way
    OVER = "over"

    def __repr__(self) -> str:
        return f"Claim.{self.name}"


# KEYS: rows, results, lease. A row is {step, phase, since, record}; the lease is a key of its own, so that it expires.
_CLAIM: Final = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {'over', ''} end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return {'over', ''} end
local row = cjson.decode(known)
local step = tonumber(ARGV[2])
if step < row.step then return {'stale', ''} end
if not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4]) then return {'held', ''} end
local before = row.phase
row.phase = 'claimed'
row.worker = ARGV[3]
row.claims = before == 'claimed' and row.claims + 1 or 1
row.since = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(row))
return {before == 'claimed' and 'again' or 'first', row.record, row.claims}
"""
_WRITE: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return 0 end
local row = cjson.decode(known)
if row.phase ~= 'claimed' or row.worker ~= ARGV[2] then return 0 end
row.record = ARGV[3]
if ARGV[4] == 'hand on' then
    row.step = row.step + 1
    row.phase = 'sending'
    row.since = tonumber(ARGV[5])
    redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(row))
return row.step
"""
_SENT: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return end
local row = cjson.decode(known)
if row.step ~= tonumber(ARGV[2]) then return end
if row.phase == 'sending' then row.phase = 'queued' end
row.since = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(row))
"""
_END: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return 0 end
local row = cjson.decode(known)
if row.phase ~= 'claimed' or row.worker ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
"""
_BEGIN: Final = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return -1 end
local step = redis.call('HINCRBY', KEYS[4], ARGV[1], 1000)
local row = {step=step, phase='sending', since=tonumber(ARGV[2]), record=ARGV[3]}
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(row))
return step
"""
# A lease that ended while the broker was away is taken back, as long as nobody else has claimed the step.
_HOLD: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return 0 end
local row = cjson.decode(known)
if row.phase ~= 'claimed' or row.worker ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
return 1
"""

# A path of the batch belongs to one row, whoever carries it and however often, or to rows of one name (see `Ledger`).
_CHOOSE: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
    local row, name = string.match(known, '^(%d+):(.*)$')
    if row ~= ARGV[2] and (name == '' or name ~= ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
return 1
"""
_CHUNK: Final = 1_000


def _redis(url: str, retry: Retry) -> Any:
    try:
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its keywords are untyped
            url,
            decode_responses=True,
            retry=retry,
            retry_on_error=[RedisGone, RedisSlow],
            socket_timeout=30.0,
            socket_connect_timeout=5.0,
        )
    except ValueError as error:  # its text has no part of the URL, which may hold a password
        raise BrokerUnusable(f"REPORTDL_BROKER is no URL of a Redis: {error}") from None


@final
class Flights:
    """The jobs of one batch that are with workers. `url` is a Redis; its restarts are waited for. Thread-safe.

    Raises BrokerUnusable where the URL is none.
    """

    def __init__(self, url: str, batch: str) -> None:
        self._url = url
        self._redis: Any = _redis(url, Retry(ExponentialBackoff(cap=_LONGEST, base=0.05), _RETRIES))
        self._name = f"reportdl:{batch}"
        self._rows, self._results = f"{self._name}:rows", f"{self._name}:results"
        self._steps, self._formats = f"{self._name}:steps", f"{self._name}:formats"
        self._paths = f"{self._name}:paths"

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    def forget(self) -> None:
        """The batch is over: nothing of it stays."""
        self._redis.delete(self._rows, self._results, self._steps, self._formats, self._paths)

    @contextmanager
    def led(self) -> Generator[None]:
        """Lead a crew while the block runs. Raises BrokerUnusable where the broker is not there, or goes for good."""
        try:
            with _redis(self._url, Retry(ConstantBackoff(0.5), _FIRST_RETRIES)) as redis:
                redis.ping()
            yield
        except RedisError as error:
            said = str(error).rstrip(".")
            raise BrokerUnusable(
                f"the broker that REPORTDL_BROKER names cannot be used: {said}; what workers have goes on, and the "
                "same command collects it and goes on with the rest"
            ) from error

    # -- the coordinator's ----------------------------------------------------------------------------------------

    def keep_paths(self, paths: Iterable[tuple[int, str, str]]) -> None:
        """Tell the workers which rows have which paths already: row, its name, path."""
        left = iter(paths)
        while some := list(islice(left, _CHUNK)):
            pipeline = self._redis.pipeline(transaction=False)
            for row, name, path in some:
                pipeline.hsetnx(self._paths, path, f"{row}:{name}")  # what a worker has chosen since is newer
            pipeline.execute()

    def begin(self, row: int, record: Mapping[str, Any]) -> int | None:
        """Note a job that is about to be sent; its step's number. None where it is with the workers already."""
        keys = (self._rows, self._results, self._lease(row), self._steps)
        step = int(self._redis.eval(_BEGIN, len(keys), *keys, row, time.time(), json.dumps(record)))
        return None if step < 0 else step

    def sent(self, row: int, step: int) -> None:
        """The message of a step is in the queue."""
        self._redis.eval(_SENT, 1, self._rows, row, step, time.time())

    def results(self) -> dict[int, dict[str, Any]]:
        """What workers have ended, until `collected`."""
        found = cast("dict[str, str]", self._redis.hgetall(self._results))
        return {int(row): json.loads(text) for row, text in found.items()}

    def collected(self, rows: Iterable[int]) -> None:
        """These results stand in the ledger."""
        self._redis.hdel(self._results, *rows)

    def stranded(self, *queues: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Jobs whose worker is gone, or whose message is: row, step, what was known.

        A message counts as gone where all `queues` are empty and nobody has claimed it: a worker took it and died. To
        send one more is harmless, since only one is claimed.
        """
        now, empty = time.time(), not any(self._redis.llen(queue) for queue in queues)
        for text, value in self._redis.hscan_iter(self._rows, count=500):
            row, known = int(text), json.loads(value)
            if now - known["since"] > _GRACE and self._gone(row, known["phase"], empty):
                yield row, known["step"], json.loads(known["record"])

    def _gone(self, row: int, phase: str, empty: bool) -> bool:
        match phase:
            case "claimed":
                return not self._redis.exists(self._lease(row))
            case "queued":
                return empty
            case _:
                return True

    # -- a worker's -----------------------------------------------------------------------------------------------

    @contextmanager
    def claim(self, row: int, step: int, worker: str) -> Generator[tuple[Claim, Flight | None]]:
        """Take a step for as long as the block runs, if it is to be had; the flight is None where it is not."""
        values = (row, step, worker, int(LEASE * 1000), time.time())
        keys = (self._rows, self._results, self._lease(row))
        said, record, *claims = self._redis.eval(_CLAIM, len(keys), *keys, *values)
        claim = Claim(said)
        if claim not in (Claim.FIRST, Claim.AGAIN):
            yield claim, None
            return
        flight = Flight(self, row, worker, json.loads(record), claims=int(claims[0]))
        over = threading.Event()
        beat = threading.Thread(target=self._keep_alive, args=(row, worker, over), daemon=True, name="reportdl-lease")
        beat.start()
        try:
            yield claim, flight
        finally:
            over.set()
            beat.join()

    def _keep_alive(self, row: int, worker: str, over: threading.Event) -> None:
        while not over.wait(_BEAT):
            keys = (self._rows, self._results, self._lease(row))
            if not self._redis.eval(_HOLD, len(keys), *keys, row, worker, int(LEASE * 1000)):
                return  # it is somebody else's by now; the next write says so

    def write(self, row: int, worker: str, record: Mapping[str, Any], *, hand_on: str = "") -> int:
        """Write what is known of a job, as the one who has its lease; the step's number. Raises LeaseLost."""
        keys = (self._rows, self._results, self._lease(row))
        values = (row, worker, json.dumps(record), hand_on, time.time())
        step = int(self._redis.eval(_WRITE, len(keys), *keys, *values))
        if not step:
            raise LeaseLost(f"another worker has row {row}")
        return step

    def end(self, row: int, worker: str, record: Mapping[str, Any]) -> None:
        """The job is over, as the one who has its lease says. Raises LeaseLost."""
        keys = (self._rows, self._results, self._lease(row))
        if not self._redis.eval(_END, len(keys), *keys, row, worker, json.dumps(record)):
            raise LeaseLost(f"another worker has row {row}")

    def choose(self, row: int, path: str, *, name: str) -> bool:
        """Give a path to a row, if no other has it; whether it was free. See `keeper.Store.choose`."""
        return bool(self._redis.eval(_CHOOSE, 1, self._paths, path, row, name))

    def formats(self, server: str, element: int) -> tuple[str, ...] | None:
        """What an element offers, if a worker has asked."""
        found = self._redis.hget(self._formats, f"{server}/{element}")
        return None if found is None else tuple(json.loads(found))

    def keep_formats(self, server: str, element: int, formats: tuple[str, ...]) -> None:
        """Remember what an element offers."""
        self._redis.hset(self._formats, f"{server}/{element}", json.dumps(formats))

    def _lease(self, row: int) -> str:
        return f"{self._name}:lease:{row}"


@final
class Flight:
    """One job in the hands of one worker: the columns that are known of it."""

    def __init__(self, flights: Flights, row: int, worker: str, record: dict[str, Any], *, claims: int) -> None:
        self.claims: int = claims
        """How many workers have begun this step, this one included."""
        self._flights, self._row, self._worker = flights, row, worker
        self.record: dict[str, Any] = record

    def write(self) -> None:
        """Make what is known outlast this worker. Raises LeaseLost."""
        self._flights.write(self._row, self._worker, self.record)

    def hand_on(self) -> int:
        """Let go of the job for its next step, whose number this is. Raises LeaseLost."""
        return self._flights.write(self._row, self._worker, self.record, hand_on="hand on")

    def end(self) -> None:
        """The job is over. Raises LeaseLost."""
        self._flights.end(self._row, self._worker, self.record)

    def choose(self, path: str) -> bool:
        """As `Flights.choose`."""
        return self._flights.choose(self._row, path, name=self.record["name"])

    def formats(self, server: str, element: int) -> tuple[str, ...] | None:
        """As `Flights.formats`."""
        return self._flights.formats(server, element)

    def keep_formats(self, server: str, element: int, formats: tuple[str, ...]) -> None:
        """As `Flights.keep_formats`."""
        self._flights.keep_formats(server, element, formats)
