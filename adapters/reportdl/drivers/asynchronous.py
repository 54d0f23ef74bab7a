"""Drives one job with tasks, under asyncio or trio: `run`, and what goes on beside it, in a task of its own each.

`run`'s answer, the other request's and the alarm wake the same stream, so nothing is polled and nothing delays
anything. Must never decide what to do next: it executes what is outstanding.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from reportdl.drivers import Driven, Observer
from reportdl.drivers.conductor import Conductor, forget_variables
from reportdl.errands import Errand, Errands
from reportdl.transports.asynchronous import AsyncTransport
from reportdl_core.events import Event, Sent

__all__ = ["drive", "loop_clock", "under_asyncio"]

Answer = Event | BaseException
Post = MemoryObjectSendStream[Answer]
Inbox = MemoryObjectReceiveStream[Answer]


async def drive(
    driven: Driven,
    *,
    errands: Errands,
    transport: AsyncTransport,
    clock: Callable[[], float] | None = None,
    observer: Observer | None = None,
) -> None:
    """Execute commands until there is an outcome. Cancelled at any await, it ends all that runs first (D38)."""
    clock = clock or loop_clock()
    post, inbox = anyio.create_memory_object_stream[Answer](math.inf)
    failure: BaseException | None = None
    cancellation = anyio.get_cancelled_exc_class()
    with post, inbox:
        async with anyio.create_task_group() as tasks:
            alone: list[tuple[Errand, anyio.CancelScope]] = []

            def start(errand: Errand) -> anyio.CancelScope:
                scope = anyio.CancelScope()
                if len(driven.outstanding) == 1 and not errand.exchange.own_connection:
                    # Nothing can come before its answer but the alarm: it needs no task beside this one.
                    alone.append((errand, scope))
                else:
                    tasks.start_soon(_perform, errand, transport, scope, post, name="reportdl")
                return scope

            try:
                conductor = Conductor(
                    driven,
                    errands=errands,
                    clock=clock,
                    observer=observer,
                    start=start,
                    stop=lambda scope: scope.cancel(),
                    put=post.send_nowait,
                )
                while (patience := conductor.advance()) is not None:
                    if alone:
                        conductor.take(await _until(patience, *alone.pop(), transport))
                    else:
                        conductor.take(await _next(inbox, patience))
            except cancellation:
                raise
            except BaseException as error:  # noqa: BLE001 - carried round the task group, which would wrap it into a group
                failure = error
            if failure is not None:  # not while it is handled: what is cancelled would have it as its context
                tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def loop_clock() -> Callable[[], float]:
    """The running event loop's own clock, on which its timers go off too."""
    if under_asyncio():
        import asyncio

        return asyncio.get_running_loop().time
    return anyio.current_time


def under_asyncio() -> bool:
    """Whether this runs in a task of asyncio: a task of trio does not, even where trio is asyncio's guest."""
    asyncio = sys.modules.get("asyncio")  # trio does not load it, and nor need we
    try:
        return asyncio is not None and asyncio.current_task() is not None
    except RuntimeError:
        return False


async def _next(inbox: Inbox, patience: float) -> Answer | None:
    with anyio.move_on_after(patience):
        return await inbox.receive()
    return None


async def _until(patience: float, errand: Errand, scope: anyio.CancelScope, transport: AsyncTransport) -> Answer | None:
    scope.deadline = anyio.current_time() + patience
    return await _performed(errand, transport, scope)


async def _perform(errand: Errand, transport: AsyncTransport, scope: anyio.CancelScope, post: Post) -> None:
    answer = await _performed(errand, transport, scope)
    if answer is not None:
        post.send_nowait(answer)


async def _performed(errand: Errand, transport: AsyncTransport, scope: anyio.CancelScope) -> Answer | None:
    answer: Answer | None = None
    try:
        with scope:
            await anyio.lowlevel.checkpoint_if_cancelled()  # a pooled connection would let it leave without a wait
            answer = await transport.perform(errand)
    except anyio.get_cancelled_exc_class() as cancelled:
        forget_variables(cancelled)  # it may come out chained to the caller's own exception
        raise
    except BaseException as error:  # noqa: BLE001 - a bug in a transport or a sink must not leave the driver waiting for ever
        answer = error
    finally:
        if answer is None or isinstance(answer, BaseException):
            # Cancelled or failed: nothing of a file may stay (I10). A transport never gets to say it itself.
            errand.exchange.lost(sent=Sent.UNKNOWN, message="cancelled")
    return answer
