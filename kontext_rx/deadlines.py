"""Many timers of one duration on a loop, for the price of one."""

from __future__ import annotations

import asyncio
import contextvars
from itertools import takewhile
from typing import Final, Protocol

__all__ = ["SLACK_S", "Deadline", "Deadlines"]

SLACK_S: Final = 0.001
"""Seconds that a timer may ring before it is due, as those of uvloop do. Source: ours."""


class Deadline(Protocol):
    """What is to happen at a time."""

    when: float
    """By the loop's clock."""
    context: contextvars.Context
    """In which it happens: that of whoever set it."""

    def ring(self, /) -> None:
        """It is time."""
        ...


class Deadlines:
    """
    Those of one duration. The first that was set is the first that is due: one timer of the loop's serves them all.

    To set one and to call it off is an entry in a dict, made and deleted. A loop keeps what was called off in its heap
    until that is half of it: with a timeout for each of a thousand requests a second the heap is little else.
    """

    __slots__ = ("_handle", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Deadline, None] = {}
        self._handle: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, deadline: Deadline) -> None:
        """Let it ring in time. It comes after all that were added before."""
        self._waiting[deadline] = None
        self._wait()

    def remove(self, deadline: Deadline) -> None:
        """Call it off."""
        self._waiting.pop(deadline, None)
        if not self._waiting:
            self._waiting.clear()  # a dict keeps the room of the largest crowd it has held

    def close(self) -> None:
        """Let go of the loop's timer, when nothing waits."""
        if self._handle is not None and not self._waiting:
            self._handle.cancel()
            self._handle = None

    def _wait(self) -> None:
        if self._handle is None and self._waiting:
            first = next(iter(self._waiting))
            # In no context of an app's: each has its own.
            self._handle = self._loop.call_at(first.when, self._ring, context=contextvars.Context())

    def _ring(self) -> None:
        self._handle = None  # and not at the end: what rings may run the loop, as notebooks do
        until = self._loop.time() + SLACK_S
        try:
            for deadline in tuple(takewhile(lambda one: one.when <= until, self._waiting)):
                if deadline in self._waiting:  # else one before it has called it off
                    del self._waiting[deadline]
                    deadline.context.run(deadline.ring)
        finally:  # after an error too: the others are still due
            self._wait()
