"""
Observables confined to one loop: the Rx contract without RxPY's trampoline, locks and chain of disposables.

RxPY pays some eleven microseconds and a dozen objects for each subscription, so that any source on any thread is safe.
What a session subscribes to at every turn is its own and lives on its loop: one small object keeps the contract there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

__all__ = ["Feed", "Leave", "Produce", "Source", "Undo"]

T = TypeVar("T")

Produce: TypeAlias = Callable[[ObserverBase[T], "SchedulerBase | None"], DisposableBase]
"""Starts a subscription: gives values to the observer, from now on or at once, and a way to stop."""


class Source(Observable[T]):
    """
    An observable made of a *produce* function.

    After the end, an error or a disposal nothing more is delivered, whatever *produce* does; what *produce* raises is
    an error of the stream.
    """

    lock = threading.RLock()  # RxPY's operators take their source's; around ours they call nothing of an app's

    def __init__(self, produce: Produce[T] | None = None) -> None:
        # Not Observable.__init__: it would make each a lock of its own.
        self._subscribe = produce

    def _subscribe_core(self, observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
        assert self._subscribe is not None
        return self._subscribe(observer, scheduler)

    def subscribe(
        self,
        on_next: ObserverBase[T] | Callable[[T], object] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_completed: Callable[[], None] | None = None,
        *,
        scheduler: SchedulerBase | None = None,
    ) -> DisposableBase:
        """Subscribe an observer, or functions. An error that nobody takes is raised."""
        if callable(getattr(on_next, "on_next", None)):
            observer = cast("ObserverBase[T]", on_next)
        else:
            observer = _Functions(cast("Callable[[T], object] | None", on_next), on_error, on_completed)
        # Not `_Subscriber[T](...)`: a subscripted class takes four times as long to call.
        subscriber: _Subscriber[T] = _Subscriber(observer)
        try:
            subscriber.hold(self._subscribe_core(subscriber, scheduler))
        except Exception as error:
            if subscriber.stopped:
                raise
            subscriber.on_error(error)
        return subscriber


class _Functions(ObserverBase[T]):
    """Functions as an observer. An error that nobody takes is raised."""

    __slots__ = ("_on_completed", "_on_error", "_on_next")

    def __init__(
        self,
        on_next: Callable[[T], object] | None,
        on_error: Callable[[Exception], None] | None,
        on_completed: Callable[[], None] | None,
    ) -> None:
        self._on_next, self._on_error, self._on_completed = on_next, on_error, on_completed

    def on_next(self, value: T) -> None:
        if self._on_next is not None:
            self._on_next(value)

    def on_error(self, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(error)

    def on_completed(self) -> None:
        if self._on_completed is not None:
            self._on_completed()


class _Subscriber(ObserverBase[T], DisposableBase):
    """One subscription: an observer that stops, and the disposable that stops it."""

    __slots__ = ("_observer", "_resource", "stopped")

    def __init__(self, observer: ObserverBase[T]) -> None:
        self._observer: ObserverBase[T] | None = observer
        self._resource: DisposableBase | None = None
        self.stopped = False

    def hold(self, resource: DisposableBase) -> None:
        """What to dispose at the end; at once when the end has come already."""
        if self.stopped:
            resource.dispose()
        else:
            self._resource = resource

    def on_next(self, value: T) -> None:
        if self._observer is not None and not self.stopped:
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        observer = self._observer
        if self.stopped or observer is None:
            return
        self.stopped = True
        try:
            observer.on_error(error)
        finally:
            self.dispose()

    def on_completed(self) -> None:
        observer = self._observer
        if self.stopped or observer is None:
            return
        self.stopped = True
        try:
            observer.on_completed()
        finally:
            self.dispose()

    def dispose(self) -> None:
        self.stopped = True
        # What it called may hold a conversation: nothing of it is kept by whoever keeps the disposable.
        self._observer = None
        resource, self._resource = self._resource, None
        if resource is not None:
            resource.dispose()


class Feed(Source[T], ObserverBase[T]):
    """A subject: what is given to it goes to everyone who is subscribed, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(self._add)
        self._observers: tuple[ObserverBase[T], ...] = ()

    def _add(self, observer: ObserverBase[T], _: SchedulerBase | None) -> DisposableBase:
        self._observers = (*self._observers, observer)
        return Leave(self, observer)

    def leave(self, observer: ObserverBase[Any]) -> None:
        """Let an observer go."""
        self._observers = tuple(other for other in self._observers if other is not observer)

    def on_next(self, value: T) -> None:
        """Give *value* to those who are subscribed now."""
        for observer in self._observers:
            observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        """End with *error*."""
        observers, self._observers = self._observers, ()
        for observer in observers:
            observer.on_error(error)

    def on_completed(self) -> None:
        """End."""
        observers, self._observers = self._observers, ()
        for observer in observers:
            observer.on_completed()


class Undo(DisposableBase):
    """Calls a function once, when it is disposed; RxPY's has a lock, for other threads."""

    __slots__ = ("_undo",)

    def __init__(self, undo: Callable[[], object] | None = None) -> None:
        self._undo = undo

    def dispose(self) -> None:
        """Call it, unless it was called."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()


class Leavable(Protocol):
    """What observers are subscribed to."""

    def leave(self, observer: ObserverBase[Any], /) -> None:
        """Let an observer go."""
        ...


class Leave(DisposableBase):
    """Lets an observer go, once."""

    __slots__ = ("_leavable", "_observer")

    def __init__(self, leavable: Leavable, observer: ObserverBase[Any]) -> None:
        self._leavable: Leavable | None = leavable
        self._observer: ObserverBase[Any] | None = observer

    def dispose(self) -> None:
        """Let it go, unless it has gone."""
        leavable, observer = self._leavable, self._observer
        self._leavable = self._observer = None
        if leavable is not None and observer is not None:
            leavable.leave(observer)
