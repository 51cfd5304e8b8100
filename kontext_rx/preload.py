"""Cancel on newer: settled turns become requests, and a newer user message lets the request in flight go at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import reactivex as rx
from reactivex import Observable
from reactivex import operators as rxops
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import ImmediateScheduler

from .message import Message
from .pairing import Answered
from .typing import Operator

__all__ = ["DEBOUNCE_S", "PacedTurn", "Submitted", "preloads"]

DEBOUNCE_S: Final = 0.010
"""Seconds a user message must be the newest before it is sent. Source: the product's page on messages."""


class Submitted(msgspec.Struct, frozen=True):
    """A user message that was just added."""

    message: Message
    number: int
    track_only: bool
    at: float


class PacedTurn(msgspec.Struct, frozen=True):
    """A user message that has settled, whether it is only tracked, and what the pacing rule said."""

    submitted: Submitted
    track_only: bool
    reason: str | None = None


def preloads(
    pace: Callable[[Submitted], PacedTurn],
    request: Callable[[PacedTurn], Observable[Answered]],
    *,
    scheduler: SchedulerBase,
) -> Operator[Submitted, Answered]:
    """
    One request for each burst of user messages, for the newest of them; the answer of no other.

    The messages must be a hot stream: each request listens to it too, for what is newer.

    *pace* and *request* must not raise, and *request* must give an observable that does not error: an error here would
    end the session's preloads.

        users:    -a-b----------c-------|
        debounce: -----b-----------c----|     (10 ms)
        request:       ----x               b answered
                                   ---y|
        preloads: ---------x----------y-|
    """

    def preloads_(users: Observable[Submitted]) -> Observable[Answered]:
        def live(paced: PacedTurn) -> Observable[Answered]:
            """The answer to *paced*, unless a newer message comes first."""

            # The next settled turn comes a debounce after the newer message: too late to let go of this request.
            def subscribe(observer: ObserverBase[Answered], outer: SchedulerBase | None = None) -> DisposableBase:
                # Not `take_until`, which listens to the newer one last: whoever hears that the request goes out may
                # answer with a message.
                newer = users.subscribe(lambda _: observer.on_completed(), observer.on_error, scheduler=outer)
                return CompositeDisposable(newer, request(paced).subscribe(observer, scheduler=outer))

            return Observable(subscribe)

        return users.pipe(
            rxops.debounce(DEBOUNCE_S, scheduler=scheduler),
            rxops.map(pace),
            rxops.map(live),
            rxops.switch_latest(),
        )

    return preloads_


def at_once(answered: Answered) -> Observable[Answered]:
    """An answer that needs no request."""
    return rx.just(answered, scheduler=_IMMEDIATE)


_IMMEDIATE: Final = ImmediateScheduler.singleton()
