"""Cancel on newer: one request for each burst, for its newest message, let go the moment a newer one arrives."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
import reactivex as rx
import reactivex.operators as rxops
from hypothesis import example, given, settings
from reactivex import Observable, Subject
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable
from reactivex.scheduler import ImmediateScheduler

from kontext_rx import Message
from kontext_rx.pairing import Answered, Silent
from kontext_rx.preload import DEBOUNCE_S, PacedTurn, Submitted, Switch
from kontext_rx.source import Source
from kontext_rx.testing import Marbles, VirtualAdServer, VirtualClock, virtual_session

Preloads = Callable[..., Callable[[Observable[Any]], Observable[Any]]]


class Composed(Switch):
    """A switch that is given what an operator is given."""

    def __init__(
        self,
        pace: Callable[[Any], Any],
        request: Callable[[Any], Observable[Any]],
        observer: ObserverBase[Any],
        scheduler: SchedulerBase,
    ) -> None:
        super().__init__(scheduler)
        self._pace, self._request, self._observer = pace, request, observer

    def request(self, settled: Any) -> "Subscribing":
        return Subscribing(self, self._request(self._pace(settled)))

    def tell(self, value: Any) -> None:
        self._observer.on_next(value)

    def fail(self, error: Exception) -> None:
        self._observer.on_error(error)

    def finish(self) -> None:
        self._observer.on_completed()


class Subscribing:
    """An observable as a request."""

    def __init__(self, switch: Switch, observable: Observable[Any]) -> None:
        self._switch, self._observable = switch, observable
        self._subscription = SingleAssignmentDisposable()

    def start(self) -> None:
        self._subscription.disposable = self._observable.subscribe(
            lambda value: self._switch.answered(self, value),
            lambda error: self._switch.failed(self, error),
            lambda: self._switch.over(self),
        )

    def dispose(self) -> None:
        self._subscription.dispose()


def preloads(
    pace: Callable[[Any], Any], request: Callable[[Any], Observable[Any]], *, scheduler: SchedulerBase
) -> Callable[[Observable[Any]], Observable[Any]]:
    """A session's switch as an operator."""

    def preloads_(users: Observable[Any]) -> Observable[Any]:
        def subscribe(observer: ObserverBase[Any], outer: SchedulerBase | None = None) -> DisposableBase:
            switch = Composed(pace, request, observer, scheduler)
            return CompositeDisposable(users.subscribe(switch, scheduler=outer), switch)

        return Source(subscribe)

    return preloads_


def textbook(
    pace: Callable[[Any], Any], request: Callable[[Any], Observable[Any]], *, scheduler: SchedulerBase
) -> Callable[[Observable[Any]], Observable[Any]]:
    """The same, said in RxPY's own operators."""

    def textbook_(users: Observable[Any]) -> Observable[Any]:
        def live(paced: Any) -> Observable[Any]:
            def subscribe(observer: ObserverBase[Any], outer: SchedulerBase | None = None) -> CompositeDisposable:
                # Not `take_until`, which listens to the newer one last: what is said as the request goes out is newer.
                newer = users.subscribe(lambda _: observer.on_completed(), observer.on_error, scheduler=outer)
                return CompositeDisposable(newer, request(paced).subscribe(observer, scheduler=outer))

            return Observable(subscribe)

        return users.pipe(
            rxops.debounce(DEBOUNCE_S, scheduler=scheduler),
            rxops.map(pace),
            rxops.map(live),
            rxops.switch_latest(),
        )

    return textbook_


@pytest.fixture(params=[preloads, textbook], ids=["ours", "textbook"])
def operator(request: pytest.FixtureRequest) -> Preloads:
    """Both are held to the same marbles."""
    return request.param


@pytest.fixture
def ms() -> Marbles:
    """One character is a millisecond; the debounce is ten of them."""
    return Marbles(frame=0.001)


Sent = Callable[..., Observable[Any]]


@pytest.fixture
def sent(operator: Preloads) -> Sent:
    def sent_(
        users: Observable[Any],
        requests: Mapping[str, Observable[Any]],
        scheduler: SchedulerBase,
        pace: Callable[[Any], Any] = lambda message: message,
    ) -> Observable[Any]:
        """*users*, letters that stand for messages, preloaded: a letter that is not in *requests* must not be sent."""
        return users.pipe(operator(pace, requests.__getitem__, scheduler=scheduler))

    return sent_


def test_the_debounce_is_ten_milliseconds() -> None:
    """Source: the product's page on messages."""
    assert DEBOUNCE_S == 0.010


# --- one burst, one request ---------------------------------------------------------------------------------------


def test_a_message_is_sent_when_it_was_the_newest_for_ten_milliseconds(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    -a--------------------|")
    answer = ms.cold("             ----(x|)     ")
    live = "            -----------^---!      "
    expected = "        ---------------x------|"

    ms.check(sent(users, {"a": answer}, ms.scheduler), expected)
    ms.check_subscribed(answer, live)


def test_a_burst_becomes_one_request_for_its_newest_message(ms: Marbles, sent: Sent) -> None:
    """Each message starts the ten milliseconds anew, and only the last is sent."""
    users = ms.hot("    -a--------b--cd-------------------|")
    answer = ms.cold("                          ----(x|)   ")
    live = "            ------------------------^---!      "
    expected = "        ----------------------------x-----|"

    ms.check(sent(users, {"d": answer}, ms.scheduler), expected)
    ms.check_subscribed(answer, live)


def test_a_message_in_the_very_instant_of_the_deadline_is_still_the_newest(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a---------b------------------|")
    answer = ms.cold("                     --(x|)      ")
    expected = "        ----------------------x------|"

    ms.check(sent(users, {"b": answer}, ms.scheduler), expected)


def test_messages_that_are_apart_are_sent_each(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a---------------b--------------|")
    first = ms.cold("             --(x|)                 ")
    second = ms.cold("                            --(y|) ")
    expected = "        ------------x---------------y--|"

    ms.check(sent(users, {"a": first, "b": second}, ms.scheduler), expected)


def test_ten_thousand_messages_at_once_are_one_request(clock: VirtualClock, operator: Preloads) -> None:
    users = Subject[int]()
    requests: list[int] = []

    def request(message: int) -> Observable[int]:
        requests.append(message)
        return rx.just(message)

    users.pipe(operator(lambda message: message, request, scheduler=clock)).subscribe()
    for number in range(10_000):
        users.on_next(number)
    clock.advance(1)
    assert requests == [9_999]


# --- cancel on newer ----------------------------------------------------------------------------------------------


def test_a_newer_message_lets_the_request_in_flight_go_at_once(ms: Marbles, sent: Sent) -> None:
    """The older request is let go when the newer message arrives, not when that message has settled."""
    users = ms.hot("    a-------------b---------------------|")
    older = ms.cold("             --------x                  ")
    older_live = "      ----------^---!                      "
    newest = ms.cold("                          ----(y|)      ")
    newest_live = "     ------------------------^---!        "
    expected = "        ----------------------------y-------|"

    ms.check(sent(users, {"a": older, "b": newest}, ms.scheduler), expected)
    ms.check_subscribed(older, older_live)
    ms.check_subscribed(newest, newest_live)


def test_an_answer_in_the_instant_of_the_newer_message_is_too_late(ms: Marbles, sent: Sent) -> None:
    """The race: both are due at the same millisecond. The message was said first, so the answer is superseded."""
    users = ms.hot("    a-------------b----------------|")
    older = ms.cold("             ----(x|)              ")
    older_live = "      ----------^---!                 "
    newest = ms.cold("                          --(y|)   ")
    expected = "        --------------------------y----|"

    ms.check(sent(users, {"a": older, "b": newest}, ms.scheduler), expected)
    ms.check_subscribed(older, older_live)


def test_an_answer_a_millisecond_before_the_newer_message_counts(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a--------------b----------------|")
    older = ms.cold("             ----(x|)               ")
    older_live = "      ----------^---!                  "
    newest = ms.cold("                           --(y|)   ")
    expected = "        --------------x------------y----|"

    ms.check(sent(users, {"a": older, "b": newest}, ms.scheduler), expected)
    ms.check_subscribed(older, older_live)


def test_a_request_that_never_answers_lives_until_the_newer_message(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a-------------------b--------------|")
    older = ms.cold("             ---------------------------")
    older_live = "      ----------^---------!               "
    newest = ms.cold("                                (y|)  ")
    expected = "        ------------------------------y----|"

    ms.check(sent(users, {"a": older, "b": newest}, ms.scheduler), expected)
    ms.check_subscribed(older, older_live)


def test_whoever_unsubscribes_lets_the_request_in_flight_go(ms: Marbles, sent: Sent) -> None:
    """As `destroy` does."""
    users = ms.hot("    a-----------------b--|")
    answer = ms.cold("             -------x     ")
    live = "            ----------^---!       "
    end = ms.hot("      --------------e       ")
    expected = "        --------------|       "

    ms.check(sent(users, {"a": answer}, ms.scheduler).take_until(end), expected)
    ms.check_subscribed(answer, live)
    assert {(life.subscribe, life.unsubscribe) for life in users.subscriptions} >= {(0, 0.014)}


def test_a_message_that_is_said_as_the_request_goes_out_lets_it_go_at_once(
    clock: VirtualClock, operator: Preloads
) -> None:
    """Whoever hears that the request goes out may answer with a message: that one is newer, like any other."""
    users = Subject[str]()
    log: list[str] = []

    def request(message: str) -> Observable[str]:
        def subscribe(observer: ObserverBase[str], _: SchedulerBase | None = None) -> Disposable:
            log.append(f"sent {message}")
            if message == "a":
                users.on_next("b")
                log.append("said b")
            return Disposable(lambda: log.append(f"let go {message} at {clock.at - began:.3f}"))

        return Observable(subscribe)

    began = clock.at
    users.pipe(operator(lambda message: message, request, scheduler=clock)).subscribe()
    users.on_next("a")
    clock.advance(1)
    assert log == ["sent a", "said b", "let go a at 0.010", "sent b"]


def test_a_session_lets_a_request_go_that_is_answered_with_a_message(
    server: VirtualAdServer, clock: VirtualClock
) -> None:
    """The same on the wire: aborted in the instant in which it went out."""
    session = virtual_session(server)

    def say(step: Any) -> None:
        if (step.name, step.user_message_id) == ("sent", "u1"):
            session.add_message(Message.user("u2", "And for three?"))

    session.preloads.subscribe(say)
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    first, second = server.preloads
    assert first.aborted
    assert first.ended_at == first.at
    assert not second.aborted
    session.destroy()


# --- it goes on ---------------------------------------------------------------------------------------------------


def test_the_end_of_the_source_lets_the_last_request_finish(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a-----------|         ")
    answer = ms.cold("             -------(x|)")
    live = "            ----------^------!    "
    expected = "        -----------------(x|)"

    ms.check(sent(users, {"a": answer}, ms.scheduler), expected)
    ms.check_subscribed(answer, live)


def test_the_end_of_the_source_sends_what_waits(ms: Marbles, sent: Sent) -> None:
    """Nothing newer can come: the debounce has nothing left to wait for."""
    users = ms.hot("    a--|           ")
    answer = ms.cold("      -------(x|)")
    expected = "        ----------(x|)"

    ms.check(sent(users, {"a": answer}, ms.scheduler), expected)


def test_a_source_that_ends_in_silence_gives_nothing(ms: Marbles, sent: Sent) -> None:
    ms.check(sent(ms.hot("---|"), {}, ms.scheduler), "---|")
    ms.check(sent(ms.hot(""), {}, ms.scheduler), "")


def test_an_error_of_the_source_lets_the_request_go_and_is_the_streams(ms: Marbles, sent: Sent) -> None:
    users = ms.hot("    a-------------#")
    answer = ms.cold("             -----x")
    live = "            ----------^---!"
    expected = "        --------------#"

    ms.check(sent(users, {"a": answer}, ms.scheduler), expected)
    ms.check_subscribed(answer, live)


def test_an_error_of_a_request_is_the_streams(ms: Marbles, sent: Sent) -> None:
    """A session's requests give none; one would be a defect of ours, and the session begins anew."""
    users = ms.hot("    a---------------b-----")
    answer = ms.cold("             --#         ")
    expected = "        ------------#         "

    ms.check(sent(users, {"a": answer}, ms.scheduler), expected)


@pytest.mark.parametrize("defect", ["pace", "request"])
def test_what_its_functions_raise_is_an_error_of_the_stream(
    clock: VirtualClock, operator: Preloads, defect: str
) -> None:
    users = Subject[str]()
    errors: list[str] = []

    def fail(what: str) -> Any:
        raise ValueError(what)

    pace = fail if defect == "pace" else (lambda message: message)
    users.pipe(operator(pace, fail, scheduler=clock)).subscribe(on_error=lambda error: errors.append(str(error)))
    users.on_next("a")
    clock.advance(1)
    assert errors == ["a"]


def test_what_is_said_while_the_turn_is_paced_is_newer(clock: VirtualClock, operator: Preloads) -> None:
    """A rule, or a consent provider, that adds a message."""
    users = Subject[str]()
    requests: list[str] = []
    answers: list[str] = []

    def pace(message: str) -> str:
        if message == "a":
            users.on_next("b")
        return message

    def request(message: str) -> Observable[str]:
        requests.append(message)
        return rx.timer(0.1, scheduler=clock).pipe(rxops.map(lambda _: message))

    users.pipe(operator(pace, request, scheduler=clock)).subscribe(answers.append)
    users.on_next("a")
    clock.advance(1)
    assert answers == ["b"]
    assert requests[-1] == "b"


def test_a_request_without_an_answer_is_no_end(ms: Marbles, sent: Sent) -> None:
    """A turn that a disabled session declined gives an empty observable: later turns go on."""
    users = ms.hot("    a-------------b--------------|")
    declined = ms.cold("          |                    ")
    answer = ms.cold("                        --(y|)   ")
    expected = "        --------------------------y--|"

    ms.check(sent(users, {"a": declined, "b": answer}, ms.scheduler), expected)


def test_an_answer_that_needs_no_request_comes_at_once(ms: Marbles, sent: Sent) -> None:
    answered = Answered("u1", Silent("session_disabled"), 0.0)
    users = ms.hot("    a-------------a-----------|")
    expected = "        ----------x-------------x-|"

    ms.check(
        sent(users, {"a": rx.just(answered, scheduler=ImmediateScheduler.singleton())}, ms.scheduler),
        expected,
        x=answered,
    )


def test_a_request_may_answer_more_than_once_until_it_is_superseded(ms: Marbles, sent: Sent) -> None:
    """Nothing here counts answers: that is the pairing's business."""
    users = ms.hot("    a----------------b------------|")
    older = ms.cold("             --x--y--z            ")
    older_live = "      ----------^------!            "
    newest = ms.cold("                             (w|)")
    expected = "        ------------x--y-----------w--|"

    ms.check(sent(users, {"a": older, "b": newest}, ms.scheduler), expected)
    ms.check_subscribed(older, older_live)


def test_pacing_sees_the_settled_messages_only(ms: Marbles, sent: Sent) -> None:
    """What was coalesced never reaches a rule, so a rule's state moves only with what is sent."""
    users = ms.hot("    a---b--------------c------------|")
    answer = ms.cold("               (x|)                ")
    expected = "        --------------x--------------x--|"
    paced: list[str] = []

    def pace(message: str) -> str:
        paced.append(message)
        return message.upper()

    ms.check(sent(users, {"B": answer, "C": answer}, ms.scheduler, pace), expected)
    assert paced == ["b", "c"]


def test_a_second_subscription_has_a_debounce_and_requests_of_its_own(ms: Marbles, sent: Sent) -> None:
    """It hears the hot source from its own beginning on: of the second message alone."""
    users = ms.hot("     a--------------b---------------|")
    first = ms.cold("              -------x              ")
    first_lives = "      ----------^----!                "
    second = ms.cold("                            --(y|)  ")
    second_life = "      -------------------------^-!    "
    expected = "         ---------------------------y---|"

    stream = sent(users, {"a": first, "b": second}, ms.scheduler)
    late = ms.cold("     -----(s|)                       ").flat_map(stream)
    late.subscribe(scheduler=ms.scheduler)
    ms.check(stream, expected)
    ms.check_subscribed(first, first_lives)
    ms.check_subscribed(second, second_life, second_life)


# --- against a model ----------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """A message: milliseconds after the one before, and those until its answer; None for a server that is silent."""

    gap: int
    latency: int | None


def model(conversation: list[Said], end: int | None) -> list[tuple[int, str, int]]:
    """What must happen, computed without streams: (millisecond, what, number of the message)."""
    times: list[int] = []
    for said in conversation:
        times.append((times[-1] if times else 0) + said.gap)
    happened: list[tuple[int, str, int]] = []
    for number, (said, at) in enumerate(zip(conversation, times, strict=True)):
        last = number == len(times) - 1
        newer = None if last else times[number + 1]
        settles = at + 10
        if newer is not None and newer <= settles:
            continue  # coalesced
        if last and end is not None and end < settles - at:
            settles = at + end  # nothing newer can come
        happened.append((settles, "sent", number))
        answers = None if said.latency is None else settles + said.latency
        if answers is not None and (newer is None or answers < newer):
            happened.append((answers, "answered", number))
        elif newer is not None:
            happened.append((newer, "let go", number))
    return happened


def run(operator: Preloads, conversation: list[Said], end: int | None) -> list[tuple[int, str, int]]:
    """The same conversation through the streams, in virtual time."""
    clock = VirtualClock()
    began = clock.at
    users = Subject[Submitted]()
    happened: list[tuple[int, str, int]] = []

    def note(what: str, number: int) -> None:
        happened.append((round((clock.at - began) * 1000), what, number))

    def request(paced: PacedTurn) -> Observable[Answered]:
        number = paced.submitted.number
        latency = conversation[number].latency
        answer = Answered(str(number), Silent("track_only"), clock.at)

        def subscribe(observer: ObserverBase[Answered], _: SchedulerBase | None = None) -> Disposable:
            note("sent", number)
            answered = False

            def reply(*_: object) -> None:
                nonlocal answered
                answered = True
                observer.on_next(answer)
                observer.on_completed()

            def let_go() -> None:
                timer.dispose()
                if not answered:
                    note("let go", number)

            timer = Disposable() if latency is None else clock.schedule_relative(latency / 1000, reply)
            return Disposable(let_go)

        return Observable(subscribe)

    def say(number: int) -> Callable[..., None]:
        submitted = Submitted(Message.user(str(number), "?"), number, False, 0.0)
        return lambda *_: users.on_next(submitted)

    users.pipe(operator(lambda submitted: PacedTurn(submitted, False), request, scheduler=clock)).subscribe(
        lambda answered: note("answered", int(answered.user_message_id))
    )
    at = 0
    for number, said in enumerate(conversation):
        at += said.gap
        clock.schedule_absolute(clock.to_datetime(began + at / 1000), say(number))
    if end is not None:
        clock.schedule_absolute(clock.to_datetime(began + (at + end) / 1000), lambda *_: users.on_completed())
    clock.advance(at / 1000 + 1)
    return happened


gaps = st.one_of(st.integers(0, 30), st.sampled_from([9, 10, 11, 100]))
latencies = st.one_of(st.none(), st.integers(1, 60))


@given(st.lists(st.builds(Said, gaps, latencies), min_size=1, max_size=12), st.none() | st.integers(0, 80))
@example([Said(0, 5), Said(10, 5)], None)  # the deadline's own instant
@example([Said(0, 5), Said(15, 5)], None)  # the answer's own instant
@example([Said(0, 5), Said(0, 5), Said(0, None), Said(11, 5)], 3)
@settings(max_examples=400, deadline=None)
def test_the_streams_do_what_a_few_lines_of_arithmetic_say(conversation: list[Said], end: int | None) -> None:
    """Whatever is said when, and however late the server: the same requests, answers and cancellations, to the ms."""
    assert sorted(run(preloads, conversation, end)) == sorted(model(conversation, end))
    assert run(preloads, conversation, end) == run(textbook, conversation, end)
