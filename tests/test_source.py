"""Observables confined to one loop keep the Rx contract."""

import pytest
from reactivex import operators as rxops
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from kontext_rx.source import Feed, Source


def test_after_the_end_nothing_is_delivered_whatever_the_producer_does() -> None:
    seen: list[object] = []

    def produce(observer: ObserverBase[int], _: SchedulerBase | None) -> DisposableBase:
        observer.on_next(1)
        observer.on_completed()
        observer.on_next(2)
        observer.on_completed()
        observer.on_error(ValueError("late"))
        return Disposable(lambda: seen.append("disposed"))

    Source(produce).subscribe(seen.append, seen.append, lambda: seen.append("end"))
    assert seen == [1, "end", "disposed"]


def test_after_an_error_nothing_is_delivered() -> None:
    feed: Feed[int] = Feed()
    seen: list[object] = []
    feed.subscribe(seen.append, lambda error: seen.append(str(error)), lambda: seen.append("end"))
    feed.on_error(ValueError("over"))
    feed.on_next(1)
    feed.on_completed()
    assert seen == ["over"]


def test_disposing_stops_delivery_and_the_producer_once() -> None:
    stopped: list[str] = []
    kept: list[ObserverBase[int]] = []

    def produce(observer: ObserverBase[int], _: SchedulerBase | None) -> DisposableBase:
        kept.append(observer)
        return Disposable(lambda: stopped.append("stopped"))

    seen: list[int] = []
    subscription = Source(produce).subscribe(seen.append)
    kept[0].on_next(1)
    subscription.dispose()
    subscription.dispose()
    kept[0].on_next(2)
    assert seen == [1]
    assert stopped == ["stopped"]


def test_what_the_producer_raises_is_an_error_of_the_stream() -> None:
    def produce(observer: ObserverBase[int], _: SchedulerBase | None) -> DisposableBase:
        raise ValueError("cannot start")

    seen: list[str] = []
    Source(produce).subscribe(on_error=lambda error: seen.append(str(error)))
    assert seen == ["cannot start"]
    with pytest.raises(ValueError, match="cannot start"):
        Source(produce).subscribe()


def test_what_the_producer_raises_after_the_end_is_raised() -> None:
    def produce(observer: ObserverBase[int], _: SchedulerBase | None) -> DisposableBase:
        observer.on_completed()
        raise ValueError("after the end")

    with pytest.raises(ValueError, match="after the end"):
        Source(produce).subscribe()


def test_a_feed_gives_everyone_the_same_in_order() -> None:
    feed: Feed[int] = Feed()
    seen: list[tuple[str, int | str]] = []
    first = feed.subscribe(lambda value: seen.append(("first", value)))
    feed.subscribe(lambda value: seen.append(("second", value)), on_completed=lambda: seen.append(("second", "end")))
    feed.on_next(1)
    first.dispose()
    feed.on_next(2)
    feed.on_completed()
    feed.on_next(3)
    assert seen == [("first", 1), ("second", 1), ("second", 2), ("second", "end")]


def test_one_who_leaves_during_delivery_is_not_called_again() -> None:
    feed: Feed[int] = Feed()
    seen: list[int] = []
    later: list[DisposableBase] = []
    feed.subscribe(lambda _: later[0].dispose())
    later.append(feed.subscribe(seen.append))
    feed.on_next(1)
    assert seen == []


def test_rxpy_s_operators_work_on_it() -> None:
    feed: Feed[int] = Feed()
    seen: list[int] = []
    feed.pipe(rxops.map(lambda value: value * 2), rxops.take(2)).subscribe(seen.append)
    for number in range(5):
        feed.on_next(number)
    assert seen == [0, 2]
