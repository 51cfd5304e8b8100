"""The public helpers for tests of apps: a clock, diagrams, and an ad server that is a few lines."""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Subject
from reactivex import operators as rxops

import kontext_rx as kx
from kontext_rx import AdError, Filled, Message, NoFill, testing
from kontext_rx.testing import (
    SESSION_ID,
    Answer,
    Marbles,
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    network_error,
    no_fill,
    silence,
    status,
    virtual_session,
)
from kontext_rx.typing import HttpRequest, HttpResponse


def test_every_public_name_is_there() -> None:
    assert sorted(testing.__all__) == list(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


# --- VirtualClock -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    ["2026-03-02T08:15:00Z", "2026-03-02T09:15:00+01:00", dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)],
)
def test_a_clock_starts_at_a_moment_with_a_time_zone(start: str | dt.datetime) -> None:
    assert VirtualClock(start).at == VirtualClock().at == dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize("start", ["2026-03-02T08:15:00", dt.datetime(2026, 3, 2, 8, 15)])
def test_a_moment_without_a_time_zone_is_refused(start: str | dt.datetime) -> None:
    """It would be another moment on another machine."""
    with pytest.raises(ValueError, match="give a moment with a time zone"):
        VirtualClock(start)


def test_time_passes_only_when_it_is_moved(clock: VirtualClock) -> None:
    """And everything happens that is due, in order, the end included."""
    began = clock.at
    happened: list[tuple[str, float]] = []

    def plan(name: str, seconds: float) -> None:
        clock.schedule_relative(seconds, lambda *_: happened.append((name, round(clock.at - began, 3))))

    plan("late", 2.0)
    plan("early", 1.0)
    plan("after", 2.001)
    assert happened == []
    clock.advance(2)
    assert happened == [("early", 1.0), ("late", 2.0)]
    assert clock.at == began + 2
    clock.advance(1)
    assert happened[2:] == [("after", 2.001)]


def test_what_happens_may_make_more_happen_within_the_time(clock: VirtualClock) -> None:
    began = clock.at
    ticks: list[float] = []
    with rx.interval(1, scheduler=clock).subscribe(lambda _: ticks.append(clock.at - began)):
        clock.advance(3.5)
    clock.advance(3)
    assert ticks == [1.0, 2.0, 3.0]


def test_advancing_by_nothing_lets_happen_what_is_due_now(clock: VirtualClock) -> None:
    happened: list[str] = []
    clock.schedule(lambda *_: (happened.append("now"), clock.schedule(lambda *_: happened.append("and then"))))
    clock.schedule(lambda *_: happened.append("cancelled")).dispose()
    clock.schedule_relative(0.001, lambda *_: happened.append("later"))
    began = clock.at
    clock.advance(0)
    assert happened == ["now", "and then"]
    assert clock.at == began


@pytest.mark.parametrize("seconds", [0, 1])
def test_what_an_action_raises_comes_out_and_the_clock_goes_on(clock: VirtualClock, seconds: float) -> None:
    """A failing assertion in a test's own timer: it is seen, and a later test step still has a clock."""

    def fail(*_: object) -> None:
        raise AssertionError("seen")

    happened: list[str] = []
    clock.schedule_relative(seconds, fail)
    clock.schedule_relative(seconds, lambda *_: happened.append("next"))
    with pytest.raises(AssertionError, match="seen"):
        clock.advance(seconds)
    clock.advance(1)
    assert happened == ["next"]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_clock_that_moves_cannot_be_moved(clock: VirtualClock, seconds: float) -> None:
    """RxPY does nothing in silence; the test that asked would wait for something that never happens."""
    said: list[str] = []

    def move(*_: object) -> None:
        try:
            clock.advance(5)
        except RuntimeError as error:
            said.append(str(error))

    began = clock.at
    clock.schedule_relative(seconds, move)
    clock.schedule_relative(seconds, lambda *_: said.append("the rest happens"))
    clock.advance(seconds)
    assert said == ["advance() is already under way: schedule what is to happen later", "the rest happens"]
    assert clock.at == began + seconds


def test_a_month_of_minutes_is_exact(clock: VirtualClock) -> None:
    """Microseconds do not add up to drift."""
    began = clock.at
    for _ in range(30 * 24 * 60):
        clock.advance(60.1)
    assert math.isclose(clock.at - began, 30 * 24 * 60 * 60.1, abs_tol=1e-5)


# --- Marbles ------------------------------------------------------------------------------------------------------


def heard(stream: rx.Observable[Any], marbles: Marbles) -> list[tuple[float, str]]:
    """What comes, without `check`: the clock's second and the notification."""
    seen: list[tuple[float, str]] = []
    stream.materialize().subscribe(lambda one: seen.append((marbles.scheduler.clock, str(one))))
    marbles.scheduler.advance_to(100.0)
    return seen


def test_one_character_is_a_second(marbles: Marbles) -> None:
    assert heard(marbles.hot(" a--b-|"), marbles) == [
        (0.0, "OnNext(a)"), (3.0, "OnNext(b)"), (5.0, "OnCompleted()")
    ]  # fmt: skip


def test_an_error_and_values_of_one_instant(marbles: Marbles) -> None:
    """A group takes one character's time."""
    assert heard(marbles.hot("-(ab)-#"), marbles) == [
        (1.0, "OnNext(a)"), (1.0, "OnNext(b)"), (3.0, "OnError(#)")
    ]  # fmt: skip


def test_letters_stand_for_values(marbles: Marbles) -> None:
    marbles.check(marbles.cold("-a-b|", a=1, b=[2]), "-x-y|", x=1, y=[2])


def test_a_cold_stream_starts_when_it_is_subscribed_and_a_hot_one_does_not_wait(marbles: Marbles) -> None:
    cold, hot = marbles.cold("a-b|"), marbles.hot("a-b-c|")
    late = marbles.hot("--s|")
    marbles.check(late.flat_map(cold), "--a-b|")
    marbles.check_subscribed(cold, "--^--!")
    assert marbles.scheduler.clock > 1000
    marbles.check(hot, "")


@pytest.mark.parametrize(
    "expected",
    ["-a-c|", "-a--b|", "--a-b|", "-a-b-|", "-a-b", "-a-|", "-a-b#", "-a-bb|", "-(aa)b|", ""],
)
def test_a_stream_that_differs_fails(marbles: Marbles, expected: str) -> None:
    """In a value, a time, the end, or in how many there are; the message shows both."""
    with pytest.raises(AssertionError, match=r"came: .*\n.*expected: "):
        marbles.check(marbles.cold("-a-b|"), expected)


@pytest.mark.parametrize("lives", [[], ["-^--!"], ["^--!"], ["^-----!"], ["^"], ["^----!", "^"]])
def test_a_life_that_differs_fails(marbles: Marbles, lives: list[str]) -> None:
    for source in (marbles.hot("-a-b-|"), marbles.cold("-a-b-|")):
        source.subscribe()
    marbles.scheduler.advance_to(50.0)
    with pytest.raises(AssertionError, match="instead of"):
        marbles.check_subscribed(source, *lives)
    marbles.check_subscribed(source, "^----!")


def test_a_life_without_an_end_goes_on(marbles: Marbles) -> None:
    source = marbles.cold("-a-")
    marbles.check(source, "-a-")
    marbles.check_subscribed(source, "^--")


def test_something_that_comes_after_the_diagram_fails(marbles: Marbles) -> None:
    """Up to a thousand characters later."""
    with pytest.raises(AssertionError, match="came"):
        marbles.check(rx.timer(900), "-----")


def test_operators_get_the_marbles_scheduler(marbles: Marbles) -> None:
    marbles.check(marbles.cold("a--b|").delay(2), "--a--b|")


def test_a_second_check_begins_where_the_first_ended(marbles: Marbles) -> None:
    cold = marbles.cold("-a|")
    marbles.check(cold, "-a|")
    marbles.check(cold, "-a|")


@pytest.mark.parametrize("frame", [0.001, 0.01, 0.25, 60.0])
def test_a_character_may_be_another_time(frame: float) -> None:
    """Streams, delays and lives in any unit, to the microsecond."""
    marbles = Marbles(frame=frame)
    outer = marbles.hot("  -a-----b--------|")
    outer_life = "         ^---------------!"
    inner = marbles.cold("   ---x---y|      ")
    inner_lives = "          --^-----!      ", "--------^-------!"
    expected = "           -----x-----x---y-|"

    marbles.check(outer.delay(frame).switch_map(lambda _: inner), expected)
    marbles.check_subscribed(outer, outer_life)
    marbles.check_subscribed(inner, *inner_lives)


# --- VirtualAdServer ----------------------------------------------------------------------------------------------


def ask(message_id: str = "u1") -> Message:
    return Message.user(message_id, "Any tent for two?")


def told(server: VirtualAdServer, answer: Answer, **options: Any) -> list[tuple[float, kx.AdEvent]]:
    """What a session tells of one turn that the server answers so: seconds after the request, and the event."""
    server.plan("/preload", answer)
    session = virtual_session(server, **options)
    events: list[tuple[float, kx.AdEvent]] = []
    session.events.subscribe(lambda event: events.append((round(event.at - server.preloads[0].at, 3), event)))
    session.add_message(ask())
    server.clock.advance(60)
    session.destroy()
    return events


def test_unless_told_otherwise_every_preload_fills_after_the_latency(server: VirtualAdServer) -> None:
    session = virtual_session(server, enabled_placement_codes=["sidebar"])
    events: list[kx.AdEvent] = []
    session.events.subscribe(events.append)
    for message_id in ("u1", "u2"):
        session.add_message(ask(message_id))
        server.clock.advance(1)
    assert [(type(event), event.code) for event in events] == [(Filled, "sidebar")] * 2
    assert [round(request.ended_at - request.at, 3) for request in server.preloads] == [0.05, 0.05]
    assert session.session_id == SESSION_ID
    session.destroy()


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (fill(revenue=0.5, bid_id="3b1c8f0e-1d1f-4f6e-9a55-0c7f4f1f2b11"), (Filled, "revenue", 0.5)),
        (no_fill("ads_disabled"), (NoFill, "skip_code", "ads_disabled")),
        (no_fill(), (NoFill, "skip_code", "unfilled_bid")),
        (failure("bad_request"), (AdError, "err_code", "bad_request")),
        (status(204), (NoFill, "skip_code", "unfilled_bid")),
        (status(503), (AdError, "message", "HTTP 503")),
    ],
    ids=["fill", "no_fill with a code", "no_fill", "failure", "204", "503"],
)
def test_an_answer_becomes_what_a_session_tells(
    server: VirtualAdServer, answer: Answer, facts: tuple[type[kx.AdEvent], str, object]
) -> None:
    kind, field, value = facts
    ((_, event),) = told(server, answer)
    assert type(event) is kind
    assert getattr(event, field) == value


def test_a_fill_carries_the_bid_id_and_the_revenue_that_it_is_given(server: VirtualAdServer) -> None:
    """Without a revenue it carries none, as real servers do; without an id each bid has one of its own."""
    bid_id = "3b1c8f0e-1d1f-4f6e-9a55-0c7f4f1f2b11"
    ((_, event),) = told(server, fill(revenue=0.5, bid_id=bid_id))
    assert isinstance(event, Filled)
    assert (event.bid_id, event.revenue) == (bid_id, 0.5)
    assert isinstance(plain := fill().response, HttpResponse)
    assert b"revenue" not in plain.body


def test_a_status_may_have_headers(server: VirtualAdServer) -> None:
    """Such as the pause that the server asks for: 20 s instead of the first second."""
    ((after, _),) = told(server, status(429, {"retry-after": "20"}))
    assert after == pytest.approx(0.05 + 20 + 0.05)


def test_a_fill_has_a_bid_for_each_code(server: VirtualAdServer) -> None:
    events = told(server, fill("inlineAd", "sidebar"), enabled_placement_codes=["inlineAd", "sidebar"])
    assert [event.code for _, event in events] == ["inlineAd", "sidebar"]
    assert len({event.bid_id for _, event in events if isinstance(event, Filled)}) == 2


def test_an_answer_may_take_its_time(server: VirtualAdServer) -> None:
    ((after, event),) = told(server, no_fill().in_(7.5))
    assert after == 7.5
    assert isinstance(event, NoFill)


def test_an_answer_may_come_in_the_same_instant(server: VirtualAdServer) -> None:
    ((after, _),) = told(server, no_fill().in_(0))
    assert after == 0


def test_in_leaves_the_answer_that_it_is_called_on_as_it_was() -> None:
    quick = no_fill()
    slow = quick.in_(5)
    assert (quick.after, slow.after) == (None, 5)
    assert slow.response is quick.response


def test_a_failing_permanent_answer_disables_the_session(server: VirtualAdServer) -> None:
    server.plan("/preload", failure("session_closed", permanent=True))
    session = virtual_session(server)
    session.add_message(ask())
    server.clock.advance(1)
    assert session.is_disabled
    session.destroy()


def test_a_failing_network_is_tried_again(server: VirtualAdServer) -> None:
    """Each attempt is a request of its own, and takes the next plan."""
    ((after, event),) = told(server, network_error("no route"))
    assert isinstance(event, Filled)
    assert len(server.preloads) == 2
    assert after == pytest.approx(0.05 + 1 + 0.05)
    assert not any(request.aborted for request in server.preloads)


def test_a_network_error_is_what_the_transport_says(server: VirtualAdServer) -> None:
    server.plan("/x", network_error("no route"))
    errors: list[Exception] = []
    server(HttpRequest("https://ads.test/x", {}, b"{}")).subscribe(on_error=errors.append)
    server.clock.advance(1)
    assert [repr(error) for error in errors] == ["ConnectionError('no route')"]


def test_a_silent_server_never_answers_until_it_is_let_go(server: VirtualAdServer) -> None:
    server.plan("/preload", silence())
    session = virtual_session(server)
    session.add_message(ask("u1"))
    server.clock.advance(5)
    (request,) = server.preloads
    assert (request.ended_at, request.aborted) == (None, False)
    session.add_message(ask("u2"))
    assert (request.ended_at, request.aborted) == (server.clock.at, True)
    assert repr(request).endswith(" aborted>")
    session.destroy()


def test_a_request_that_was_answered_is_not_aborted_by_the_end(server: VirtualAdServer) -> None:
    session = virtual_session(server)
    session.add_message(ask())
    server.clock.advance(1)
    session.destroy()
    assert [request.aborted for request in server.requests] == [False, False]


def test_a_request_let_go_is_not_answered(server: VirtualAdServer) -> None:
    heard: list[HttpResponse] = []
    request = HttpRequest("https://ads.test/preload", {}, b'{"enabledPlacementCodes": ["inlineAd"]}')
    server(request).subscribe(heard.append).dispose()
    server.clock.advance(1)
    assert heard == []
    assert server.preloads[0].aborted


def test_the_server_keeps_what_it_received(server: VirtualAdServer) -> None:
    """In order, with path, headers, body, time, and the messages' ids in short."""
    began = server.clock.at
    session = virtual_session(server)
    server.clock.advance(1)
    session.add_message(ask("u1"))
    session.add_message(Message.assistant("a1", "Plenty."))
    server.clock.advance(1)
    assert [(request.path, round(request.at - began, 3)) for request in server.requests] == [
        ("/init", 0.0), ("/preload", 1.01)
    ]  # fmt: skip
    (preload,) = server.preloads
    assert preload.url == "https://ads.test/preload"
    assert preload.message_ids == ["u1", "a1"]
    assert preload.body["userId"] == "user-1"
    assert "Kontextso-Publisher-Token" in preload.headers
    assert repr(preload) == f"</preload at {preload.at:.3f}>"
    assert server.received("/init")[0].message_ids == []
    assert server.received("/error") == []
    session.destroy()


def test_plans_are_used_up_one_a_request(server: VirtualAdServer) -> None:
    """In the order in which they were made; then the default again."""
    server.plan("/preload", no_fill("one"), no_fill("two"))
    server.plan("/preload", no_fill("three"))
    session = virtual_session(server)
    said: list[str] = []
    session.events.subscribe(lambda event: said.append(getattr(event, "skip_code", event.name)))
    for number in range(4):
        session.add_message(ask(f"u{number}"))
        server.clock.advance(1)
    assert said == ["one", "two", "three", "ad.filled"]
    session.destroy()


def test_a_default_of_ones_own_sees_the_request(server: VirtualAdServer) -> None:
    server.default["/preload"] = lambda request: no_fill(f"{len(request.message_ids)} messages")
    ((_, event),) = told(server, Answer(HttpResponse(429)))
    assert isinstance(event, NoFill)
    assert event.skip_code == "1 messages"


def test_a_path_that_nobody_thought_of_gets_a_204(server: VirtualAdServer) -> None:
    """One response and the end, as a transport does."""
    heard: list[object] = []
    sending = server(HttpRequest("https://ads.test/debug", {}, b"{}"))
    sending.subscribe(lambda response: heard.append(response.status), on_completed=lambda: heard.append("end"))
    server.clock.advance(1)
    assert heard == [204, "end"]


def test_the_same_request_subscribed_twice_is_sent_twice(server: VirtualAdServer) -> None:
    """Cold, as a transport is: a retry is a new attempt."""
    sending = server(HttpRequest("https://ads.test/debug", {}, b"{}"))
    sending.subscribe()
    sending.subscribe()
    assert len(server.received("/debug")) == 2


# --- virtual_session ----------------------------------------------------------------------------------------------


def test_a_virtual_session_needs_nothing_but_a_server(server: VirtualAdServer) -> None:
    """No event loop, no token, no ids of one's own."""
    with virtual_session(server) as session:
        assert isinstance(session, kx.Session)
        assert not session.is_disabled
    assert session.is_destroyed


def test_a_virtual_session_takes_every_option_of_create_session(server: VirtualAdServer) -> None:
    with virtual_session(server, conversation_id="mine", variant_id="b") as session:
        session.add_message(ask())
        server.clock.advance(1)
    assert server.preloads[0].body["conversationId"] == "mine"
    assert server.preloads[0].body["variantId"] == "b"
    with pytest.raises(kx.InvalidOptionError, match="nonsense"):
        virtual_session(server, nonsense=1)


def test_a_conversation_plays_in_virtual_time(server: VirtualAdServer, clock: VirtualClock) -> None:
    """The module's first example, and what it prints: an hour passes in no time."""
    session = virtual_session(server)
    spoken = Subject[Message]()
    spoken.pipe(rxops.delay(1800, scheduler=clock)).subscribe(session.inbox)
    ads: list[str] = []
    session.events.subscribe(lambda event: ads.append(f"{event.name} at {event.at - began:.2f}"))
    began = clock.at
    spoken.on_next(ask("u1"))
    clock.advance(1800)
    spoken.on_next(ask("u2"))
    clock.advance(1801)
    assert ads == ["ad.filled at 1800.06", "ad.filled at 3600.06"]
    session.destroy()


UNTIL_ANSWERED: list[Callable[[], Answer]] = [fill, no_fill, network_error, silence, lambda: status(429)]


@pytest.mark.parametrize("answer", UNTIL_ANSWERED)
def test_a_destroyed_virtual_session_leaves_no_timer(
    server: VirtualAdServer, clock: VirtualClock, answer: Callable[[], Answer]
) -> None:
    """Whatever it was waiting for, nothing is requested or told after its end."""
    server.plan("/preload", answer())
    session = virtual_session(server)
    session.add_message(ask())
    clock.advance(0.5)
    session.destroy()
    requests = len(server.requests)
    clock.advance(100)
    assert len(server.requests) == requests
    assert all(request.ended_at is not None for request in server.requests)
