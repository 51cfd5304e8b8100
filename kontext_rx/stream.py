"""What the app holds: hot observables that carry the session's scheduler and guard into whatever is chained to them."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from reactivex import ConnectableObservable, Observable
from reactivex.abc import DisposableBase, ObserverBase, ScheduledAction, SchedulerBase
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from .door import BUFFER_SIZE, Callback, Door, Relay
from .reader import Reader
from .source import Source

__all__ = ["Listen", "Stream"]

T = TypeVar("T")

Listen: TypeAlias = Callable[[Callback[T], SchedulerBase], "Relay[T] | DisposableBase"]
"""Subscribes a callback: gives it values from now on, and says what it leaves at the end."""


class _Timers(PeriodicScheduler):
    """
    A scheduler that hands on what takes time, and does the rest before `subscribe` or the event returns.

    Given the session's own, `merge`, `start_with`, `retry` and their like would subscribe with its next turn, and miss
    what a hot stream tells until then.
    """

    def __init__(self, scheduler: SchedulerBase) -> None:
        self._scheduler = scheduler

    @property
    def now(self) -> dt.datetime:
        return self._scheduler.now

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        return CurrentThreadScheduler.singleton().schedule(self._ours(action), state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        return self._scheduler.schedule_relative(duetime, self._ours(action), state)

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        return self._scheduler.schedule_absolute(duetime, self._ours(action), state)

    def _ours(self, action: ScheduledAction[T]) -> ScheduledAction[T]:
        # An action goes on with the scheduler that it is given: let that be this one.
        return lambda _, state=None: self.invoke_action(action, state)


class _Carrier(Source[T]):
    """An observable that hands its session's scheduler and guard on to whatever is chained to it."""

    _door: Door
    _scheduler: SchedulerBase
    _name: str

    def subscribe(
        self,
        on_next: ObserverBase[T] | Callable[[T], object] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_completed: Callable[[], None] | None = None,
        *,
        scheduler: SchedulerBase | None = None,
    ) -> DisposableBase:
        """
        Subscribe an observer, or functions; they may be async, their calls then run one after the other.

        What a subscriber raises is reported as a debug event and a log line, and it stays subscribed. Timers of
        the operators in between run on the session's scheduler unless *scheduler* names another.
        """
        if on_next is not None and callable(getattr(on_next, "on_next", None)):
            observer = cast("ObserverBase[T]", on_next)
            on_next, on_error, on_completed = observer.on_next, observer.on_error, observer.on_completed
        callback: Callback[T] = Callback(
            self._door,
            cast("Callable[[T], object]", on_next or _ignore),
            self._name,
            on_error=on_error,
            on_completed=on_completed,
        )
        try:
            callback.hold(self._listen(callback, scheduler))
        except Exception as error:
            if callback.is_stopped:
                raise
            callback.on_error(error)
        return callback

    def _listen(self, callback: Callback[T], scheduler: SchedulerBase | None) -> Relay[T] | DisposableBase:
        return self._subscribe_core(callback, scheduler or _Timers(self._scheduler))

    if not TYPE_CHECKING:  # a type checker reads the overloads of `Observable.pipe`

        def pipe(self, *operators: Callable[[Any], Any]) -> Any:
            """Compose operators left to right; an observable that comes out carries the scheduler too."""
            return self._carry(super().pipe(*operators))

    def _carry(self, result: Any) -> Any:
        match result:
            case _Carrier():
                return cast("_Carrier[Any]", result)
            case ConnectableObservable():
                return _ConnectableStream(cast(ConnectableObservable[Any], result), self)
            case Observable():
                source = cast(Observable[Any], result)
                return Stream[Any](
                    lambda observer, scheduler: source.subscribe(observer, scheduler=scheduler),
                    door=self._door,
                    scheduler=self._scheduler,
                    name=self._name,
                )
            case list():  # what `partition` gives
                return [self._carry(one) for one in cast("list[Any]", result)]
            case _:
                return result

    def __getitem__(self, key: slice | int) -> Stream[T]:
        return self._carry(super().__getitem__(key))

    def __add__(self, other: Observable[T]) -> Stream[T]:
        return self._carry(super().__add__(other))

    __iadd__ = __add__

    def buffered(
        self, size: int = BUFFER_SIZE, *, overflow: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    ) -> Reader[T]:
        """
        Read the stream with `async for`, from now on, at the reader's own pace.

        At most *size* values wait; then the oldest go (or the newest are not taken), and `dropped` counts them.
        Raises `ValueError` when *size* is less than 1.
        """
        return Reader(self, size, overflow)

    def __aiter__(self) -> Reader[T]:
        return self.buffered()


class Stream(_Carrier[T]):
    """
    A hot observable of a session's: it never errors, and completes when the session is destroyed.

    Read it as Rx (`pipe`, or the fluent methods), with `async for`, or with plain functions, sync or async.
    """

    def __init__(self, listen: Listen[T] | Relay[T], *, door: Door, scheduler: SchedulerBase, name: str) -> None:
        super().__init__()
        self.lock = threading.RLock()  # operators hold it while they call an app, and apps have loops on other threads
        self._listening, self._door, self._scheduler, self._name = listen, door, scheduler, name

    def _listen(self, callback: Callback[T], scheduler: SchedulerBase | None) -> Relay[T] | DisposableBase:
        if callable(self._listening):
            return self._listening(callback, scheduler or _Timers(self._scheduler))
        return self._listening.add(callback)


class _ConnectableStream(ConnectableObservable[T], _Carrier[T]):
    """What `publish` and `replay` make of a stream: connected on the session's scheduler."""

    def __init__(self, connectable: ConnectableObservable[T], carrier: _Carrier[Any]) -> None:
        super().__init__(connectable.source, connectable.subject)
        self._door, self._scheduler, self._name = carrier._door, carrier._scheduler, carrier._name

    def connect(self, scheduler: SchedulerBase | None = None) -> DisposableBase | None:
        return super().connect(scheduler or _Timers(self._scheduler))

    def ref_count(self) -> Observable[T]:
        return self._carry(super().ref_count())

    def auto_connect(self, subscriber_count: int = 1) -> Observable[T]:
        return self._carry(super().auto_connect(subscriber_count))


def _ignore(_: object) -> None:
    """For a subscriber that wants no values."""
