"""A session's time: everything that follows from one thing happens at one instant."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import time
from typing import Any, Final, TypeVar

from reactivex.abc import DisposableBase, ScheduledAction, SchedulerBase
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from .deadlines import Deadlines
from .door import Door, Reports
from .typing import Tap

__all__ = ["Clock", "LoopScheduler", "Timer", "loop_scheduler"]

T = TypeVar("T")


DURATIONS: Final = 32
"""Durations for which timers are kept together; beyond, those that nobody waits for go. Source: ours."""


class LoopScheduler(AsyncIOScheduler):
    """RxPY's scheduler for an asyncio loop, which also has the timers of all sessions there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        # Of asyncio's loops it is this function, one call deeper, unless somebody has put another in its place.
        is_usual = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
        self.time = time.monotonic if is_usual else loop.time
        """The loop's clock, in seconds."""
        self._deadlines: dict[float, Deadlines] = {}
        self._room = DURATIONS

    def deadlines(self, after: float) -> Deadlines:
        """What is to happen *after* so many seconds."""
        deadlines = self._deadlines.get(after)
        if deadlines is None:
            if len(self._deadlines) >= self._room:
                self.tidy()
                self._room = max(DURATIONS, 2 * len(self._deadlines))  # each look is at all of them
            deadlines = self._deadlines[after] = Deadlines(self._loop)
        return deadlines

    def tidy(self) -> None:
        """Leave no timer on the loop that nobody waits for."""
        for after, deadlines in tuple(self._deadlines.items()):
            if not deadlines:
                deadlines.close()
                del self._deadlines[after]


_of_loops: Final[dict[asyncio.AbstractEventLoop, LoopScheduler]] = {}


def loop_scheduler(loop: asyncio.AbstractEventLoop) -> LoopScheduler:
    """The scheduler that the sessions of *loop* share."""
    scheduler = _of_loops.get(loop)
    if scheduler is None:
        for closed in [other for other in _of_loops if other.is_closed()]:
            del _of_loops[closed]
        scheduler = _of_loops[loop] = LoopScheduler(loop)
    return scheduler


class Clock(Door, PeriodicScheduler):
    """
    A session's door, and its scheduler: while the door is open, time stands still.

    What enters a session (a call of the app's, a timer, an answer, a frame's message) opens the door, and until it
    closes there is one instant: a turn's events and steps carry the same `at`, whatever the loop does meanwhile, and a
    recording that knows when each thing entered knows every time there is. Timers that ring open the door themselves.

    On an asyncio loop it goes by the loop's own clock from the session's start on: a step of the wall clock shows in
    no time and no duration, and what a machine sleeps through is not counted where the loop's clock does not.
    """

    __slots__ = ("_offset", "_shared", "instant", "scheduler", "tap")

    def __init__(self, scheduler: SchedulerBase, house: Reports) -> None:
        super().__init__(house)
        self.scheduler = scheduler
        self._shared = scheduler if isinstance(scheduler, LoopScheduler) else None
        self._offset = 0.0 if self._shared is None else time.time() - self._shared.time()
        self.instant = 0.0
        """While the door is open, the time of what is under way; else of what was. `at` is right at any moment."""
        self.tap: Tap | None = None
        """Told of everything that enters and of everything that follows."""

    def __enter__(self) -> None:
        if not self._depth:
            self.instant = self._read() if self._shared is None else self._shared.time() + self._offset
        self._depth += 1

    @property
    def at(self) -> float:
        """Now, in epoch seconds."""
        return self.instant if self._depth else self._read()

    def _read(self) -> float:
        if self._shared is not None:
            return self._shared.time() + self._offset
        at: float | None = getattr(self.scheduler, "at", None)  # of a clock that counts in seconds: without a detour
        return self.scheduler.to_seconds(self.scheduler.now) if at is None else at

    @property
    def now(self) -> dt.datetime:
        """The same instant as a datetime in UTC."""
        return self.scheduler.to_datetime(self.at)

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run *action* with the next turn of the loop."""
        return self.schedule_relative(0.0, action, state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* in *duetime*, a timedelta or seconds."""
        after = duetime if type(duetime) is float else self.to_seconds(duetime)
        if after < 0:
            after = 0.0
        timer = Timer(self, (self.instant if self._depth else self._read()) + after, action, state)
        if self._shared is None:
            timer.wait_on(self.scheduler, after)
        else:
            # From now on, not from the door's instant: what has blocked the loop since costs it none of its time.
            timer.wait_among(self._shared.deadlines(after), self._shared.time() + after)
        return timer

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* at *duetime*, a datetime or epoch seconds."""
        return self.schedule_relative(self.to_seconds(duetime) - self.at, action, state)


class Timer(DisposableBase):
    """One thing that is to happen later: among the deadlines of a loop, or on a scheduler of another kind."""

    __slots__ = ("_action", "_clock", "_follows", "_state", "_waits", "context", "due", "when")

    def __init__(self, clock: Clock, due: float, action: ScheduledAction[Any], state: Any) -> None:
        self._clock: Clock | None = clock
        self._action: ScheduledAction[Any] | None = action
        self._state, self.due = state, due
        self._waits: Deadlines | DisposableBase | None = None
        self._follows: DisposableBase | None = None

    def wait_among(self, deadlines: Deadlines, when: float) -> None:
        """Ring *when* the loop's clock says so, in the context of whoever asks for it."""
        self.when, self.context, self._waits = when, contextvars.copy_context(), deadlines
        deadlines.add(self)

    def wait_on(self, scheduler: SchedulerBase, after: float) -> None:
        """Ring in *after* seconds."""
        self._waits = scheduler.schedule_relative(after, self.ring)

    def ring(self, *_: object) -> None:
        """Open the door and do what it is there for."""
        clock, action = self._clock, self._action
        if clock is None or action is None:
            return
        self._clock = self._waits = None
        with clock:
            if clock.tap is not None:
                clock.tap.rang(clock.instant, self.due)
            self._follows = action(clock, self._state)

    def dispose(self) -> None:
        """Call it off, and what has followed from it."""
        waits, follows = self._waits, self._follows
        self._clock = self._action = self._state = self._waits = self._follows = None
        if isinstance(waits, Deadlines):
            waits.remove(self)
        elif waits is not None:
            waits.dispose()
        if follows is not None:
            follows.dispose()
