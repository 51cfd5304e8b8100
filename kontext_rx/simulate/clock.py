"""The session engine's time: whole microseconds, and nothing that a simulation does not need."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from typing import Any, Final, TypeVar

from reactivex.abc import DisposableBase, ScheduledAction
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

__all__ = ["SimulatedClock"]

T = TypeVar("T")

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROS: Final = 1e6


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
        self._count = itertools.count()
        self._read: tuple[int, dt.datetime] | None = None

    @property
    def now(self) -> dt.datetime:
        """Now; made once for each instant, which is read many times."""
        if self._read is None or self._read[0] != self.us:
            self._read = self.us, _EPOCH + dt.timedelta(microseconds=self.us)
        return self._read[1]

    @property
    def due(self) -> int | None:
        """When the next timer rings; None when there is none."""
        timers = self._timers
        while timers and timers[0][2].action is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def ring(self) -> None:
        """Move to the next timer and let it ring."""
        self.us, _, timer = heapq.heappop(self._timers)
        action, timer.action = timer.action, None
        if action is not None:
            action(self, timer.state)

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run *action* at this instant, after what is going on."""
        return self._at(self.us, action, state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* in *duetime*, a timedelta or seconds."""
        seconds = duetime.total_seconds() if isinstance(duetime, dt.timedelta) else duetime
        return self._at(self.us + max(round(seconds * _MICROS), 0), action, state)

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run *action* at *duetime*, a datetime or epoch seconds."""
        return self._at(max(round(self.to_seconds(duetime) * _MICROS), self.us), action, state)

    def _at(self, due: int, action: ScheduledAction[Any], state: Any) -> DisposableBase:
        timer = _Timer(action, state)
        heapq.heappush(self._timers, (due, next(self._count), timer))
        return timer


class _Timer(DisposableBase):
    __slots__ = ("action", "state")

    def __init__(self, action: ScheduledAction[Any], state: Any) -> None:
        self.action: ScheduledAction[Any] | None = action
        self.state = state

    def dispose(self) -> None:
        self.action = self.state = None
