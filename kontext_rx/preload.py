"""Cancel on newer: settled turns become requests, and a newer user message lets the request in flight go at once."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .message import Message
from .pairing import Answered

__all__ = ["DEBOUNCE_S", "PacedTurn", "Request", "Submitted", "Switch"]

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


class Request(Protocol):
    """
    What a settled turn becomes.

    Once started it tells its switch, with itself: `answered`, and then `over`; or `failed`. Nothing after `dispose`.
    """

    def start(self) -> None:
        """Send it."""
        ...

    def dispose(self) -> None:
        """Let it go."""
        ...


class Switch(ObserverBase[Submitted], DisposableBase):
    """
    One request for each burst of user messages, for the newest of them; the answer of no other.

    It is `debounce >> map(request.take_until(a newer message)) >> switch_latest`, as one observer. Of
    RxPY's operators that is some two hundred objects a session, and the collector that walks them is half of a turn's
    cost at a thousand sessions. The composition stands in the tests, where both are held to the same marbles and to the
    same random interleavings. A session, which is itself the subject of its messages, feeds it without a subscription.

    Who derives from it says what a request is, and is told. `request` must not raise: an error there ends the preloads.

        users:    -a-b----------c-------|
        debounce: -----b-----------c----|     (10 ms)
        request:       ----x               b answered
                                   ---y|
        preloads: ---------x----------y-|
    """

    __slots__ = ("_ended", "_live", "_scheduler", "_timer", "_waiting")

    def __init__(self, scheduler: SchedulerBase) -> None:
        self._scheduler = scheduler
        self._waiting: Submitted | None = None
        self._timer: DisposableBase | None = None
        self._live: Request | None = None
        self._ended = False

    # --- what a request is, and where its answer goes ---

    def request(self, settled: Submitted) -> Request | None:
        """The request of a turn, as pacing marks it; None when there is nothing to send."""
        raise NotImplementedError

    def tell(self, value: Answered) -> None:
        """An answer."""
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        """A defect."""
        raise NotImplementedError

    def finish(self) -> None:
        """The source has ended, and so has the last request."""

    # --- the source ---

    def on_next(self, value: Submitted) -> None:
        """A newer message: its debounce begins, and what is in flight is let go."""
        self._waiting = value
        live, self._live = self._live, None
        if live is not None:  # and not only when this one has settled: what is in flight is superseded at once
            live.dispose()
        if self._timer is not None:
            self._timer.dispose()
        self._timer = self._scheduler.schedule_relative(DEBOUNCE_S, _settle, self)

    def on_error(self, error: Exception) -> None:
        """The source has failed."""
        self.dispose()
        self.fail(error)

    def on_completed(self) -> None:
        """The source has ended: what waits is sent, what is in flight may finish."""
        self._ended = True
        if self._waiting is not None:  # nothing newer can come
            self._stop()
            self.settle()
        elif self._live is None:
            self.finish()

    def dispose(self) -> None:
        """Let everything go."""
        self._waiting = None
        self._stop()
        live, self._live = self._live, None
        if live is not None:
            live.dispose()

    def settle(self) -> None:
        """Nothing newer has come: send it."""
        waiting, self._waiting, self._timer = self._waiting, None, None
        if waiting is None:
            return
        try:
            request = self.request(waiting)
            if request is not None and self._waiting is None:  # else something was said from inside: that is newer
                self._live = request
                request.start()
        except Exception as error:  # as an operator does with what a function of its raises
            self.dispose()
            self.fail(error)

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.dispose()

    # --- the request ---

    def answered(self, request: Request, value: Answered) -> None:
        """The request has its answer."""
        if self._live is request:
            self.tell(value)

    def over(self, request: Request) -> None:
        """The request has ended."""
        if self._live is request:
            self._live = None
            if self._ended:
                self.finish()

    def failed(self, request: Request, error: Exception) -> None:
        """The request was never to raise, and did."""
        if self._live is request:
            self._live = None
            self.fail(error)


def _settle(_: SchedulerBase, switch: Switch | None) -> None:
    if switch is not None:
        switch.settle()
