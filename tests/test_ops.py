"""Operators for streams of ad events: one table for what all of them owe, then each one's own rule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as rxops
from reactivex.abc import ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from kontext_rx import (
    AdError,
    AdEvent,
    Clicked,
    Filled,
    Message,
    NoFill,
    RenderStarted,
    VideoStarted,
    Viewed,
    ops,
)
from kontext_rx.testing import (
    Marbles,
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    network_error,
    no_fill,
    virtual_session,
)


def filled(user: str | None = "u1", at: float = 1.0, **facts: Any) -> Filled:
    return Filled(**{"user_message_id": user, "at": at, "code": "inlineAd", "bid_id": "bid", **facts})


def no_fill_of(user: str = "u1", at: float = 1.0) -> NoFill:
    return NoFill(user_message_id=user, at=at, skip_code="unfilled_bid")


def error(user: str | None = "u1", at: float = 1.0, **facts: Any) -> AdError:
    return AdError(**{"user_message_id": user, "at": at, "message": "HTTP 503", "err_code": "request_failed", **facts})


def viewed(revenue: float | None = None, **facts: Any) -> Viewed:
    return Viewed(
        **{"at": 2.0, "code": "inlineAd", "bid_id": "bid", "content": "", "format": "text", "revenue": revenue, **facts}
    )


def clicked(**facts: Any) -> Clicked:
    return Clicked(
        **{"at": 3.0, "code": "inlineAd", "bid_id": "bid", "content": "", "url": "", "format": "", "area": "", **facts}
    )


class Row(NamedTuple):
    """An operator, a stream that it makes something of, and what it makes of it."""

    make: Callable[[], Callable[[Observable[Any]], Observable[Any]]]
    given: str
    expected: str
    events: dict[str, AdEvent]
    values: dict[str, object]
    """What comes, where it is not the event of that letter."""


# Every `given` begins with an `a` from which every operator makes its first value.
ABOUT_TWO = {"a": filled("u1"), "b": filled("u2"), "c": no_fill_of("u1", 2), "d": viewed(message_id="u1")}
OF_TWO_PLACES = {"a": filled(), "b": filled(code="sidebar"), "c": no_fill_of(), "d": viewed()}
OF_ALL_KINDS = {"a": filled(), "b": viewed(), "c": no_fill_of(), "d": error(), "e": clicked()}
PAID = {"a": viewed(0.02), "b": filled(revenue=5.0), "c": clicked(), "d": viewed(0.03)}
ENDED = {"a": filled("u1"), "b": no_fill_of("u2", 2), "c": viewed(), "d": filled("u3", 3), "e": error("u4", 4)}
TABLE = {
    "for_message": Row(lambda: ops.for_message("u1"), "-a-b-c-d-|", "-a---c-d-|", ABOUT_TWO, {}),
    "for_placement": Row(lambda: ops.for_placement("inlineAd"), "-a-b-c-d-|", "-a-----d-|", OF_TWO_PLACES, {}),
    "of_type": Row(lambda: ops.of_type(Filled, NoFill), "-a-b-c-d-e-|", "-a---c-----|", OF_ALL_KINDS, {}),
    "named": Row(lambda: ops.named("ad.filled", "ad.error"), "-a-b-c-d-e-|", "-a-----d---|", OF_ALL_KINDS, {}),
    "revenue": Row(lambda: ops.revenue(), "-a-b-c-d-|", "-1-----2-|", PAID, {"1": 0.02, "2": 0.05}),
    "revenue of fills": Row(
        lambda: ops.revenue(of=Filled), "-a-b-|", "-1-2-|",
        {"a": filled(revenue=0.5), "b": filled("u2", revenue=0.25)}, {"1": 0.5, "2": 0.75},
    ),
    "fill_rate": Row(
        lambda: ops.fill_rate(), "-a-b-c-d-e-|", "-1-2---3-4-|", ENDED, {"1": 1.0, "2": 0.5, "3": 2 / 3, "4": 0.5}
    ),
}  # fmt: skip
rows = pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)


def first(row: Row) -> dict[str, object]:
    """What the operator makes of the row's `a`, under that letter."""
    return {"a": row.values.get("1", row.events["a"])}


@rows
def test_many(marbles: Marbles, row: Row) -> None:
    """Each value comes at the instant of the event that it is made of, and the end with the source's end."""
    source = marbles.hot(row.given, **row.events)
    marbles.check(source.pipe(row.make()), row.expected, **row.events, **row.values)
    marbles.check_subscribed(source, "^" + "-" * (len(row.given) - 2) + "!")


@rows
def test_one(marbles: Marbles, row: Row) -> None:
    source = marbles.hot("   --a--|", **row.events)
    marbles.check(source.pipe(row.make()), "--a--|", **first(row))
    marbles.check_subscribed(source, "^----!")


@rows
def test_never(marbles: Marbles, row: Row) -> None:
    source = marbles.hot("   ------")
    marbles.check(source.pipe(row.make()), "------")
    marbles.check_subscribed(source, "^-----")


@rows
def test_empty(marbles: Marbles, row: Row) -> None:
    source = marbles.hot("   --|")
    marbles.check(source.pipe(row.make()), "--|")
    marbles.check_subscribed(source, "^-!")


@rows
def test_error(marbles: Marbles, row: Row) -> None:
    """An error passes at once, after what came before it."""
    source = marbles.hot("   -a--#", **row.events)
    marbles.check(source.pipe(row.make()), "-a--#", **first(row))
    marbles.check_subscribed(source, "^---!")


@rows
def test_endless(marbles: Marbles, row: Row) -> None:
    """No operator ends a stream that does not end, or lets go of it."""
    given, expected = row.given.replace("|", "-"), row.expected.replace("|", "-")
    source = marbles.hot(given, **row.events)
    marbles.check(source.pipe(row.make()), expected, **row.events, **row.values)
    marbles.check_subscribed(source, "^")


@rows
def test_early_unsubscribe(marbles: Marbles, row: Row) -> None:
    """Whoever has heard enough lets the source go at once."""
    source = marbles.hot("   -a-a-a-|", **row.events)
    marbles.check(source.pipe(row.make(), rxops.take(1)), "-(a|)", **first(row))
    marbles.check_subscribed(source, "^!")


@rows
def test_a_second_subscription_starts_fresh(marbles: Marbles, row: Row) -> None:
    """Sums and counts belong to a subscription; the operator and what it made may be used again."""
    operator = row.make()
    source = marbles.cold(row.given, **row.events)
    derived = source.pipe(operator)
    for stream in (derived, derived, source.pipe(operator)):
        marbles.check(stream, row.expected, **row.events, **row.values)


@rows
def test_two_subscriptions_at_once_do_not_mix(row: Row) -> None:
    """Interleaved, each has counts of its own."""
    source = rx.Subject[AdEvent]()
    derived = source.pipe(row.make())
    left: list[object] = []
    right: list[object] = []
    derived.subscribe(left.append)
    derived.subscribe(right.append)
    for letter in row.given:
        if letter in row.events:
            source.on_next(row.events[letter])
    values = {**row.events, **row.values}
    assert left == right == [values[mark] for mark in row.expected if mark in values]


@rows
def test_the_scheduler_is_handed_on_to_the_source(row: Row, clock: VirtualClock) -> None:
    """One operator that forgets it would put every timer above it on a thread."""
    asked: list[SchedulerBase | None] = []

    def subscribe(_: ObserverBase[AdEvent], scheduler: SchedulerBase | None = None) -> Disposable:
        asked.append(scheduler)
        return Disposable()

    rx.create(subscribe).pipe(row.make()).subscribe(scheduler=clock)
    assert asked == [clock]


@rows
def test_events_of_every_kind_are_taken(row: Row) -> None:
    """No operator stumbles over an event that it is not about, whatever that one lacks."""
    errors: list[Exception] = []
    rendering = [kind(at=0, bid_id="b") for kind in (RenderStarted, VideoStarted)]
    every = [*OF_ALL_KINDS.values(), filled(None), error(None), error(bid_id="b"), viewed(None), *rendering]
    rx.from_iterable(every).pipe(row.make()).subscribe(on_error=errors.append)
    assert errors == []


def test_every_public_operator_stands_in_the_table() -> None:
    assert {name.split()[0] for name in TABLE} == set(ops.__all__)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ops.of_type(), "of_type.. takes event classes, such as of_type.Filled, NoFill"),
        (lambda: ops.of_type("ad.filled"), "of_type.. takes event classes"),
        (lambda: ops.of_type(Filled, filled()), "of_type.. takes event classes"),
        (lambda: ops.named(), "named.. takes event names, such as named..ad.filled., .ad.no-fill.."),
        (lambda: ops.named(Filled), "named.. takes event names"),
        (lambda: ops.named("ad.filled", NoFill), "named.. takes event names"),
        (lambda: ops.revenue(of=Clicked), "revenue.. takes Viewed or Filled"),
        (lambda: ops.revenue(of="ad.viewed"), "revenue.. takes Viewed or Filled"),
    ],
)
def test_a_wrong_argument_is_refused_where_it_is_given(call: Callable[[], object], says: str) -> None:
    """At the call, with what to give instead; not as an error in a stream that somebody may read later."""
    with pytest.raises(TypeError, match=says):
        call()


# --- for_message --------------------------------------------------------------------------------------------------


def test_for_message_finds_an_event_by_either_id(marbles: Marbles) -> None:
    """The assistant's message, or the user's whose preload it came from."""
    events = {
        "a": filled("u1", message_id="a1"),
        "b": filled("u2", message_id="a2"),
        "c": clicked(message_id="a1"),
        "d": error(None),
    }
    marbles.check(marbles.cold("abcd|", **events).pipe(ops.for_message("a1")), "a-c-|", **events)
    marbles.check(marbles.cold("abcd|", **events).pipe(ops.for_message("u2")), "-b--|", **events)


# --- for_placement ------------------------------------------------------------------------------------------------


def test_for_placement_leaves_the_session_wide_events_out(marbles: Marbles) -> None:
    """`NoFill` and `AdError` have no placement."""
    events = {"a": no_fill_of(), "b": error(), "c": filled()}
    marbles.check(marbles.cold("abc|", **events).pipe(ops.for_placement("inlineAd")), "--c|", **events)


# --- of_type and named --------------------------------------------------------------------------------------------


def test_of_type_takes_subclasses_too(marbles: Marbles) -> None:
    """`of_type(AdEvent)` is everything."""
    marbles.check(marbles.cold("abcde|", **OF_ALL_KINDS).pipe(ops.of_type(AdEvent)), "abcde|", **OF_ALL_KINDS)


def test_a_name_that_no_event_has_gives_nothing(marbles: Marbles) -> None:
    """The set of names may grow with the server: an unknown one is no error."""
    marbles.check(marbles.cold("abcde|", **OF_ALL_KINDS).pipe(ops.named("ad.other")), "-----|")


# --- revenue ------------------------------------------------------------------------------------------------------


def test_an_event_without_a_revenue_adds_nothing_and_is_a_step(marbles: Marbles) -> None:
    events = {"a": viewed(None), "b": viewed(0.02), "c": viewed(0.0)}
    source = marbles.hot("                 -a-b-a-c-|", **events)
    marbles.check(source.pipe(ops.revenue()), "-x-y-y-y-|", x=0.0, y=0.02)


def test_revenue_counts_one_kind_of_event_only(marbles: Marbles) -> None:
    """What is filled may never be seen: the two sums are not mixed."""
    events = {"a": filled(revenue=1.0), "b": viewed(0.02)}
    marbles.check(marbles.cold("abab|", **events).pipe(ops.revenue()), "-x-y|", x=0.02, y=0.04)
    marbles.check(marbles.cold("abab|", **events).pipe(ops.revenue(of=Filled)), "x-y-|", x=1.0, y=2.0)


# --- fill_rate ----------------------------------------------------------------------------------------------------


def test_a_preload_that_fills_several_placements_counts_once(marbles: Marbles) -> None:
    events = {"a": filled(), "b": filled(code="sidebar"), "c": filled(code="banner"), "n": no_fill_of("u2", 2)}
    source = marbles.hot("                      --(abc)--n--|", **events)
    marbles.check(source.pipe(ops.fill_rate()), "--x    --y--|", x=1.0, y=0.5)


def test_only_a_preloads_error_counts(marbles: Marbles) -> None:
    """A mounted ad's error names its bid; the session's own (`session_disabled_by_init`) names no user message."""
    events = {"a": filled(), "m": error("u1", 2, bid_id="bid"), "s": error(None, 3), "e": error("u2", 4)}
    source = marbles.hot("                      --a-m-s-e--|", **events)
    marbles.check(source.pipe(ops.fill_rate()), "--x-----y--|", x=1.0, y=0.5)


def test_an_error_of_a_mounted_ad_does_not_split_a_preload(marbles: Marbles) -> None:
    """The first placement's ad fails between two fills of one preload: still one preload."""
    events = {"a": filled(), "m": error("u1", 1, bid_id="bid"), "b": filled(code="sidebar")}
    marbles.check(marbles.cold("amb|", **events).pipe(ops.fill_rate()), "x--|", x=1.0)


def test_sessions_in_one_stream_are_told_apart(marbles: Marbles) -> None:
    """
    Merged sessions may use the same message ids at the same instant: a placement that fills again is another preload's.
    """
    events = {"a": filled(), "b": filled(code="sidebar"), "n": no_fill_of(), "e": error()}
    source = marbles.cold("                     abab|", **events)
    marbles.check(source.pipe(ops.fill_rate()), "x-x-|", x=1.0)
    source = marbles.cold("                     annn|", **events)
    marbles.check(source.pipe(ops.fill_rate()), "xyzw|", x=1.0, y=1 / 2, z=1 / 3, w=1 / 4)
    source = marbles.cold("                     aeb|", **events)
    marbles.check(source.pipe(ops.fill_rate()), "xy-|", x=1.0, y=0.5)


def test_the_same_user_message_at_another_time_is_another_preload(marbles: Marbles) -> None:
    events = {"a": filled(at=1.0), "b": filled(at=2.0, code="sidebar")}
    marbles.check(marbles.cold("ab|", **events).pipe(ops.fill_rate(), rxops.count()), "--(2|)", **{"2": 2})


def test_the_fill_rate_of_real_sessions_that_are_interleaved(server: VirtualAdServer, clock: VirtualClock) -> None:
    """Two sessions with the same message ids, in one stream: 2 of 3 preloads filled, then a failure and a refusal."""
    both = [
        virtual_session(server, conversation_id=name, enabled_placement_codes=["inlineAd", "sidebar"]) for name in "ab"
    ]
    rates: list[float] = []
    rx.merge(*(session.events for session in both)).pipe(ops.fill_rate()).subscribe(rates.append)
    server.plan(
        "/preload",
        fill("inlineAd", "sidebar"),
        fill("inlineAd", "sidebar"),
        no_fill(),
        network_error().in_(60),
        failure("bad_request"),
    )

    def say(session: int, message_id: str) -> None:
        both[session].add_message(Message.user(message_id, "Any tent for two?"))

    say(0, "u1")
    say(1, "u1")
    clock.advance(1)
    assert rates == [1.0, 1.0]
    say(0, "u2")
    clock.advance(1)
    assert rates[2:] == [2 / 3]
    say(1, "u2")
    clock.advance(0.5)
    say(1, "u3")  # supersedes: the preload of u2 never ends
    clock.advance(1)
    assert rates[3:] == [0.5]
    for session in both:
        session.destroy()
