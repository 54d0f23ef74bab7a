"""A driver's wait ends by what is put in, its deadline, or a signal, also one that came just before it began (D38)."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from operator import call
from types import CodeType, FrameType
from typing import Any, final

import pytest

from reportdl import Client, Token
from reportdl.cli.stops import Stopped, stoppable
from reportdl.drivers import inbox as inboxes
from reportdl.drivers import workers
from reportdl.drivers.inbox import Inbox, _Bell
from reportdl.errands import Errand
from reportdl_core.events import Event, Sent

pytestmark = [
    pytest.mark.rules("D38"),
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As they were, whatever a test does to them."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@final
class Silent:
    """A server that never answers."""

    def __init__(self) -> None:
        self.asked = self.cancelled = 0

    def flight(self, errand: Errand) -> SilentFlight:
        self.asked += 1
        return SilentFlight(self, errand)

    def close(self) -> None:
        pass


@final
class SilentFlight:
    def __init__(self, silent: Silent, errand: Errand) -> None:
        self._silent, self._errand, self._over = silent, errand, threading.Event()

    def perform(self) -> Event:
        self._over.wait(60.0)
        return self._errand.exchange.lost(sent=Sent.UNKNOWN, message="cancelled")

    def cancel(self) -> None:
        self._silent.cancelled += 1
        self._over.set()


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[bool]]:
    """Have a signal arrive where Python can run no handler any more: behind the last instruction, before the sleep.

    Both are calls of C, made by a third: no instruction stands between them. The list says of that one sleep whether
    it was woken; if not, it ended after half a second, by its deadline.
    """
    raise_signal = ctypes.CDLL(None)["raise"]  # Python's own would run the handler before it returns
    real = inboxes._sleeper

    def arriving(number: int) -> list[bool]:
        woken: list[bool] = []

        def sleeper(near: socket.socket) -> Callable[[float], object]:
            poll = select.poll()
            poll.register(near, select.POLLIN)
            assert real(near)(0.0) == []  # nothing has rung yet

            def sleep(seconds: float) -> None:
                if woken:  # the cleaning up
                    poll.poll(seconds * 1000.0)
                    return
                assert seconds > 1.0
                ready: list[object] = []
                steps = (partial(raise_signal, number), partial(poll.poll, 500), ready.append)
                try:
                    ready.extend(map(call, steps[:2]))
                finally:
                    woken.append(bool(ready[1:] and ready[1]))

            return sleep

        monkeypatch.setattr(inboxes, "_sleeper", sleeper)
        return woken

    return arriving


def test_ctrl_c_just_before_the_wait_ends_it(window: Callable[[int], list[bool]]) -> None:
    woken, silent = window(signal.SIGINT), Silent()
    client = Client("http://127.0.0.1", credentials=Token("t"), transport=silent)
    with pytest.raises(KeyboardInterrupt):
        client.formats(1042)
    assert woken == [True]
    assert (silent.asked, silent.cancelled) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_command_just_before_the_wait_ends_it(
    window: Callable[[int], list[bool]], number: signal.Signals
) -> None:
    woken, silent = window(number), Silent()
    client = Client("http://127.0.0.1", credentials=Token("t"), transport=silent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(Stopped) as stopped, stoppable():
        client.formats(1042)
    assert stopped.value.number == number
    assert woken == [True]
    assert (silent.asked, silent.cancelled) == (1, 1)


def test_a_signal_that_another_thread_of_the_process_was_given_ends_the_wait() -> None:
    inbox: Inbox[str] = Inbox()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def hit() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    try:
        inbox.open()
        thread = threading.Thread(target=hit)
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            assert inbox.get(60.0) == "the deadline"
        thread.join()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        inbox.close()


def test_what_is_put_in_comes_out_in_order_whoever_listens() -> None:
    def through(inbox: Inbox[int]) -> list[int | None]:
        inbox.open()

        def write() -> None:
            for number in range(20_000):
                inbox.put(number)

        writer = threading.Thread(target=write)
        writer.start()
        found = [inbox.get(60.0) for _ in range(20_000)]
        writer.join()
        inbox.close()
        inbox.put(7)  # nobody is woken, nothing is raised
        return found

    assert through(Inbox()) == list(range(20_000))
    elsewhere: list[list[int | None]] = []
    other = threading.Thread(target=lambda: elsewhere.append(through(Inbox())))
    other.start()
    other.join()
    assert elsewhere == [list(range(20_000))]


def test_more_bells_than_a_socket_holds_keep_nobody() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.open()
    for number in range(5_000):
        inbox.put(number)
    assert [inbox.get(60.0) for _ in range(5_000)] == list(range(5_000))
    assert inbox.get(0.01) is None
    inbox.close()


def test_signals_go_back_to_where_they_went() -> None:
    near, far = socket.socketpair()
    far.setblocking(False)
    with near, far:
        outer = signal.set_wakeup_fd(far.fileno())
        try:
            inbox: Inbox[int] = Inbox()
            inbox.open()
            inbox.close()
            inbox.close()
        finally:
            assert signal.set_wakeup_fd(outer) == far.fileno()


def interrupted_on_each_line(of: set[CodeType], call: Callable[[], None]) -> Iterator[int]:
    """Make the call again and again, with Ctrl-C before its first line, then before its second, and so on."""
    for line in range(1, 100):
        left = line

        def trace(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal left
            if frame.f_code not in of:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call()
        except KeyboardInterrupt:
            sys.settrace(before)
            yield line
        else:
            return
        finally:
            sys.settrace(before)


def test_ctrl_c_while_the_bell_is_taken_down_takes_it_down_all_the_same() -> None:
    """Else a signal is written into whatever gets the descriptor's number next."""
    outer = signal.set_wakeup_fd(-1)
    bells: list[_Bell] = []

    def once() -> None:
        inbox: Inbox[int] = Inbox()
        inbox.open()
        assert inbox._bell is not None
        bells.append(inbox._bell)
        inbox.close()

    lines = 0
    try:
        for lines in interrupted_on_each_line({_Bell.take_down.__code__, _Bell.unhook.__code__}, once):
            assert signal.set_wakeup_fd(-1) == -1, f"line {lines}"
    finally:
        signal.set_wakeup_fd(outer)
        for bell in bells:
            bell._near.close()
            bell._rope.close()
    assert lines >= 5


def test_ctrl_c_while_a_thread_is_started_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Thread.start` waits for the thread: that is where a signal is heard, and the thread runs by then."""
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        real(thread)
        if thread.name == "reportdl":
            started.append(thread)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr(workers, "_idle", [])
    monkeypatch.setattr(workers, "_LINGER", 0.05)
    silent = Silent()
    with pytest.raises(KeyboardInterrupt):
        Client("http://127.0.0.1", credentials=Token("t"), transport=silent).formats(1042)
    assert (silent.asked, silent.cancelled) == (1, 1)
    [thread] = started
    thread.join(5.0)
    assert not thread.is_alive()


def test_an_event_loop_hears_the_signal_that_came_while_one_of_its_callbacks_waited() -> None:
    async def main() -> list[str]:
        heard: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, heard.append, "SIGTERM")
        inbox: Inbox[int] = Inbox()
        inbox.open()
        os.kill(os.getpid(), signal.SIGTERM)
        assert inbox.get(0.01) is None
        inbox.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        loop.remove_signal_handler(signal.SIGTERM)
        return heard

    assert asyncio.run(main()) == ["SIGTERM"]


def test_without_a_descriptor_left_the_job_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", exhausted)
    inbox: Inbox[int] = Inbox()
    inbox.open()
    inbox.put(1)
    assert inbox.get(60.0) == 1
    assert inbox.get(0.01) is None
    inbox.close()


def test_other_threads_leave_signals_alone() -> None:
    seen: list[bool] = []

    def elsewhere() -> None:
        inbox: Inbox[int] = Inbox()
        inbox.open()
        seen.append(inbox._bell is None)
        inbox.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True]
