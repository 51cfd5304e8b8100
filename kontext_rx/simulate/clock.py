"""The session engine's time: whole microseconds, and nothing that a simulation does not need."""

from __future__ import annotations

import datetime as dt
from heapq import heappop, heappush
from typing import Any, Final, TypeVar

from reactivex.abc import DisposableBase, ScheduledAction
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from .timeline import MICROS, NEVER

__all__ = ["SimulatedClock"]

T = TypeVar("T")

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class SimulatedClock(PeriodicScheduler):
    """
    A scheduler whose time is moved by `ring`; timers of one instant ring in the order in which they were set.

    Several times faster than RxPY's `VirtualTimeScheduler`: no locks, and a disposable of two slots.
    """

    def __init__(self, us: int) -> None:
        super().__init__()
        self.us = us
        """Now, in epoch microseconds."""
        self._timers: list[tuple[int, int, _Timer]] = []
        self._count = 0

    @property
    def at(self) -> float:
        """Now, in epoch seconds: what a session reads, and to the last bit what `now` comes to."""
        return self.us / MICROS

    @property
    def now(self) -> dt.datetime:
        """Now."""
        return _EPOCH + dt.timedelta(microseconds=self.us)

    @property
    def due(self) -> int:
        """When the next timer rings; `NEVER` when there is none."""
        timers = self._timers
        while timers and timers[0][2].action is None:
            heappop(timers)
        return timers[0][0] if timers else NEVER

    def ring(self) -> None:
        """Move to the next timer and let it ring."""
        self.us, _, timer = heappop(self._timers)
        action, timer.action = timer.action, None
        if action is not None:
            action(self, timer.state)

    def start(self, us: int, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run *action* in *us* microseconds."""
        timer = _Timer(action, state)
        self._count += 1
        heappush(self._timers, (self.us + us, self._count, timer))
        return timer

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run *action* at this instant, after what is going on."""
        return self.start(0, action, state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* in *duetime*, a timedelta or seconds."""
        seconds = duetime if type(duetime) is float else self.to_seconds(duetime)
        return self.start(max(round(seconds * MICROS), 0), action, state)

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* at *duetime*, a datetime or epoch seconds."""
        return self.start(max(round(self.to_seconds(duetime) * MICROS) - self.us, 0), action, state)


class _Timer(DisposableBase):
    __slots__ = ("action", "state")

    def __init__(self, action: ScheduledAction[Any], state: Any) -> None:
        self.action: ScheduledAction[Any] | None = action
        self.state = state

    def dispose(self) -> None:
        self.action = self.state = None
