"""Cancel on newer: settled turns become requests, and a newer user message lets the request in flight go at once."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .message import Message
from .pairing import Answered

__all__ = ["DEBOUNCE_S", "PacedTurn", "Submitted", "Switch", "Turns"]

DEBOUNCE_S: Final = 0.010
"""Seconds a user message must be the newest before it is sent. Source: the product's page on messages."""


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """A user message that was just added."""

    message: Message
    number: int
    track_only: bool
    at: float


class PacedTurn(msgspec.Struct, frozen=True, gc=False):
    """A user message that has settled, whether it is only tracked, and what the pacing rule said."""

    submitted: Submitted
    track_only: bool
    reason: str | None = None


class Turns(Protocol):
    """What a `Switch` asks, and tells."""

    def start(self, settled: Submitted, observer: ObserverBase[Answered], /) -> DisposableBase:
        """Send the request of a turn, as pacing marks it; its answer goes to *observer*, and disposing lets it go."""
        ...

    def on_next(self, value: Answered, /) -> None:
        """An answer."""
        ...

    def on_error(self, error: Exception, /) -> None:
        """A defect."""
        ...

    def on_completed(self) -> None:
        """The source has ended, and so has the last request."""
        ...


class Switch(ObserverBase[Submitted], DisposableBase):
    """
    One request for each burst of user messages, for the newest of them; the answer of no other.

    It is `debounce >> map(request.take_until(a newer message)) >> switch_latest`, as one observer. Of
    RxPY's operators that is some two hundred objects a session, and the collector that walks them is half of a turn's
    cost at a thousand sessions. The composition stands in the tests, where both are held to the same marbles and to the
    same random interleavings. A session, which is itself the subject of its messages, feeds it without a subscription.

    What *turns* is asked must not raise: an error there ends the session's preloads.

        users:    -a-b----------c-------|
        debounce: -----b-----------c----|     (10 ms)
        request:       ----x               b answered
                                   ---y|
        preloads: ---------x----------y-|
    """

    __slots__ = ("_ended", "_live", "_scheduler", "_timer", "_turns", "_waiting")

    def __init__(self, turns: Turns, scheduler: SchedulerBase) -> None:
        self._turns, self._scheduler = turns, scheduler
        self._waiting: Submitted | None = None
        self._timer: DisposableBase | None = None
        self._live: _Live | None = None
        self._ended = False

    def on_next(self, value: Submitted) -> None:
        """A newer message: its debounce begins, and what is in flight is let go."""
        self._waiting = value
        live, self._live = self._live, None
        if live is not None:  # and not only when this one has settled: what is in flight is superseded at once
            live.dispose()
        self._stop()
        self._timer = self._scheduler.schedule_relative(DEBOUNCE_S, _settle, self)

    def on_error(self, error: Exception) -> None:
        """The source has failed."""
        self._let_go()
        self._turns.on_error(error)

    def on_completed(self) -> None:
        """The source has ended: what waits is sent, what is in flight may finish."""
        self._ended = True
        if self._waiting is not None:  # nothing newer can come
            self._stop()
            self.settle()
        elif self._live is None:
            self._turns.on_completed()

    def answered(self, live: _Live) -> None:
        """The request has ended."""
        if self._live is live:
            self._live = None
            if self._ended:
                self._turns.on_completed()

    def dispose(self) -> None:
        """Let everything go."""
        self._let_go()

    def settle(self) -> None:
        """Nothing newer has come: send it."""
        waiting, self._waiting, self._timer = self._waiting, None, None
        if waiting is None:
            return
        try:
            live = self._live = _Live(self, self._turns)
            live.hold(self._turns.start(waiting, live))
        except Exception as error:  # as an operator does with what a function of its raises
            self.dispose()
            self._turns.on_error(error)

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.dispose()

    def _let_go(self) -> None:
        self._waiting = None
        self._stop()
        live, self._live = self._live, None
        if live is not None:
            live.dispose()


def _settle(_: SchedulerBase, switch: Switch | None) -> None:
    if switch is not None:
        switch.settle()


class _Live(ObserverBase[Answered], DisposableBase):
    """One request in flight."""

    __slots__ = ("_held", "_switch", "_turns", "is_over")

    def __init__(self, switch: Switch, turns: Turns) -> None:
        self._switch, self._turns = switch, turns
        self._held: DisposableBase | None = None
        self.is_over = False

    def hold(self, subscription: DisposableBase) -> None:
        if self.is_over:  # a newer message was said while it went out
            subscription.dispose()
        else:
            self._held = subscription

    def on_next(self, value: Answered) -> None:
        if not self.is_over:
            self._turns.on_next(value)

    def on_error(self, error: Exception) -> None:
        if not self.is_over:
            self.is_over = True
            self._turns.on_error(error)

    def on_completed(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._switch.answered(self)

    def dispose(self) -> None:
        self.is_over = True
        held, self._held = self._held, None
        if held is not None:
            held.dispose()
