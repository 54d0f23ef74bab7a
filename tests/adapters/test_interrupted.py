"""A job that is ended from outside ends as itself and harms nobody: a cancellation, Ctrl-C, callbacks (D38)."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable

import anyio
import anyio.to_thread
import httpx2
import pytest
import trio

import reportdl
from reportdl import aio
from reportdl.drivers.conductor import forget_variables
from reportdl.server import LoopbackServer

pytestmark = pytest.mark.rules("D38")

TOKEN = reportdl.Token("any")
JSON = {"Content-Type": "application/json"}
SLOW = ["run.delay=30"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def test_who_cancels_while_it_handles_an_error_goes_on() -> None:
    """Under trio a cancellation is chained to what its canceller handled, and that one may be waiting by then."""
    heard: list[str] = []

    async def main(server: LoopbackServer) -> None:
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client, trio.open_nursery() as nursery:
            scope, cancelled = trio.CancelScope(), trio.Event()

            async def fetch() -> None:
                with scope:
                    await client.download(1042, format="csv", to=io.BytesIO())
                assert scope.cancelled_caught
                cancelled.set()

            async def watch() -> None:
                await trio.to_thread.run_sync(server.wait_for, "run")
                try:
                    raise ValueError("the source is gone")
                except ValueError as error:
                    scope.cancel()
                    await cancelled.wait()
                    heard.append(str(error))

            nursery.start_soon(fetch)
            nursery.start_soon(watch)

    with LoopbackServer(faults=SLOW) as server:
        trio.run(main, server)
    assert heard == ["the source is gone"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_under_trio_is_a_keyboard_interrupt_and_closes_in_order() -> None:
    """It is chained to a cancellation of trio's own, whose frames are those of the task that we are part of."""
    closed: list[bool] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    async def main(server: LoopbackServer) -> None:
        client = aio.AsyncClient(server.url, credentials=TOKEN)
        try:
            await client.download(1042, format="csv", to=io.BytesIO())
        finally:
            await client.aclose()
            closed.append(True)

    def hit(server: LoopbackServer) -> None:
        server.wait_for("run")
        os.kill(os.getpid(), signal.SIGINT)

    try:
        with LoopbackServer(faults=SLOW) as server:
            thread = threading.Thread(target=hit, args=(server,))
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                trio.run(main, server)
            thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert closed == [True]


def test_what_ends_the_process_comes_out_of_a_callback_as_itself(backend: str) -> None:
    def stop(checkpoint: reportdl.Checkpoint) -> None:
        if checkpoint.state is reportdl.State.RUNNING:
            raise SystemExit(3)

    async def main(server: LoopbackServer) -> None:
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            await client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=stop)

    with LoopbackServer() as server:
        with pytest.raises(SystemExit) as ended:
            anyio.run(main, server, backend=backend)
        assert ended.value.code == 3
        with pytest.raises(SystemExit) as ended, reportdl.Client(server.url, credentials=TOKEN) as client:
            client.download(1042, format="csv", to=io.BytesIO(), on_checkpoint=stop)
        assert ended.value.code == 3
        assert server.count("run") == 0


class Interrupted(httpx2.AsyncBaseTransport):
    """Answers `init`; the request after it is where Ctrl-C is heard."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path.rpartition("/")[2])
        if self.asked[-1] == "init":
            return httpx2.Response(200, headers=JSON, stream=httpx2.ByteStream(b'{"status":"OK","token":"abc"}'))
        raise KeyboardInterrupt


def test_an_interrupt_within_a_request_comes_out_as_itself(backend: str) -> None:
    """`run` has a task beside the driver's: what it raises must not come out as a group."""
    transport = Interrupted()

    async def main() -> None:
        async with (
            httpx2.AsyncClient(transport=transport) as own,
            aio.AsyncClient("http://127.0.0.1", credentials=TOKEN, client=own) as client,
        ):
            await client.download(1042, format="csv", to=io.BytesIO(), formats=("csv",))

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=backend)
    assert transport.asked == ["init", "run"]


@pytest.mark.rules("D39")
def test_an_interrupt_keeps_nothing_of_what_it_came_out_of() -> None:
    """Its chain is cut, not followed; the errors that stand in one group with it are ours, and are cleared."""

    def fails(secret: str) -> None:
        raise ValueError("about something else")

    def interrupted(secret: str) -> None:
        try:
            fails(secret)
        except ValueError as error:
            raise KeyboardInterrupt from error

    def raised(call: Callable[[str], None]) -> BaseException:
        try:
            call("s3cret")
        except BaseException as error:
            return error
        raise AssertionError

    def ends(secret: str) -> None:
        raise BaseExceptionGroup("both", [raised(interrupted), raised(fails)])

    with pytest.raises(BaseExceptionGroup) as caught:
        ends("s3cret")
    interrupt, own = caught.value.exceptions
    forget_variables(caught.value)
    assert interrupt.__cause__ is interrupt.__context__ is None
    for error in (caught.value, interrupt, own):
        trace = error.__traceback__
        while trace is not None:
            assert "secret" not in trace.tb_frame.f_locals
            trace = trace.tb_next
