"""Where values leave a session: one order for everyone, each subscriber guarded, the scheduler carried along."""

import asyncio
import datetime as dt
import functools
import gc
import logging
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, Observer, Subject
from reactivex import operators as rxops
from reactivex.abc import DisposableBase
from reactivex.scheduler import CurrentThreadScheduler

from kontext_rx import Message
from kontext_rx.door import BUFFER_SIZE, Door, Relay
from kontext_rx.stream import Stream
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session


class Source:
    """A stream of its own on a virtual clock, and what was reported about its subscribers."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str]] = []
        self.errors: list[Exception] = []
        self.clock = VirtualClock()
        self.door = Door(self)
        self.relay = Relay[Any]("source")
        self.stream = self.of(self.relay)

    def of(self, relay: Relay[Any]) -> Stream[Any]:
        return Stream(lambda callback, _: relay.add(callback), door=self.door, scheduler=self.clock, name=relay.name)

    def report(self, error: Exception, where: str) -> None:
        self.reports.append((where, repr(error)))
        self.errors.append(error)

    def send(self, *values: Any) -> None:
        for value in values:
            self.door.publish(self.relay.send, value)

    def end(self) -> None:
        self.door.publish(lambda _: self.relay.complete(), None)


@pytest.fixture
def source() -> Source:
    return Source()


async def turns(count: int = 10) -> None:
    """Let everything that is ready run. Reason: an async callback needs a turn of the loop for each of its steps."""
    for _ in range(count):
        await asyncio.sleep(0)


def failing(value: object) -> None:
    raise ValueError(value)


# --- one order for everyone ---------------------------------------------------------------------------------------


def test_what_is_published_inside_an_event_comes_after_it_for_everyone(source: Source) -> None:
    """Nobody sees 2 before 1, though the first subscriber publishes 2 and 3 while it is told of 1."""
    first: list[int] = []
    second: list[int] = []

    def answer(value: int) -> None:
        first.append(value)
        if value == 1:
            source.send(2, 3)

    source.stream.subscribe(answer)
    source.stream.subscribe(second.append)
    source.send(1)
    assert first == second == [1, 2, 3]


def test_two_streams_of_one_door_share_one_order(source: Source) -> None:
    """What a subscriber of one stream publishes on another waits until everyone was told of the cause."""
    other = Relay[Any]("other")
    seen: list[str] = []
    source.stream.subscribe(lambda value: source.door.publish(other.send, f"because of {value}"))
    source.of(other).subscribe(seen.append)
    source.stream.subscribe(lambda value: seen.append(f"told of {value}"))
    source.send("a")
    assert seen == ["told of a", "because of a"]


def test_a_door_held_open_delivers_when_the_outermost_is_left(source: Source) -> None:
    seen: list[int] = []
    source.stream.subscribe(seen.append)
    with source.door:
        with source.door:
            source.send(1)
        source.send(2)
        assert seen == []
    assert seen == [1, 2]


def test_an_end_inside_an_event_comes_after_what_was_published_before(source: Source) -> None:
    """A subscriber ends the stream: the others are told of the event first, and of nothing after the end."""
    seen: list[object] = []
    source.stream.subscribe(lambda _: (source.end(), source.send("after the end")))
    source.stream.subscribe(seen.append, on_completed=lambda: seen.append("end"))
    source.send(1)
    assert seen == [1, "end"]


def test_messages_and_the_end_from_inside_an_event_keep_their_order(
    server: VirtualAdServer, clock: VirtualClock
) -> None:
    """The same with a session: the handler of an ad event adds a message and destroys; all see steps in one order."""
    session = virtual_session(server)
    lives: list[list[str]] = [[], []]

    def react(_: object) -> None:
        session.add_message(Message.user("u2", "And then?"))
        session.destroy()

    session.preloads.subscribe(lambda step: lives[0].append(f"{step.name} {step.user_message_id}"))
    session.events.subscribe(react)
    session.events.subscribe(lambda event: lives[0].append(event.name), on_completed=lambda: lives[0].append("end"))
    session.preloads.subscribe(lambda step: lives[1].append(f"{step.name} {step.user_message_id}"))
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    assert lives[0] == [
        "scheduled u1", "sent u1", "resolved u1", "ad.filled", "scheduled u2", "cancelled u2", "end"
    ]  # fmt: skip
    assert lives[1] == [life for life in lives[0] if life not in ("ad.filled", "end")]


# --- subscribers cannot hurt --------------------------------------------------------------------------------------


def test_a_subscriber_that_raises_is_reported_and_stays(source: Source) -> None:
    """One report a raise, no detaching, and the others go on."""
    calls: list[int] = []
    seen: list[int] = []

    def fragile(value: int) -> None:
        calls.append(value)
        failing(value)

    source.stream.subscribe(fragile)
    source.stream.subscribe(seen.append)
    source.send(1, 2)
    assert calls == seen == [1, 2]
    assert source.reports == [("source", "ValueError(1)"), ("source", "ValueError(2)")]


@pytest.mark.parametrize(
    "chain",
    [
        lambda stream: stream.map(str),
        lambda stream: stream.delay(1),
        lambda stream: stream.debounce(0.1),
        lambda stream: stream.observe_on(CurrentThreadScheduler()),
        lambda stream: stream.share().delay(1),
        lambda stream: stream.buffer_with_time(0.1),
        lambda stream: stream.flat_map(value_after(0.1)),
        lambda stream: stream.scan(lambda _, value: value),
        lambda stream: stream.publish().ref_count(),
        lambda stream: stream.group_by(lambda value: value).flat_map(lambda group: group),
    ],
    ids=["map", "delay", "debounce", "observe_on", "share", "buffer", "flat_map", "scan", "ref_count", "group_by"],
)
def test_a_raise_behind_an_operator_does_not_end_the_stream(
    source: Source, chain: Callable[[Stream[Any]], Observable[Any]]
) -> None:
    """Bare RxPY ends a stream silently when a subscriber raises behind `observe_on`; here it hears the next value."""
    calls: list[object] = []
    seen: list[object] = []

    def fragile(value: object) -> None:
        calls.append(value)
        raise ValueError

    chain(source.stream).subscribe(fragile)
    chain(source.stream).subscribe(seen.append)
    for value in "ab":
        source.send(value)
        source.clock.advance(2)
    source.end()
    assert calls == seen
    assert len(calls) >= 2
    assert source.reports == [("source", "ValueError()")] * len(calls)


def test_an_error_that_nobody_takes_is_reported(source: Source) -> None:
    """An operator's function raises: that derived stream errors, as Rx says; without an `on_error` it is reported."""
    seen: list[int] = []
    source.stream.pipe(rxops.map(failing)).subscribe(seen.append)
    source.stream.subscribe(seen.append)
    source.send(1, 2)
    assert seen == [1, 2]
    assert source.reports == [("source", "ValueError(1)")]


def test_an_error_goes_to_the_subscriber_that_takes_it(source: Source) -> None:
    errors: list[Exception] = []
    source.stream.pipe(rxops.map(failing)).subscribe(on_error=errors.append)
    source.send(1)
    assert [repr(error) for error in errors] == ["ValueError(1)"]
    assert source.reports == []


def test_a_handler_of_the_end_or_of_an_error_may_raise_too(source: Source) -> None:
    ends: list[str] = []
    source.stream.subscribe(on_completed=lambda: failing("end"))
    source.stream.pipe(rxops.map(lambda _: 1 / 0)).subscribe(on_error=lambda _: failing("error"))
    source.stream.subscribe(on_completed=lambda: ends.append("end"))
    source.send(1)
    source.end()
    assert ends == ["end"]
    assert source.reports == [("source", "ValueError('error')"), ("source", "ValueError('end')")]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_a_request_to_stop_passes_and_leaves_the_door_usable(source: Source, exception: type[BaseException]) -> None:
    """Ctrl-C inside a subscriber is nobody's to swallow; what waited in the door comes with the next value."""
    seen: list[int] = []

    def stop(value: int) -> None:
        if value == 1:
            source.send(2)
            raise exception

    source.stream.subscribe(stop)
    source.stream.subscribe(seen.append)
    with pytest.raises(exception):
        source.send(1)
    assert source.reports == []
    source.send(3)
    assert seen == [2, 3]


def test_a_request_to_stop_inside_a_held_door_leaves_it_usable(source: Source) -> None:
    seen: list[int] = []
    source.stream.subscribe(seen.append)

    def hold() -> None:
        with source.door:
            source.send(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hold()
    source.send(2)
    assert seen == [1, 2]


def test_unsubscribing_someone_during_delivery_takes_effect_at_once(source: Source) -> None:
    """The one that was let go hears nothing more, this value included; the others hear it once."""
    seen: list[str] = []
    leaving: list[DisposableBase] = []
    source.stream.subscribe(lambda _: leaving[0].dispose())
    leaving.append(source.stream.subscribe(lambda value: seen.append(f"let go {value}")))
    source.stream.subscribe(lambda value: seen.append(f"other {value}"))
    source.send(1, 2)
    assert seen == ["other 1", "other 2"]


def test_unsubscribing_oneself_during_delivery_skips_nobody(source: Source) -> None:
    seen: list[str] = []
    own: list[DisposableBase] = []

    def once(value: int) -> None:
        seen.append(f"once {value}")
        own[0].dispose()

    own.append(source.stream.subscribe(once))
    source.stream.subscribe(lambda value: seen.append(f"other {value}"))
    source.send(1, 2)
    assert seen == ["once 1", "other 1", "other 2"]


def test_one_who_subscribes_during_delivery_hears_the_next_value(source: Source) -> None:
    """Hot: from the subscription on, so not the value that is being told."""
    seen: list[int] = []
    source.stream.pipe(rxops.take(1)).subscribe(lambda _: source.stream.subscribe(seen.append))
    source.send(1, 2)
    assert seen == [2]


def test_one_observer_subscribed_twice_is_two_subscriptions(source: Source) -> None:
    seen: list[int] = []
    observer = Observer(seen.append)
    first = source.stream.subscribe(observer)
    source.stream.subscribe(observer)
    source.send(1)
    first.dispose()
    source.send(2)
    assert seen == [1, 1, 2]


def test_a_late_subscriber_of_a_completed_stream_completes_at_once(source: Source) -> None:
    source.end()
    seen: list[str] = []
    source.stream.subscribe(seen.append, on_completed=lambda: seen.append("end"))
    source.stream.pipe(rxops.delay(1)).subscribe(seen.append, on_completed=lambda: seen.append("late end"))
    assert seen == ["end"]
    source.clock.advance(1)
    assert seen == ["end", "late end"]
    assert not source.relay.is_heard


# --- the scheduler is carried along -------------------------------------------------------------------------------

Chain = Callable[[Stream[Any]], Observable[Any]]


def on(*operators: Callable[[Any], Any]) -> Chain:
    return lambda stream: stream.pipe(*operators)


def in_two_pipes(*operators: Callable[[Any], Any]) -> Chain:
    def chain(stream: Observable[Any]) -> Observable[Any]:
        for operator in operators:
            stream = stream.pipe(operator)
        return stream

    return chain


def connected(stream: Observable[Any], *before: Callable[[Any], Any]) -> Observable[Any]:
    published = stream.pipe(*before, rxops.publish())
    published.connect()
    return published.pipe(rxops.delay(1))


def value_after(seconds: float) -> Callable[[Any], Observable[Any]]:
    return lambda value: rx.timer(seconds).pipe(rxops.map(lambda _: value))


# Sent: a, b, c at 0, 2 and 4 seconds. Expected: what comes, and the second at which it does.
A_SECOND_LATER = [(1, "a"), (3, "b"), (5, "c")]
CHAINS: dict[str, tuple[Chain, list[tuple[float, object]]]] = {
    "delay": (on(rxops.delay(1)), A_SECOND_LATER),
    "delay, fluent": (lambda stream: stream.delay(1), A_SECOND_LATER),
    "debounce": (on(rxops.debounce(1)), A_SECOND_LATER),
    "debounce, fluent": (lambda stream: stream.filter(bool).debounce(1).map(str), A_SECOND_LATER),
    "throttle_with_timeout": (on(rxops.throttle_with_timeout(1)), A_SECOND_LATER),
    "throttle_first": (on(rxops.throttle_first(3)), [(0, "a"), (4, "c")]),
    "throttle_with_mapper": (on(rxops.throttle_with_mapper(lambda _: rx.timer(1))), A_SECOND_LATER),
    "sample": (on(rxops.sample(1.5)), [(1.5, "a"), (3, "b"), (4.5, "c")]),
    "sample, fluent": (lambda stream: stream.sample(1.5), [(1.5, "a"), (3, "b"), (4.5, "c")]),
    "timeout": (on(rxops.timeout(1, rx.just("late"))), [(0, "a"), (1, "late")]),
    "timeout, fluent": (lambda stream: stream.timeout(1, rx.just("late")), [(0, "a"), (1, "late")]),
    "timeout_with_mapper": (
        on(rxops.timeout_with_mapper(rx.timer(1), lambda _: rx.timer(1), rx.just("late"))),
        [(0, "a"), (1, "late")],
    ),
    "delay_with_mapper": (on(rxops.delay_with_mapper(lambda _: rx.timer(1))), A_SECOND_LATER),
    "delay_subscription": (on(rxops.delay_subscription(1)), [(2, "b"), (4, "c")]),
    "time_interval": (
        on(rxops.time_interval(), rxops.map(lambda one: one.interval.total_seconds())),
        [(0, 0.0), (2, 2.0), (4, 2.0)],
    ),
    "timestamp": (
        on(rxops.timestamp(), rxops.map(lambda one: one.timestamp.isoformat()[17:19])),
        [(0, "00"), (2, "02"), (4, "04")],
    ),
    "take_with_time": (on(rxops.take_with_time(3.0)), [(0, "a"), (2, "b")]),
    "skip_with_time": (on(rxops.skip_with_time(3.0)), [(4, "c")]),
    "take_until_with_time": (on(rxops.take_until_with_time(3.0)), [(0, "a"), (2, "b")]),
    "skip_until_with_time": (on(rxops.skip_until_with_time(3.0)), [(4, "c")]),
    "skip_last_with_time": (on(rxops.skip_last_with_time(2.0)), [(2, "a"), (4, "b")]),
    "take_until a timer": (on(rxops.take_until(rx.timer(3))), [(0, "a"), (2, "b")]),
    "buffer_with_time": (on(rxops.buffer_with_time(3.0), rxops.map("".join)), [(3, "ab"), (6, "c"), (9, "")]),
    "buffer_with_time_or_count": (
        on(rxops.buffer_with_time_or_count(3.0, 2), rxops.map("".join)),
        [(2, "ab"), (5, "c"), (8, "")],
    ),
    "buffer_when": (on(rxops.buffer_when(lambda: rx.timer(3)), rxops.map("".join)), [(3, "ab"), (6, "c"), (9, "")]),
    "window_with_time": (
        on(rxops.window_with_time(3.0), rxops.flat_map(rxops.to_list()), rxops.map("".join)),
        [(3, "ab"), (6, "c"), (9, "")],
    ),
    "window_with_count": (
        on(rxops.window_with_count(2), rxops.flat_map(rxops.delay(1))),
        A_SECOND_LATER,
    ),
    "group_by": (
        on(rxops.group_by(lambda value: value), rxops.flat_map(lambda group: group.pipe(rxops.debounce(1)))),
        A_SECOND_LATER,
    ),
    "group_by_until": (
        on(
            rxops.group_by_until(lambda _: 0, None, lambda _: rx.timer(3)),
            rxops.flat_map(lambda group: group.pipe(rxops.to_list())),
            rxops.map("".join),
        ),
        [(3, "ab"), (7, "c")],
    ),
    "flat_map to a timer": (on(rxops.flat_map(value_after(1))), A_SECOND_LATER),
    "switch_map to a timer": (lambda stream: stream.switch_map(value_after(3)), [(7, "c")]),
    "concat_map to a timer": (on(rxops.concat_map(value_after(3))), [(3, "a"), (6, "b"), (9, "c")]),
    "expand": (
        on(rxops.take(1), rxops.expand(lambda v: value_after(1)(v * 2) if len(v) < 4 else rx.empty())),
        [(0, "a"), (1, "aa"), (2, "aaaa")],
    ),
    "merge": (on(rxops.merge(rx.timer(3).pipe(rxops.map(str)))), [(0, "a"), (2, "b"), (3, "0"), (4, "c")]),
    "combine_latest": (on(rxops.combine_latest(rx.timer(3)), rxops.map(lambda p: p[0])), [(3, "b"), (4, "c")]),
    "with_latest_from": (on(rxops.with_latest_from(rx.timer(3)), rxops.map(lambda p: p[0])), [(4, "c")]),
    "zip": (on(rxops.zip(rx.interval(3)), rxops.map(lambda p: p[0])), [(3, "a"), (6, "b"), (9, "c")]),
    "start_with": (on(rxops.start_with("first"), rxops.delay(1)), [(1, "first"), *A_SECOND_LATER]),
    "concat": (on(rxops.take(1), rxops.concat(rx.timer(1)), rxops.map(str)), [(0, "a"), (1, "0")]),
    "retry": (
        on(rxops.map(lambda v: failing(v) if v == "a" else v), rxops.retry(2), rxops.delay(1)),
        [(3, "b"), (5, "c")],
    ),
    "repeat": (on(rxops.take(1), rxops.repeat(2), rxops.delay(1)), [(1, "a"), (3, "b")]),
    "timer(0)": (on(rxops.flat_map(value_after(0))), [(0, "a"), (2, "b"), (4, "c")]),
    "catch": (on(rxops.map(lambda _: 1 / 0), rxops.catch(rx.timer(1))), [(1, 0)]),
    "share": (on(rxops.share(), rxops.delay(1)), A_SECOND_LATER),
    "delay, then share": (on(rxops.delay(1), rxops.share()), A_SECOND_LATER),
    "share in a pipe of its own": (in_two_pipes(rxops.share(), rxops.delay(1)), A_SECOND_LATER),
    "share, fluent": (lambda stream: stream.share().delay(1), A_SECOND_LATER),
    "replay and ref_count": (on(rxops.replay(1), rxops.ref_count(), rxops.delay(1)), A_SECOND_LATER),
    "replay, then ref_count": (lambda stream: stream.pipe(rxops.delay(1), rxops.replay(1)).ref_count(), A_SECOND_LATER),
    "replay with a window": (lambda stream: stream.replay(None, 5.0).ref_count().delay(1), A_SECOND_LATER),
    "replay with a mapper": (on(rxops.replay(1, mapper=lambda shared: shared.pipe(rxops.delay(1)))), A_SECOND_LATER),
    "publish with a mapper": (on(rxops.publish(lambda shared: shared.pipe(rxops.delay(1)))), A_SECOND_LATER),
    "multicast": (
        on(rxops.multicast(subject_factory=lambda _: Subject(), mapper=lambda shared: shared.pipe(rxops.delay(1)))),
        A_SECOND_LATER,
    ),
    "publish and connect": (connected, A_SECOND_LATER),
    "delay, then publish and connect": (lambda stream: connected(stream.delay(1)), [(2, "a"), (4, "b"), (6, "c")]),
    "delay and publish in one pipe": (
        lambda stream: connected(stream, rxops.delay(1)),
        [(2, "a"), (4, "b"), (6, "c")],
    ),
    "auto_connect": (lambda stream: stream.delay(1).publish().auto_connect(1), A_SECOND_LATER),
    "partition": (lambda stream: stream.pipe(rxops.partition(lambda v: v == "b"))[0].delay(1), [(3, "b")]),
    "partition_indexed": (
        lambda stream: stream.pipe(rxops.partition_indexed(lambda _, i: i == 1))[1].delay(1),
        [(1, "a"), (5, "c")],
    ),
    "a slice": (lambda stream: stream[1:].delay(1), [(3, "b"), (5, "c")]),
    "an index": (lambda stream: stream[1].delay(1), [(3, "b")]),
    "+": (lambda stream: (stream[:1] + rx.timer(1)).delay(1), [(1, "a"), (2, 0)]),
    "nothing at all": (on(), [(0, "a"), (2, "b"), (4, "c")]),
}


@pytest.mark.parametrize(("chain", "expected"), CHAINS.values(), ids=CHAINS)
def test_the_timers_of_operators_run_on_the_streams_scheduler(
    source: Source, chain: Chain, expected: list[tuple[float, object]]
) -> None:
    """Bare RxPY would start a thread for each; here no scheduler is named and everything comes in virtual time."""
    began = source.clock.at
    seen: list[tuple[float, object]] = []
    derived = chain(source.stream)
    derived.subscribe(lambda value: seen.append((round(source.clock.at - began, 3), value)), on_error=failing)
    for value in "abc":
        source.send(value)
        source.clock.advance(2)
    source.clock.advance(4)
    assert seen == expected
    assert source.reports == []
    source.end()
    source.clock.advance(10)


@pytest.mark.parametrize(
    "operator",
    [
        rxops.merge(rx.never()),
        rxops.start_with(0),
        rxops.concat(rx.never()),
        rxops.catch(rx.never()),
        rxops.retry(2),
        rxops.repeat(2),
        rxops.on_error_resume_next(rx.never()),
        rxops.expand(lambda _: rx.empty()),
        rxops.flat_map(rx.just),
        rxops.concat_map(lambda value: rx.of(value)),
        rxops.switch_map(lambda value: rx.from_iterable([value])),
    ],
    ids=[
        "merge", "start_with", "concat", "catch", "retry", "repeat", "on_error_resume_next", "expand", "flat_map",
        "concat_map", "switch_map",
    ],
)  # fmt: skip
def test_a_subscription_begins_before_subscribe_returns(
    source: Source, operator: Callable[[Observable[Any]], Observable[Any]]
) -> None:
    """
    Hot, from the subscription on: also behind an operator that leaves subscribing to its scheduler.

    Given the session's scheduler for that too, `start_with` would listen from the loop's next turn on and miss the 1.
    """
    seen: list[int] = []
    source.stream.pipe(operator).subscribe(seen.append)
    source.send(1, 2)
    assert [value for value in seen if value] == [1, 2]


def test_a_scheduler_that_is_named_wins(source: Source) -> None:
    named = VirtualClock()
    seen: list[int] = []
    source.stream.pipe(rxops.delay(1)).subscribe(seen.append, scheduler=named)
    source.send(1)
    source.clock.advance(5)
    assert seen == []
    named.advance(5)
    assert seen == [1]


def test_connecting_takes_a_scheduler_that_is_named(source: Source) -> None:
    named = VirtualClock()
    seen: list[int] = []
    published = source.stream.pipe(rxops.delay(1), rxops.publish())
    published.subscribe(seen.append)
    published.connect(named)
    source.send(1)
    source.clock.advance(5)
    assert seen == []
    named.advance(5)
    assert seen == [1]


@pytest.mark.parametrize(
    "operator",
    [
        rxops.delay(1),
        rxops.debounce(1),
        rxops.timeout(1),
        rxops.buffer_with_time(1),
        rxops.flat_map(lambda _: rx.interval(1)),
        rxops.flat_map(lambda _: rx.timer(1, 2)),
        rxops.take_until(rx.timer(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))),
    ],
    ids=["delay", "debounce", "timeout", "buffer", "interval", "timer with a period", "timer at a date"],
)
def test_letting_go_cancels_the_timers(source: Source, operator: Callable[[Any], Any]) -> None:
    """Nothing is left on the session's scheduler that would wake it up."""
    subscription = source.stream.pipe(operator).subscribe(on_error=lambda _: None)
    source.send(1)
    source.clock.advance(0.5)
    subscription.dispose()
    pending = [item for item, _ in source.clock._queue.items if not item.is_cancelled()]
    assert pending == []


def test_connecting_is_guarded_and_lets_go(source: Source) -> None:
    """`publish` gives something to connect, again and again; disposing the connection leaves the stream alone."""
    seen: list[int] = []
    published = source.stream.pipe(rxops.publish())
    published.subscribe(failing)
    published.subscribe(seen.append)
    source.send(0)
    connection = published.connect()
    source.send(1)
    connection.dispose()
    source.send(2)
    published.connect()
    source.send(3)
    assert seen == [1, 3]
    assert source.reports == [("source", "ValueError(1)"), ("source", "ValueError(3)")]


def test_what_comes_out_of_a_pipe_and_is_no_observable_is_left_as_it_is(source: Source) -> None:
    assert source.stream.pipe(lambda _: 42) == 42
    assert source.stream.pipe() is source.stream


async def test_a_stream_can_be_awaited(source: Source) -> None:
    """As any observable: the last value before the end."""
    waiting = asyncio.ensure_future(source.stream.pipe(rxops.take(2)))
    await turns(1)
    source.send(1, 2, 3)
    assert await waiting == 2
    assert not source.relay.is_heard


# --- async callbacks ----------------------------------------------------------------------------------------------


async def test_calls_of_an_async_callback_run_one_after_the_other(source: Source) -> None:
    """The next value waits until the callback has finished with this one."""
    seen: list[str] = []

    async def slow(value: int) -> None:
        seen.append(f"begin {value}")
        await turns(3 - value)
        seen.append(f"end {value}")

    source.stream.subscribe(slow)
    source.send(0, 1)
    await turns(2)
    source.send(2)
    await turns()
    assert seen == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]


async def test_publishing_does_not_wait_for_async_callbacks(source: Source) -> None:
    never = asyncio.Event()
    seen: list[int] = []
    source.stream.subscribe(lambda _: never.wait())
    source.stream.subscribe(seen.append)
    source.send(1, 2)
    await turns()
    assert seen == [1, 2]
    source.door.close()
    await turns()


async def test_two_async_callbacks_do_not_wait_for_each_other(source: Source) -> None:
    never = asyncio.Event()
    seen: list[int] = []

    async def stuck(_: int) -> None:
        await never.wait()

    async def quick(value: int) -> None:
        seen.append(value)

    source.stream.subscribe(stuck)
    source.stream.subscribe(quick)
    source.send(1, 2)
    await turns()
    assert seen == [1, 2]
    assert len(source.door.tasks) == 1
    source.door.close()
    await turns()
    assert source.door.tasks == set()


def returning_awaitables(note: Callable[[int], Coroutine[Any, Any, None]]) -> Iterator[tuple[str, Any]]:
    class Handler:
        async def method(self, value: int) -> None:
            await note(value)

        async def __call__(self, value: int) -> None:
            await note(value)

    yield "an async def", note
    yield "a lambda", lambda value: note(value)
    yield "a partial", functools.partial(Handler.method, Handler())
    yield "a bound method", Handler().method
    yield "a callable object", Handler()
    yield "a task", lambda value: asyncio.create_task(note(value))
    yield "a future", lambda value: asyncio.gather(note(value))


@pytest.mark.parametrize("kind", range(7))
async def test_whatever_returns_an_awaitable_is_run(source: Source, kind: int) -> None:
    """Not only `async def`: lambdas, partials, objects, and functions that give a task or a future."""
    seen: list[int] = []

    async def note(value: int) -> None:
        await asyncio.sleep(0)
        seen.append(value)

    name, function = list(returning_awaitables(note))[kind]
    source.stream.subscribe(function)
    source.send(1, 2)
    await turns()
    assert seen == [1, 2], name


async def test_an_async_callback_that_raises_is_reported_and_called_again(source: Source) -> None:
    async def fragile(value: int) -> None:
        await asyncio.sleep(0)
        failing(value)

    source.stream.subscribe(fragile)
    source.send(1, 2)
    await turns()
    assert source.reports == [("source", "ValueError(1)"), ("source", "ValueError(2)")]


async def test_an_async_callback_that_fell_idle_is_started_again(source: Source) -> None:
    seen: list[int] = []

    async def note(value: int) -> None:
        seen.append(value)

    source.stream.subscribe(note)
    for value in range(3):
        source.send(value)
        await turns(2)
        assert source.door.tasks == set()
    assert seen == [0, 1, 2]


async def test_a_value_that_comes_as_the_last_call_ends_is_not_lost(source: Source) -> None:
    """Sent between the end of the last call and the moment at which its task counts as done."""
    seen: list[int] = []

    async def note(value: int) -> None:
        seen.append(value)
        if value == 1:
            # Runs in the very turn in which the task has ended and nobody was told yet.
            asyncio.get_running_loop().call_soon(source.send, 2)

    source.stream.subscribe(note)
    source.send(1)
    await turns()
    assert seen == [1, 2]


async def test_a_cancelled_thing_inside_an_async_callback_does_not_end_it(source: Source) -> None:
    """What it awaits was cancelled by someone else: reported, and the values that wait still come."""
    seen: list[int] = []

    async def waits_for_something_cancelled(value: int) -> None:
        seen.append(value)
        if value == 1:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    source.stream.subscribe(waits_for_something_cancelled)
    source.send(1, 2)
    await turns()
    source.send(3)
    await turns()
    assert seen == [1, 2, 3]
    assert source.reports == [("source", "RuntimeError('what an async callback was waiting for was cancelled')")]
    assert isinstance(source.errors[0].__cause__, asyncio.CancelledError)


async def test_handlers_of_the_end_and_of_an_error_may_be_async(source: Source) -> None:
    """They run after the values that came before them."""
    seen: list[object] = []

    async def note(value: object = "end") -> None:
        await asyncio.sleep(0)
        seen.append(value)

    async def note_error(error: Exception) -> None:
        seen.append(repr(error))

    source.stream.subscribe(note, None, note)
    source.send(1, 2)
    source.end()
    await turns()
    assert seen == [1, 2, "end"]

    seen.clear()
    second = Source()
    second.stream.pipe(rxops.map(lambda value: failing(value) if value == 2 else value)).subscribe(note, note_error)
    second.send(1, 2)
    await turns()
    assert seen == [1, "ValueError(2)"]


async def test_an_async_callback_that_falls_behind_loses_the_oldest_and_is_reported(source: Source) -> None:
    """At most 1024 values wait behind the one that is being handled; a report a lost value."""
    go_on = asyncio.Event()
    seen: list[int] = []

    async def slow(value: int) -> None:
        await go_on.wait()
        seen.append(value)

    source.stream.subscribe(slow)
    source.send(-1)
    await turns()  # -1 is being handled: it no longer waits
    source.send(*range(BUFFER_SIZE))
    assert source.reports == []
    source.send("one", "two")
    assert source.reports == [("source", f"OverflowError('an async callback is {BUFFER_SIZE} values behind')")] * 2
    go_on.set()
    await turns()
    assert seen == [-1, *range(2, BUFFER_SIZE), "one", "two"]


async def test_a_task_or_future_that_is_dropped_is_cancelled(source: Source) -> None:
    """Whatever kind of awaitable it is, nothing is left running or unawaited."""
    never = asyncio.Event()
    given: list[asyncio.Task[Any]] = []

    def start(_: int) -> asyncio.Task[Any]:
        given.append(asyncio.create_task(never.wait()))
        return given[-1]

    source.stream.subscribe(start)
    source.send(0)
    await turns()
    source.send(*range(BUFFER_SIZE + 1))
    await turns()
    assert [index for index, task in enumerate(given) if task.cancelled()] == [1]
    source.door.close()
    await turns()
    assert all(task.cancelled() for task in given)


async def test_an_awaitable_of_ones_own_is_dropped_without_a_word_more(source: Source) -> None:
    """It has nothing to close or cancel."""

    class Own:
        def __await__(self) -> Iterator[None]:
            return asyncio.Event().wait().__await__()

    source.stream.subscribe(lambda _: Own())
    source.send(0)
    await turns()
    source.send(*range(BUFFER_SIZE + 1))
    assert len(source.reports) == 1
    source.door.close()
    await turns()
    assert len(source.reports) == 1


def test_an_async_callback_without_a_running_loop_is_reported(source: Source) -> None:
    """In virtual time there may be no loop: it is said each time, and no coroutine is left unawaited."""

    async def note(_: int) -> None: ...

    source.stream.subscribe(note)
    source.send(1, 2)
    assert source.reports == [("source", "RuntimeError('an async callback needs a running event loop')")] * 2
    gc.collect()  # an unawaited coroutine would warn here, and warnings are errors


async def test_closing_cancels_what_runs_and_what_waits(source: Source) -> None:
    seen: list[str] = []

    async def slow(value: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(f"cancelled {value}")
            raise

    source.stream.subscribe(slow)
    source.send(1, 2)
    await turns(2)
    source.door.close()
    await turns()
    assert seen == ["cancelled 1"]
    assert source.reports == []
    assert source.door.tasks == set()


async def test_closing_before_a_call_has_begun_leaves_nothing_behind(source: Source) -> None:
    """Its coroutine is closed, not forgotten: a forgotten one would warn, and warnings are errors."""
    seen: list[int] = []

    async def note(value: int) -> None:
        seen.append(value)

    source.stream.subscribe(note)
    source.send(1)
    source.door.close()
    await turns()
    gc.collect()
    assert seen == []
    assert source.door.tasks == set()
    source.send(2)  # a stream that outlives the door's close: it goes on
    await turns()
    assert seen == [2]


def test_closing_without_a_running_loop_cancels_what_waits_for_it(source: Source) -> None:
    """`asyncio.run` has ended and `destroy()` comes after it: the callbacks are cancelled when the loop runs on."""
    never = asyncio.Event()
    source.stream.subscribe(lambda _: never.wait())

    async def begin() -> None:
        source.send(1)
        await turns()

    with asyncio.Runner() as runner:
        runner.run(begin())
        (task,) = source.door.tasks
        source.door.close()
        runner.run(turns())
        assert task.cancelled()
    assert source.door.tasks == set()


async def test_closing_spares_the_callback_that_closes(source: Source) -> None:
    """An async handler may destroy the session and go on; the others are cancelled."""
    seen: list[str] = []

    async def closes(_: int) -> None:
        source.door.close()
        await asyncio.sleep(0)
        seen.append("went on")

    async def other(_: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    source.stream.subscribe(other)
    source.stream.subscribe(closes)
    source.send(1)
    await turns()
    assert sorted(seen) == ["cancelled", "went on"]


# --- async for ----------------------------------------------------------------------------------------------------


async def test_a_reader_gets_what_came_while_it_was_busy(source: Source) -> None:
    """From the moment at which it was made, at its own pace, to the end."""
    source.send("before")
    reader = source.stream.buffered()
    source.send(1, 2)
    source.end()
    assert [value async for value in reader] == [1, 2]
    assert [value async for value in reader] == []
    assert reader.dropped == 0


async def test_a_reader_waits_for_values_that_come_later(source: Source) -> None:
    reader = source.stream.buffered()
    waiting = asyncio.create_task(anext(reader))
    await turns()
    assert not waiting.done()
    source.send(1)
    assert await waiting == 1


@pytest.mark.parametrize(("overflow", "kept"), [("drop_oldest", [3, 4]), ("drop_newest", [1, 2])])
async def test_a_reader_that_is_too_slow_loses_values_and_counts_them(
    source: Source, overflow: Any, kept: list[int]
) -> None:
    reader = source.stream.buffered(2, overflow=overflow)
    source.send(1, 2)
    assert reader.dropped == 0
    source.send(3, 4)
    source.end()
    assert reader.dropped == 2
    assert [value async for value in reader] == kept


async def test_a_reader_keeps_1024_values_unless_told_otherwise(source: Source) -> None:
    reader = aiter(source.stream)
    source.send(*range(BUFFER_SIZE + 3))
    source.end()
    assert [value async for value in reader] == list(range(3, BUFFER_SIZE + 3))
    assert reader.dropped == 3


@pytest.mark.parametrize("size", [0, -1])
def test_a_reader_without_room_is_refused(source: Source, size: int) -> None:
    with pytest.raises(ValueError, match=f"size={size} cannot be used: a reader needs room"):
        source.stream.buffered(size)
    assert not source.relay.is_heard


async def test_leaving_the_loop_unsubscribes(source: Source) -> None:
    """`break` drops the reader, and with it the subscription: no `aclose` is needed."""
    source.send(0)

    async def read_one() -> int:
        async for value in source.stream:
            return value
        raise AssertionError

    reading = asyncio.create_task(read_one())
    await turns()
    assert source.relay.is_heard
    source.send(1)
    assert await reading == 1
    assert not source.relay.is_heard


async def test_a_reader_that_nobody_holds_is_collected(source: Source) -> None:
    reader = source.stream.pipe(rxops.map(str)).buffered()
    alive = weakref.ref(reader)
    assert source.relay.is_heard
    del reader
    assert alive() is None
    assert not source.relay.is_heard


async def test_closing_a_reader_ends_the_loop_that_waits(source: Source) -> None:
    reader = source.stream.buffered()

    async def read() -> list[int]:
        return [value async for value in reader]

    reading = asyncio.create_task(read())
    await turns()
    source.send(1)
    await turns()
    await reader.aclose()
    assert await reading == [1]
    assert not source.relay.is_heard
    await reader.aclose()  # again is fine
    source.send(2)
    assert [value async for value in reader] == []


async def test_readers_are_independent(source: Source) -> None:
    slow, quick = source.stream.buffered(1), source.stream.buffered()
    source.send(1)
    assert await anext(quick) == 1
    source.send(2)
    assert (await anext(quick), await anext(slow)) == (2, 2)
    assert (quick.dropped, slow.dropped) == (0, 1)
    await slow.aclose()
    source.send(3)
    assert await anext(quick) == 3


async def test_the_error_of_a_derived_stream_reaches_its_reader(source: Source) -> None:
    """After the values that came before it."""
    reader = source.stream.map(lambda value: failing(value) if value == 3 else value).buffered()
    source.send(1, 2, 3, 4)
    assert (await anext(reader), await anext(reader)) == (1, 2)
    with pytest.raises(ValueError, match="3"):
        await anext(reader)
    assert source.reports == []
    assert not source.relay.is_heard


async def test_two_tasks_can_share_one_reader(source: Source) -> None:
    """Each value goes to one of them, and the end to both."""
    reader = source.stream.buffered()
    shares: list[list[int]] = [[], []]

    async def work(share: list[int]) -> None:
        async for value in reader:
            share.append(value)
            await asyncio.sleep(0)

    workers = [asyncio.create_task(work(share)) for share in shares]
    await turns()
    source.send(1, 2, 3, 4)
    source.end()
    await asyncio.gather(*workers)
    assert sorted(shares[0] + shares[1]) == [1, 2, 3, 4]
    assert all(shares)


async def test_cancelling_the_task_that_waits_loses_no_value(source: Source) -> None:
    reader = source.stream.buffered()
    waiting = asyncio.create_task(anext(reader))
    await turns()
    waiting.cancel()
    await turns()
    source.send(1)
    assert await anext(reader) == 1
    assert waiting.cancelled()


async def test_a_value_that_woke_a_cancelled_task_goes_to_the_next(source: Source) -> None:
    """Woken and cancelled in the same turn: the value must not lie there while another task waits."""
    reader = source.stream.buffered()
    first, second = asyncio.create_task(anext(reader)), asyncio.create_task(anext(reader))
    await turns()
    source.send(1)
    first.cancel()
    await turns()
    assert second.done()
    assert await second == 1
    assert first.cancelled()


async def test_a_value_passes_by_a_task_that_was_just_cancelled(source: Source) -> None:
    """Cancelled, and not yet run: the value goes to the task behind it."""
    reader = source.stream.buffered()
    first, second = asyncio.create_task(anext(reader)), asyncio.create_task(anext(reader))
    await turns()
    first.cancel()
    source.send(1)
    await turns()
    assert second.done()
    assert await second == 1
    assert source.reports == []


async def test_the_end_reaches_every_task_that_waits(source: Source) -> None:
    reader = source.stream.buffered()

    async def read() -> list[int]:
        return [value async for value in reader]

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await turns()
    source.end()
    await turns()
    assert [reading.done() and reading.result() for reading in readers] == [[], [], []]


async def test_giving_up_waiting_again_and_again_keeps_nothing(source: Source) -> None:
    """A poll with `wait_for` in a loop leaves no memory of the polls behind."""
    reader = source.stream.buffered()
    kinds = []
    for _ in range(3):
        polls = [asyncio.create_task(anext(reader)) for _ in range(50)]
        await turns(2)
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
        del polls, poll
        gc.collect()
        kinds.append(sum(isinstance(one, asyncio.Future) for one in gc.get_objects()))
    assert kinds[0] == kinds[1] == kinds[2]
    source.send(1)
    assert await anext(reader) == 1


async def test_a_reader_of_a_session_ends_with_the_session(server: VirtualAdServer, clock: VirtualClock) -> None:
    session = virtual_session(server)
    reader = session.events.buffered()
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    session.destroy()
    assert [event.name async for event in reader] == ["ad.filled"]
    assert [event async for event in session.events] == []


# --- with a session -----------------------------------------------------------------------------------------------


@pytest.mark.reports
def test_a_subscriber_of_a_session_that_raises_is_logged_and_told_as_a_debug_event(
    server: VirtualAdServer, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once each time; a subscriber of `debug_events` that raises is logged alone, or it would never end."""
    session = virtual_session(server)
    told: list[str] = []
    session.debug_events.subscribe(failing)
    session.debug_events.subscribe(lambda event: told.append(event.name))
    session.events.subscribe(failing)
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    assert told.count("Session: callback-error") == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    where = [getattr(record, "where", None) for record in errors]
    assert where.count("events") == 1
    assert where.count("debug_events") == len(told)
    session.destroy()
