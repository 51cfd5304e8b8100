"""
Operators for streams of ad events. They are ordinary RxPY operators: use them in `pipe`, on any observable of events.

RxPY's own are imported as `import reactivex.operators as rxops`, so that nobody mixes the two.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from reactivex import Observable
from reactivex import operators as rxops

from .event import AdError, AdEvent, Filled, NoFill, Viewed
from .typing import Operator

__all__ = ["fill_rate", "for_message", "for_placement", "named", "of_type", "revenue"]

E = TypeVar("E", bound=AdEvent)
T = TypeVar("T")


def for_message(message_id: str) -> Operator[E, E]:
    """
    The events about one message: the assistant's by its id, or the user's whose preload they came from.

        --a1--b1--a2--b2--|
        [ for_message("a") ]
        --a1------a2------|
    """

    def about(event: E) -> bool:
        return message_id in (event.message_id, event.user_message_id)

    return rxops.filter(about)


def for_placement(code: str) -> Operator[E, E]:
    """
    The events of one placement; the session-wide ones, which have none, are left out.

        --inlineAd--sidebar--no-fill--inlineAd--|
        [     for_placement("inlineAd")         ]
        --inlineAd--------------------inlineAd--|
    """

    def of_code(event: E) -> bool:
        return event.code == code

    return rxops.filter(of_code)


def of_type(*kinds: type[E]) -> Operator[AdEvent, E]:
    """
    The events of these classes, typed as such.

        --filled--viewed--clicked--filled--|
        [        of_type(Filled)           ]
        --filled-------------------filled--|

    Raises `TypeError` when no class is given, or something that is none.
    """
    if not kinds or not all(isinstance(kind, type) for kind in kinds):
        raise TypeError("of_type() takes event classes, such as of_type(Filled, NoFill)")

    def of_type_(events: Observable[AdEvent]) -> Observable[E]:
        def is_one(event: AdEvent) -> bool:
            return isinstance(event, kinds)

        return events.pipe(rxops.filter(is_one))  # pyright: ignore[reportReturnType]  # narrowed by is_one

    return of_type_


def named(*names: str) -> Operator[E, E]:
    """
    The events with these names, such as `"ad.filled"`.

    Raises `TypeError` when no name is given, or something that is none, such as a class.
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError('named() takes event names, such as named("ad.filled", "ad.no-fill")')

    def is_named(event: E) -> bool:
        return event.name in names

    return rxops.filter(is_named)


def revenue(of: type[Viewed] | type[Filled] = Viewed) -> Operator[AdEvent, float]:
    """
    The running sum of revenue over what was viewed, or over another event that carries it (`of=Filled`).

        --viewed(0.02)--filled(0.03)--viewed(0.03)--|
        [              revenue()                    ]
        --0.02------------------------0.05----------|

    An event without a revenue adds nothing and is still counted as a step.

    Raises `TypeError` when *of* is another class: no other event carries a revenue.
    """
    if of not in (Viewed, Filled):
        raise TypeError("revenue() takes Viewed or Filled, the events that carry a revenue")

    def add(total: float, event: Viewed | Filled) -> float:
        return total + (event.revenue or 0.0)

    def revenue_(events: Observable[AdEvent]) -> Observable[float]:
        return events.pipe(of_type(of), rxops.scan(add, 0.0))

    return revenue_


def fill_rate() -> Operator[AdEvent, float]:
    """
    The share of preloads that filled among those that have ended, after each that ends: 0 to 1.

        --filled--no-fill--filled--error--|
        [          fill_rate()            ]
        --1.0-----0.5------0.67----0.5----|

    A preload that fills several placements counts once; an error that is no preload's does not count. Turns that only
    track the context are told when they do not fill, and not when they would have: holding turns back lowers the rate.
    """

    def fill_rate_(events: Observable[AdEvent]) -> Observable[float]:
        def ends_one(event: AdEvent) -> bool:
            # An error that concerns a bid comes from a mounted ad; one without a user message from the session.
            return not isinstance(event, AdError) or (event.bid_id is None and event.user_message_id is not None)

        def ended(count: _Count) -> int:
            return count.ended

        def rate(count: _Count) -> float:
            return count.filled / count.ended

        return events.pipe(
            of_type(Filled, NoFill, AdError),
            rxops.filter(ends_one),
            rxops.scan(_counted, _Count()),
            rxops.distinct_until_changed(ended),
            rxops.map(rate),
        )

    return fill_rate_


class _Count(msgspec.Struct, frozen=True):
    ended: int = 0
    filled: int = 0
    latest: tuple[str | None, float] | None = None
    """The preload that filled last: its user message and its time, which all its `Filled` share."""
    codes: frozenset[str | None] = frozenset()
    """The placements it has filled so far."""


def _counted(count: _Count, event: AdEvent) -> _Count:
    if not isinstance(event, Filled):
        return msgspec.structs.replace(count, ended=count.ended + 1)
    preload = (event.user_message_id, event.at)
    # A preload fills a placement once: the same again is another session's, whose messages may have the same ids.
    if preload == count.latest and event.code not in count.codes:
        return msgspec.structs.replace(count, codes=count.codes | {event.code})
    return _Count(count.ended + 1, count.filled + 1, preload, frozenset({event.code}))
