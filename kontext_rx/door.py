"""The way out of a session: a queue that gives everyone one order, and calls into the app that cannot hurt."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, Protocol, TypeVar

from reactivex.abc import DisposableBase, ObserverBase

__all__ = ["BUFFER_SIZE", "Callback", "Door", "Relay", "Reports"]

T = TypeVar("T")

BUFFER_SIZE: Final = 1024
"""Values kept for a reader or an async callback that does not keep up. Source: ours."""


class Reports(Protocol):
    """Takes what the app's code raised."""

    def report(self, error: BaseException, where: str, /) -> None:
        """Tell of *error*, and on which stream it was raised; must not raise."""
        ...


class Door:
    """
    Delivers what is published, in one order for everyone.

    What is published while something is being delivered, or inside a `with` block, waits for its turn, so an app that
    calls back into the session from an event sees its consequences after that event.
    """

    __slots__ = ("_depth", "_house", "_queue", "_tasks")

    def __init__(self, house: Reports) -> None:
        self._house = house
        self._queue: list[tuple[Callable[[Any], None], Any]] | None = None
        self._depth = 0
        self._tasks: set[asyncio.Task[None]] | None = None

    def publish(self, deliver: Callable[[T], None], value: T) -> None:
        """Call *deliver* with *value* when its turn comes: now, unless something else is under way."""
        if self._queue is None:
            self._queue = [(deliver, value)]
        else:
            self._queue.append((deliver, value))
        if not self._depth:
            with self:
                pass

    def report(self, error: BaseException, where: str) -> None:
        """Tell of what the app's code raised; *where* is the stream or the callback."""
        self._house.report(error, where)

    @property
    def is_open(self) -> bool:
        """Whether something is under way."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        queue = self._queue
        if queue is None or self._depth > 1:
            self._depth -= 1
            return
        told = iter(queue)
        try:
            for deliver, value in told:  # what is told meanwhile comes last
                deliver(value)
        finally:  # after an interrupt, what is left comes with the next
            self._queue = [*told] or None
            self._depth -= 1

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


class Callback(ObserverBase[T], DisposableBase):
    """
    One subscriber's functions as an observer: guarded, and run in order if they are async.

    It is its subscription too: after an end, an error or `dispose` nothing more is passed on. An error that no function
    takes is reported.
    """

    __slots__ = ("_door", "_function", "_on_completed", "_on_error", "_pending", "_resource", "_running", "_where")

    def __init__(
        self,
        door: Door,
        function: Callable[[T], object],
        where: str,
        *,
        on_error: Callable[[Exception], object] | None = None,
        on_completed: Callable[[], object] | None = None,
    ) -> None:
        self._door, self._where = door, where
        self._function: Callable[[T], object] | None = function
        self._on_error, self._on_completed = on_error, on_completed
        self._resource: Relay[T] | DisposableBase | None = None
        self._pending: deque[Awaitable[object]] | None = None
        self._running = False

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is passed on."""
        return self._function is None

    def hold(self, resource: Relay[T] | DisposableBase) -> None:
        """What to leave at the end: the relay that it listens to, or a disposable. At once when it has ended."""
        if self._function is None:
            _let_go(resource, self)
        else:
            self._resource = resource

    def on_next(self, value: T) -> None:
        """Pass a value on; an async function gets the next one when it has finished with this one."""
        function = self._function
        if function is None:
            return
        try:
            result = function(value)
        except (Exception, asyncio.CancelledError) as error:  # a cancelled future's result, and no cancelling of ours
            self._door.report(error, self._where)
            return
        if result is not None and inspect.isawaitable(result):
            self._later(result)

    def on_error(self, error: Exception) -> None:
        """Pass the error on, and end."""
        if self._function is None:
            return
        function = self._on_error
        self._end()
        if function is None:
            self._door.report(error, self._where)
        else:
            self._last(function, error)

    def on_completed(self) -> None:
        """Pass the end on, and end."""
        if self._function is None:
            return
        function = self._on_completed
        self._end()
        if function is not None:
            self._last(function)

    def dispose(self) -> None:
        """Pass nothing more on, and leave."""
        if self._function is not None or self._resource is not None:
            self._end()

    def _end(self) -> None:
        # What it called may hold a conversation: nothing of it is kept by whoever keeps the disposable.
        self._function = self._on_error = self._on_completed = None
        resource, self._resource = self._resource, None
        if resource is not None:
            _let_go(resource, self)

    def _last(self, function: Callable[..., object], *args: object) -> None:
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
    """The callbacks of one stream; none can detach another."""

    __slots__ = ("_callbacks", "is_completed", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        # Nearly always it is one, and then a tuple around it is an object more for the garbage collector to walk.
        self._callbacks: Callback[T] | tuple[Callback[T], ...] = ()
        self.is_completed = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody is subscribed."""
        return self._callbacks != ()

    def send(self, value: T) -> None:
        """Give *value* to everyone who is subscribed."""
        callbacks = self._callbacks
        if isinstance(callbacks, tuple):
            for callback in callbacks:
                callback.on_next(value)
        else:
            callbacks.on_next(value)

    def complete(self) -> None:
        """End the stream for everyone, and for those who come later."""
        self.is_completed = True
        callbacks, self._callbacks = self._all(), ()
        for callback in callbacks:
            callback.on_completed()

    def _all(self) -> tuple[Callback[T], ...]:
        return self._callbacks if isinstance(self._callbacks, tuple) else (self._callbacks,)

    def add(self, callback: Callback[T]) -> Relay[T]:
        """Subscribe *callback*; a completed stream completes it at once. Gives what it is to leave, `self`."""
        if self.is_completed:
            callback.on_completed()
        else:
            self._callbacks = (*self._all(), callback) if self._callbacks != () else callback
        return self

    def leave(self, callback: Callback[T]) -> None:
        """Let a callback go."""
        others = tuple(other for other in self._all() if other is not callback)
        self._callbacks = others[0] if len(others) == 1 else others


def _let_go(resource: Relay[Any] | DisposableBase, callback: Callback[Any]) -> None:
    if isinstance(resource, Relay):
        resource.leave(callback)
    else:
        resource.dispose()
