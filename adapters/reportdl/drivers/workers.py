"""Decides which thread performs a request: one that has just performed another, a new one where none is idle.

Starting a thread costs as much as half a request on loopback, and a job makes four. An idle thread ends by itself. Must
never make a request wait for another one: `run` may be silent for half an hour.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

__all__ = ["Worker"]

_LINGER: Final = 5.0  # seconds that an idle thread stays: `check` comes at that interval while `run` is alive

_idle: Final[list[Worker]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # the threads are the parent's


class Worker:
    """A thread that carries out one order after the other. A daemon: a hanging name look-up must hold nobody."""

    __slots__ = ("_orders",)

    def __init__(self, order: Callable[[Worker], None]) -> None:
        self._orders: SimpleQueue[Callable[[Worker], None]] = SimpleQueue()
        # Before there is a thread: Ctrl-C may come out of its start, and a thread without an order would wait for ever.
        self._orders.put(order)
        threading.Thread(target=self._work, daemon=True, name="reportdl").start()

    @staticmethod
    def take(order: Callable[[Worker], None]) -> None:
        """Have `order` carried out now. It calls `free` at its end, before it tells anybody that it has ended."""
        try:
            worker = _idle.pop()
        except IndexError:
            Worker(order)
        else:
            worker._orders.put(order)

    def free(self) -> None:
        """The order is done with: this thread may be given the next one."""
        _idle.append(self)

    def _work(self) -> None:
        while True:
            try:
                order = self._orders.get(timeout=_LINGER)
            except Empty:
                try:
                    _idle.remove(self)
                except ValueError:
                    continue  # taken at this very moment: the order is on its way, or under way
                return
            order(self)
            del order  # it holds a token
