"""The way out of a session: a queue that gives everyone one order, and calls into the app that cannot hurt."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, Protocol, TypeVar

from reactivex.abc import DisposableBase, ObserverBase

from .source import Leave, Undo

__all__ = ["BUFFER_SIZE", "Callback", "Door", "Relay", "Report"]

T = TypeVar("T")

BUFFER_SIZE: Final = 1024
"""Values kept for a reader or an async callback that does not keep up. Source: ours."""


class Report(Protocol):
    """Told of every exception that a subscriber raised, and on which stream."""

    def __call__(self, error: BaseException, where: str, /) -> None:
        """Report it; must not raise."""
        ...


class Door:
    """
    Delivers what is published, in one order for everyone.

    What is published while something is being delivered, or inside a `with` block, waits for its turn, so an app that
    calls back into the session from an event sees its consequences after that event.
    """

    __slots__ = ("_depth", "_queue", "_tasks", "instant", "report")

    def __init__(self, report: Report) -> None:
        self.report = report
        self._queue: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._depth = 0
        self.instant: float | None = None
        """The time of what is under way, once it was asked for; see `Clock`."""
        self._tasks: set[asyncio.Task[None]] | None = None

    def publish(self, deliver: Callable[[T], None], value: T) -> None:
        """Call *deliver* with *value* when its turn comes: now, unless something else is under way."""
        self._queue.append((deliver, value))
        if not self._depth:
            with self:
                pass

    @property
    def is_open(self) -> bool:
        """Whether something is under way."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        try:
            if self._depth == 1:
                self._deliver_all()
        finally:
            self._depth -= 1
            if not self._depth:
                self.instant = None

    def _deliver_all(self) -> None:
        while self._queue:
            deliver, value = self._queue.popleft()
            deliver(value)

    def call(self, function: Callable[..., object], *args: object, where: str) -> object:
        """Call into the app's code; what it raises is reported, not passed on."""
        try:
            return function(*args)
        except (Exception, asyncio.CancelledError) as error:  # a cancelled future's result, and no cancelling of ours
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

        tasks = self._tasks = set[asyncio.Task[None]]() if self._tasks is None else self._tasks

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if task.cancelled() or task.exception() is not None:
                stopped()

        tasks.add(task)
        task.add_done_callback(ended)
        return True

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The async callbacks that are running, without the one that asks."""
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        return {task for task in self._tasks or () if task is not current}

    def close(self) -> None:
        """Cancel the async callbacks that are still running, but for the one that called us."""
        for task in self.tasks:
            task.cancel()


class Callback(ObserverBase[T]):
    """
    One subscriber's functions as an observer: guarded, and run in order if they are async.

    An error that no function takes is reported.
    """

    __slots__ = ("_door", "_function", "_on_completed", "_on_error", "_pending", "_running", "_where")

    def __init__(
        self,
        door: Door,
        function: Callable[[T], object],
        where: str,
        *,
        on_error: Callable[[Exception], object] | None = None,
        on_completed: Callable[[], object] | None = None,
    ) -> None:
        self._door, self._function, self._where = door, function, where
        self._on_error, self._on_completed = on_error, on_completed
        self._pending: deque[Awaitable[object]] | None = None
        self._running = False

    def on_next(self, value: T) -> None:
        """Pass a value on; an async function gets the next one when it has finished with this one."""
        self._run(self._function, value)

    def on_error(self, error: Exception) -> None:
        """Pass the error on."""
        if self._on_error is None:
            self._door.report(error, self._where)
        else:
            self._run(self._on_error, error)

    def on_completed(self) -> None:
        """Pass the end on."""
        if self._on_completed is not None:
            self._run(self._on_completed)

    def _run(self, function: Callable[..., object], *args: object) -> None:
        """Call a function, after the calls that still wait if it is async."""
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
            self._running = self._door.spawn(self._work(self._pending), self._stopped)
            if not self._running:
                _discard(self._pending.pop())
                self._door.report(RuntimeError("an async callback needs a running event loop"), self._where)

    async def _work(self, pending: deque[Awaitable[object]]) -> None:
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
            return Undo()
        self._observers = (*self._observers, observer)
        return Leave(self, observer)

    def leave(self, observer: ObserverBase[Any]) -> None:
        """Let an observer go."""
        self._observers = tuple(other for other in self._observers if other is not observer)
