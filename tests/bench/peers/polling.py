"""What people would pick instead: the polling code of well-known clients, asked whether a file is ready.

    python polling.py virtual SECONDS ...      delay after ready and number of polls, in virtual time
    python polling.py real URL FOLDER MS ...   the same over sockets, file fetched and kept

Runs in the benchmark's own environment. Each way is a thin driver over the library's own loop and its own defaults;
where a library leaves the interval to its user, the one named here is what its documentation shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__: list[str] = []

Check = Callable[[], bool]


def azure(check: Check) -> None:
    from azure.core.polling import LROPoller
    from azure.core.polling.base_polling import LROBasePolling

    class Polling(LROBasePolling):
        def initialize(self, client: Any, initial: Any, callback: Any) -> None:
            self._status = "InProgress"
            self._operation = SimpleNamespace(get_final_get_url=lambda _: None)
            self._pipeline_response = SimpleNamespace(http_response=SimpleNamespace(headers={}))

        def update_status(self) -> None:
            self._status = "Succeeded" if check() else "InProgress"

        def _sleep(self, delay: float) -> None:
            time.sleep(delay)

        def resource(self) -> None:
            return None

    LROPoller(None, None, lambda _: None, Polling()).result()


def google(check: Check) -> None:
    from google.api_core.future.polling import PollingFuture

    class Future(PollingFuture):
        def done(self, retry: Any = None) -> bool:
            ready = check()
            if ready and not self._result_set:
                self.set_result(None)
            return ready

        def cancel(self) -> bool:
            return False

        def cancelled(self) -> bool:
            return False

        def running(self) -> bool:
            return True

    Future().result(timeout=None)


def botocore(check: Check) -> None:
    from botocore.waiter import SingleWaiterConfig, Waiter

    config = {
        "operation": "Check",
        "delay": 15,  # the commonest delay in botocore's own waiters
        "maxAttempts": 10_000,
        "acceptors": [{"state": "success", "matcher": "path", "argument": "ready", "expected": True}],
    }
    Waiter("ready", SingleWaiterConfig(config), lambda **_: {"ready": check()}).wait()


def tableau(check: Check) -> None:
    from tableauserverclient.server.endpoint.jobs_endpoint import Jobs

    class Job:
        finish_code, completed_at, progress, notes, id = 0, None, "0", (), "1"
        FinishCode = type("FinishCode", (), {"Success": 0, "Failed": 1, "Cancelled": 2, "Completed": 3})

    class Waiting(Jobs):
        def __init__(self) -> None:
            pass

        def get_by_id(self, job_id: str) -> Any:
            job = Job()
            job.completed_at = "now" if check() else None
            return job

    Waiting().wait_for_job("1")


def tenacity(check: Check) -> None:
    import tenacity

    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda ready: not ready), wait=tenacity.wait_exponential(), sleep=time.sleep
    )(check)


def stamina(check: Check) -> None:
    import stamina

    for attempt in stamina.retry_context(on=LookupError, attempts=None, timeout=None):
        with attempt:
            if not check():
                raise LookupError


def every(seconds: float) -> Callable[[Check], None]:
    def loop(check: Check) -> None:
        while not check():
            time.sleep(seconds)

    return loop


WAYS: dict[str, Callable[[Check], None]] = {
    "azure-core LROPoller": azure,
    "google-api-core PollingFuture": google,
    "botocore waiter, 15 s": botocore,
    "tableauserverclient wait_for_job": tableau,
    "looker_sdk, loop of 5 s": every(5.0),
    "tenacity wait_exponential()": tenacity,
    "stamina retry_context": stamina,
    "requests, loop of 1 s": every(1.0),
    "aiohttp, loop of 1 s": every(1.0),
    "curl, loop of 1 s": every(1.0),
    "wget, loop of 1 s": every(1.0),
}


# -- virtual time -------------------------------------------------------------------------------------------------


class Clock:
    """Stands in for the clocks that the libraries read; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


def virtual(way: Callable[[Check], None], seconds: float, start: float) -> tuple[float, int]:
    """Delay after ready, and polls, of a file that is ready after `seconds`; the first poll comes at `start`."""
    clock, polls = Clock(), 0
    clock.now = start
    begun = time.time()

    def check() -> bool:
        nonlocal polls
        polls += 1
        clock.now += 0.001
        return clock.now >= seconds

    real = time.sleep, time.monotonic, time.time, time.perf_counter
    time.sleep, time.monotonic, time.time = clock.sleep, lambda: clock.now, lambda: begun + clock.now
    time.perf_counter = lambda: clock.now
    try:
        way(check)
    finally:
        time.sleep, time.monotonic, time.time, time.perf_counter = real
    return clock.now - seconds, polls


def schedules(durations: list[float]) -> None:
    random.seed(7)
    for name, way in WAYS.items():
        way(lambda: True)  # imported before the clock stands still
        for seconds in durations:
            # Over the same span of durations as ours.
            rounds = [virtual(way, seconds * (1 + part * 0.618034 % 1 / 4), 0.0) for part in range(48)]
            delay = sum(delay for delay, _ in rounds) / len(rounds)
            polls = sum(polls for _, polls in rounds) / len(rounds)
            print(json.dumps({"way": name, "seconds": int(seconds), "delay": delay, "polls": polls}), flush=True)


# -- over sockets -------------------------------------------------------------------------------------------------


class Requests:
    """The calls by `requests`; one session for `run`, one for the rest."""

    def __init__(self, url: str, element: int) -> None:
        import requests

        self.base = f"{url}/api/element/id/{element}/segment/0/download/state/"
        self.session, self.alone = requests.Session(), requests.Session()

    def text(self, state: str, query: str = "", *, alone: bool = False) -> bytes:
        session = self.alone if alone else self.session
        return bytes(session.get(self.base + state + query).content)


class Aiohttp:
    """The same by `aiohttp`, on a loop in a thread of its own."""

    def __init__(self, url: str, element: int) -> None:
        import asyncio

        import aiohttp

        self.base = f"{url}/api/element/id/{element}/segment/0/download/state/"
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

        async def made() -> Any:
            return aiohttp.ClientSession()

        self.run: Callable[[Any], Any] = lambda work: asyncio.run_coroutine_threadsafe(work, self.loop).result()
        self.session = self.run(made())

    def text(self, state: str, query: str = "", *, alone: bool = False) -> bytes:
        async def asked() -> bytes:
            async with self.session.get(self.base + state + query) as response:
                return bytes(await response.read())

        return bytes(self.run(asked()))


class Looker(Requests):
    """The same by looker_sdk's own transport."""

    def __init__(self, url: str, element: int) -> None:
        super().__init__(url, element)
        from looker_sdk.rtl import requests_transport, transport

        class Settings(transport.PTransportSettings):
            base_url, verify_ssl, timeout, headers = url, True, 120, None
            agent_tag, is_configured = "bench", lambda self: True

        self.by = requests_transport.RequestsTransport(Settings(), self.session)
        self.get = transport.HttpMethod.GET

    def text(self, state: str, query: str = "", *, alone: bool = False) -> bytes:
        if alone:
            return super().text(state, query, alone=True)
        return bytes(self.by.request(self.get, self.base + state + query).value)


class Program:
    """The same by a program a call."""

    def __init__(self, url: str, element: int, *command: str) -> None:
        self.base = f"{url}/api/element/id/{element}/segment/0/download/state/"
        self.command = command

    def text(self, state: str, query: str = "", *, alone: bool = False) -> bytes:
        command = [*self.command, self.base + state + query]
        return subprocess.run(command, check=True, capture_output=True).stdout


def calls(name: str, url: str, element: int) -> Any:
    kind = name.split(",", 1)[0]
    match kind:
        case "aiohttp":
            return Aiohttp(url, element)
        case "looker_sdk":
            return Looker(url, element)
        case "curl":
            return Program(url, element, "curl", "-s")
        case "wget":
            return Program(url, element, "wget", "-q", "-O", "-")
        case _:
            return Requests(url, element)


def job(name: str, url: str, folder: str, element: int) -> float:
    """One file brought home the peer's way; the moment when it was kept."""
    by = calls(name, url, element)
    by.text("formats")
    token = json.loads(by.text("init"))["token"]
    query = f"?token={token}"
    threading.Thread(target=by.text, args=("run", f"{query}&format=pdf"), kwargs={"alone": True}, daemon=True).start()
    time.sleep(0.02)  # else the first check overtakes `run`
    WAYS[name](lambda: json.loads(by.text("check", query))["status"] == "READY")
    data = by.text("get", f"{query}&format=pdf")
    hashlib.sha256(data).hexdigest()
    path = os.path.join(folder, f"{os.getpid()}.pdf")
    with open(f"{path}.part", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.part", path)
    return time.monotonic()


def over_sockets(name: str, url: str, folder: str, elements: list[int]) -> None:
    for element in elements:
        print(json.dumps({"kept": job(name, url, folder, element)}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["virtual", *durations]:
            schedules([float(seconds) for seconds in durations])
        case ["real", way, url, folder, *elements]:
            over_sockets(way, url, folder, [int(element) for element in elements])
        case _:
            sys.exit(__doc__)
