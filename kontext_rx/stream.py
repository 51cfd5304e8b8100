"""
Where values leave a session: one order for everyone, each subscriber guarded, the scheduler carried along.

`Door` queues and delivers, `Relay` knows the observers of one stream, `Stream` is what the app holds.
All of it is confined to the session's loop.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar, cast

from reactivex import ConnectableObservable, Observable
from reactivex.abc import DisposableBase, ObserverBase, ScheduledAction, SchedulerBase
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from .source import Produce, Source

__all__ = ["BUFFER_SIZE", "Door", "Reader", "Relay", "Stream"]

T = TypeVar("T")

BUFFER_SIZE: Final = 1024
"""Values kept for a reader or an async callback that does not keep up. Source: ours."""


class Report(Protocol):
    """Told of every exception that a subscriber raised, and on which stream."""

    def __call__(self, error: Exception, where: str, /) -> None:
        """Report it; must not raise."""
        ...


class Door:
    """
    Delivers what is published, in one order for everyone.

    What is published while something is being delivered, or inside a `with` block, waits for its turn, so an app that
    calls back into the session from an event sees its consequences after that event.
    """

    __slots__ = ("_depth", "_queue", "_tasks", "report")

    def __init__(self, report: Report) -> None:
        self.report = report
        self._queue: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._depth = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, deliver: Callable[[T], None], value: T) -> None:
        """Call *deliver* with *value* when its turn comes: now, unless something else is under way."""
        self._queue.append((deliver, value))
        if not self._depth:
            self._drain()

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._drain()

    def _drain(self) -> None:
        self._depth += 1
        try:
            while self._queue:
                deliver, value = self._queue.popleft()
                deliver(value)
        finally:
            self._depth -= 1

    def call(self, function: Callable[..., object], *args: object, where: str) -> object:
        """Call into the app's code; what it raises is reported, not passed on."""
        try:
            return function(*args)
        except Exception as error:
            self.report(error, where)
            return None

    def spawn(self, work: Coroutine[Any, Any, None], stopped: Callable[[], None]) -> bool:
        """
        Run a coroutine on the running loop; False, and the coroutine closed, when there is none.

        *stopped* is called when it did not reach its end, be it that it was cancelled before its first step.
        """
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            work.close()
            return False

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled() or task.exception() is not None:
                stopped()

        self._tasks.add(task)
        task.add_done_callback(ended)
        return True

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The async callbacks that are running, without the one that asks."""
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        return {task for task in self._tasks if task is not current}

    def close(self) -> None:
        """Cancel the async callbacks that are still running, but for the one that called us."""
        for task in self.tasks:
            task.cancel()


class Callback(Generic[T]):
    """One subscriber's functions: guarded, and run in order if they are async."""

    __slots__ = ("_door", "_function", "_pending", "_running", "_where")

    def __init__(self, door: Door, function: Callable[[T], object], where: str) -> None:
        self._door, self._function, self._where = door, function, where
        self._pending: deque[Awaitable[object]] | None = None
        self._running = False

    def __call__(self, value: T) -> None:
        """Pass a value on; an async function gets the next one when it has finished with this one."""
        self.run(self._function, value)

    def run(self, function: Callable[..., object], *args: object) -> None:
        """Call another function of the same subscriber's, after the calls that still wait if it is async."""
        result = self._door.call(function, *args, where=self._where)
        if result is not None and inspect.isawaitable(result):
            self._later(result)

    def _later(self, call: Awaitable[object]) -> None:
        if self._pending is None:
            self._pending = deque()
        self._pending.append(call)
        if len(self._pending) > BUFFER_SIZE:
            _discard(self._pending.popleft())
            self._door.report(OverflowError(f"an async callback is {BUFFER_SIZE} values behind"), self._where)
        if not self._running:
            self._running = self._door.spawn(self._run(self._pending), self._stopped)
            if not self._running:
                _discard(self._pending.pop())
                self._door.report(RuntimeError("an async callback needs a running event loop"), self._where)

    async def _run(self, pending: deque[Awaitable[object]]) -> None:
        while pending:
            try:
                await pending.popleft()
            except asyncio.CancelledError as error:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                # What the callback waited for was cancelled, and not the callback: its next values still come.
                cancelled = RuntimeError("what an async callback was waiting for was cancelled")
                cancelled.__cause__ = error
                self._door.report(cancelled, self._where)
            except Exception as error:
                self._door.report(error, self._where)
        self._running = False  # in here: the next value may come before the task's own callbacks are called

    def _stopped(self) -> None:
        """Cancelled: the session is over."""
        self._running = False
        while self._pending:
            _discard(self._pending.popleft())


def _discard(call: Awaitable[object]) -> None:
    if inspect.iscoroutine(call):
        call.close()
    elif isinstance(call, asyncio.Future):
        call.cancel()


class Relay(Generic[T]):
    """The observers of one stream; each is called in its own `try` and none can detach another."""

    __slots__ = ("_door", "_observers", "is_completed", "name")

    def __init__(self, door: Door, name: str) -> None:
        self._door, self.name = door, name
        self._observers: tuple[ObserverBase[T], ...] = ()
        self.is_completed = False

    def __bool__(self) -> bool:
        return bool(self._observers)

    def send(self, value: T) -> None:
        """Give *value* to everyone who is subscribed."""
        for observer in self._observers:
            self._door.call(observer.on_next, value, where=self.name)

    def complete(self) -> None:
        """End the stream for everyone, and for those who come later."""
        self.is_completed = True
        observers, self._observers = self._observers, ()
        for observer in observers:
            self._door.call(observer.on_completed, where=self.name)

    def add(self, observer: ObserverBase[T]) -> DisposableBase:
        """Subscribe *observer*; a completed stream completes it at once."""
        if self.is_completed:
            observer.on_completed()
            return Disposable()
        self._observers = (*self._observers, observer)
        return Disposable(lambda: self._remove(observer))

    def _remove(self, observer: ObserverBase[T]) -> None:
        self._observers = tuple(other for other in self._observers if other is not observer)


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
        door, name = self._door, self._name
        if on_next is not None and callable(getattr(on_next, "on_next", None)):
            observer = cast(ObserverBase[T], on_next)
            on_next, on_error, on_completed = observer.on_next, observer.on_error, observer.on_completed
        failed, done = on_error, on_completed
        callback = Callback(door, cast(Callable[[T], object], on_next or _ignore), name)
        return super().subscribe(
            callback,
            lambda error: door.report(error, name) if failed is None else callback.run(failed, error),
            None if done is None else lambda: callback.run(done),
            scheduler=scheduler or _Timers(self._scheduler),
        )

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

    def __init__(self, subscribe: Produce[T], *, door: Door, scheduler: SchedulerBase, name: str) -> None:
        super().__init__(subscribe)
        self._door, self._scheduler, self._name = door, scheduler, name


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


class Reader(AsyncIterator[T]):
    """One reader of a stream: `async for value in reader`; leaving it alone, or `aclose()`, unsubscribes."""

    def __init__(self, stream: Observable[T], size: int, overflow: Literal["drop_oldest", "drop_newest"]) -> None:
        if size < 1:
            raise ValueError(f"size={size!r} cannot be used: a reader needs room for at least one value")
        self._buffer = _Buffer[T](size, overflow)
        # The subscription knows the buffer and not the reader: a reader that nobody holds is collected.
        self._subscription = stream.subscribe(self._buffer)

    @property
    def dropped(self) -> int:
        """Values lost because this reader was too slow."""
        return self._buffer.dropped

    def __aiter__(self) -> Reader[T]:
        return self

    async def __anext__(self) -> T:
        return await self._buffer.get()

    async def aclose(self) -> None:
        """Unsubscribe; a pending `async for` ends."""
        self._subscription.dispose()
        self._buffer.on_completed()

    def __del__(self) -> None:
        if (subscription := getattr(self, "_subscription", None)) is not None:
            subscription.dispose()


class _Buffer(ObserverBase[T]):
    def __init__(self, size: int, overflow: str) -> None:
        self._size, self._overflow = size, overflow
        self._values: deque[T] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.dropped = 0

    def on_next(self, value: T) -> None:
        if len(self._values) >= self._size:
            self.dropped += 1
            if self._overflow == "drop_newest":
                return
            self._values.popleft()
        self._values.append(value)
        self._wake()

    def on_error(self, error: Exception) -> None:
        self._error = error  # of an operator in between: the reader gets it after what came before
        self.on_completed()

    def on_completed(self) -> None:
        self._ended = True
        self._wake(everyone=True)

    def _wake(self, *, everyone: bool = False) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                if not everyone:
                    return

    async def get(self) -> T:
        while not self._values:
            if self._ended:
                raise self._error or StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except BaseException:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif self._values:
                    self._wake()  # it was woken and then cancelled: the value is for the next who waits
                raise
        return self._values.popleft()


def _ignore(_: object) -> None:
    """For a subscriber that wants no values."""
