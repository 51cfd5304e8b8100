"""A session's time: everything that follows from one thing happens at one instant."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from reactivex.abc import DisposableBase, ScheduledAction, SchedulerBase
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from .door import Door, Reports
from .typing import Tap

__all__ = ["SLACK_S", "Clock", "LoopScheduler", "Timer", "loop_scheduler"]

T = TypeVar("T")


class LoopScheduler(AsyncIOScheduler):
    """RxPY's scheduler for an asyncio loop, which also lends the loop to the sessions' clocks."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it schedules on."""
        return self._loop


_of_loops: Final[dict[asyncio.AbstractEventLoop, LoopScheduler]] = {}


def loop_scheduler(loop: asyncio.AbstractEventLoop) -> LoopScheduler:
    """The scheduler that the sessions of *loop* share."""
    for closed in [other for other in _of_loops if other.is_closed()]:
        del _of_loops[closed]
    return _of_loops.get(loop) or _of_loops.setdefault(loop, LoopScheduler(loop))


class Clock(Door, PeriodicScheduler):
    """
    A session's door, and its scheduler: while the door is open, time stands still.

    What enters a session (a call of the app's, a timer, an answer, a frame's message) opens the door, and until it
    closes there is one instant: a turn's events and steps carry the same `at`, whatever the loop does meanwhile, and a
    recording that knows when each thing entered knows every time there is. Timers that ring open the door themselves.

    On an asyncio loop it goes by the loop's own clock from the session's start on: a step of the wall clock shows in
    no time and no duration, and what a machine sleeps through is not counted where the loop's clock does not.
    """

    __slots__ = ("_loop", "_offset", "instant", "scheduler", "tap")

    def __init__(self, scheduler: SchedulerBase, house: Reports) -> None:
        super().__init__(house)
        self.scheduler = scheduler
        self._loop = scheduler.loop if isinstance(scheduler, LoopScheduler) else None
        self._offset = 0.0 if self._loop is None else time.time() - self._loop.time()
        self.instant = 0.0
        """While the door is open, the time of what is under way; else of what was. `at` is right at any moment."""
        self.tap: Tap | None = None
        """Told of everything that enters and of everything that follows."""

    def __enter__(self) -> None:
        if not self._depth:
            self.instant = self._read() if self._loop is None else self._loop.time() + self._offset
        self._depth += 1

    @property
    def can_postpone(self) -> bool:
        """Whether its timers can be moved: those of a loop can, and in virtual time each keeps its place in a queue."""
        return self._loop is not None

    def wait_on(self, timer: Timer) -> bool:
        """Set *timer* anew, if it has rung before it is due."""
        left = timer.due - self.at
        if self._loop is None or left < SLACK_S:
            return False
        timer.call_off = self._loop.call_later(left, timer.ring).cancel
        return True

    @property
    def at(self) -> float:
        """Now, in epoch seconds."""
        return self.instant if self._depth else self._read()

    def _read(self) -> float:
        if self._loop is not None:
            return self._loop.time() + self._offset
        at: float | None = getattr(self.scheduler, "at", None)  # of a clock that counts in seconds: without a detour
        return self.scheduler.to_seconds(self.scheduler.now) if at is None else at

    @property
    def now(self) -> dt.datetime:
        """The same instant as a datetime in UTC."""
        return self.scheduler.to_datetime(self.at)

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run *action* with the next turn of the loop."""
        return self._start(0.0, action, state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* in *duetime*, a timedelta or seconds."""
        return self._start(duetime if type(duetime) is float else self.to_seconds(duetime), action, state)

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* at *duetime*, a datetime or epoch seconds."""
        return self._start(self.to_seconds(duetime) - self.at, action, state)

    def _start(self, after: float, action: ScheduledAction[Any], state: Any) -> DisposableBase:
        timer = Timer(self, (self.instant if self._depth else self._read()) + after, action, state)
        if self._loop is None:
            timer.call_off = self.scheduler.schedule_relative(max(after, 0.0), timer.ring).dispose
        elif after > 0:
            timer.call_off = self._loop.call_later(after, timer.ring).cancel
        else:
            timer.call_off = self._loop.call_soon(timer.ring).cancel
        return timer


SLACK_S: Final = 0.001
"""Seconds that a timer may ring before it is due, as those of uvloop do. Source: ours."""


class Timer(DisposableBase):
    """One thing that is to happen later."""

    __slots__ = ("_clock", "_is_postponed", "action", "call_off", "due", "follows", "state")

    def __init__(self, clock: Clock, due: float, action: ScheduledAction[Any], state: Any) -> None:
        self._clock: Clock | None = clock
        self.due, self.state = due, state
        self.action: ScheduledAction[Any] | None = action
        self.call_off: Callable[[], object] | None = None
        self._is_postponed = False
        self.follows: DisposableBase | None = None

    def ring(self, *_: object) -> None:
        """Open the door and do what it is there for; or wait on, when it was postponed."""
        clock = self._clock
        if clock is None:
            return
        if self._is_postponed:
            self._is_postponed = False
            if clock.wait_on(self):
                return
        self._clock = None
        with clock:
            if clock.tap is not None:
                clock.tap.rang(clock.instant, self.due)
            if self.action is not None:
                self.follows = self.action(clock, self.state)

    def postpone(self, after: float) -> bool:
        """
        Ring in *after* seconds from now instead; False where the scheduler's timers cannot be moved.

        It only notes the time: the timer rings as it was set, finds that it is too early, and waits on. In a burst of
        messages that is one timer for all of them.
        """
        clock = self._clock
        if clock is None or not clock.can_postpone:
            return False
        self.due = clock.at + after
        self._is_postponed = True
        return True

    def dispose(self) -> None:
        """Call it off, and what has followed from it."""
        self._clock = self.action = self.state = None
        call_off, self.call_off = self.call_off, None
        if call_off is not None:
            call_off()
        follows, self.follows = self.follows, None
        if follows is not None:
            follows.dispose()
