"""A stream read with `async for`, at the reader's own pace, behind a bounded buffer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal, TypeVar

from reactivex import Observable
from reactivex.abc import ObserverBase

__all__ = ["Reader"]

T = TypeVar("T")


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
