"""A session's time stands still while one thing that entered it is under way."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable

from kontext_rx import Client, Message, Session, pacing, record
from kontext_rx.clock import Clock, loop_scheduler
from kontext_rx.hosts.recording import RecordingHost
from kontext_rx.testing import VirtualAdServer, VirtualClock, network_error, virtual_session
from kontext_rx.trace import Added, Linked, PreloadStep, Settled, Unmounted
from kontext_rx.typing import HttpRequest, HttpResponse

user, assistant = Message.user, Message.assistant

TICK = dt.timedelta(microseconds=1)


class ForeignHandle:
    """What another kind of loop gives for a timer: as in uvloop, it is no `asyncio.Handle`."""

    def __init__(self, handle: asyncio.Handle) -> None:
        self.cancel = handle.cancel


class ForeignLoop(asyncio.SelectorEventLoop):
    """A loop whose users get such handles; its own machinery keeps the others."""

    timers = 0
    """How many were set."""

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        self.timers += 1
        return ForeignHandle(super().call_at(when, callback, *args, context=context))

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)


class SilentServer:
    """A transport that never answers."""

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        return rx.never()


class Restless(VirtualClock):
    """A scheduler whose time goes on whenever somebody looks at it, as that of a loop does."""

    @property
    def now(self) -> dt.datetime:
        self._clock = super().now + TICK
        return self._clock


@pytest.fixture
def restless() -> Restless:
    return Restless()


@pytest.fixture
def session(restless: Restless) -> Iterator[Session]:
    with virtual_session(VirtualAdServer(restless)) as session:
        yield session


class NoReport:
    """Whose app never raises."""

    def report(self, error: BaseException, where: str) -> None:
        raise AssertionError(where) from error


def make(restless: Restless) -> tuple[Clock, Clock]:
    """A clock is its own door."""
    clock = Clock(restless, NoReport())
    return clock, clock


class TestClock:
    def test_a_timer_of_any_loop_can_be_called_off(self) -> None:
        loop, rung = ForeignLoop(), list[str]()
        clock = Clock(loop_scheduler(loop), NoReport())
        for name in ("called off", "rings"):
            timer = clock.schedule_relative(0.01, lambda *_, name=name: rung.append(name))
            if name == "called off":
                timer.dispose()
        loop.call_later(0.03, loop.stop)
        loop.run_forever()
        loop.close()
        assert rung == ["rings"]

    def test_time_goes_on_while_the_door_is_shut(self, restless: Restless) -> None:
        clock, _ = make(restless)
        assert clock.at < clock.at < clock.at

    def test_time_stands_still_while_it_is_open(self, restless: Restless) -> None:
        clock, door = make(restless)
        with door:
            at, now = clock.at, clock.now
            assert (clock.at, clock.now) == (at, now)
            assert now == dt.datetime.fromtimestamp(at, dt.UTC)

    def test_it_goes_on_when_the_door_has_shut(self, restless: Restless) -> None:
        clock, door = make(restless)
        with door:
            first = clock.at
        with door:
            second = clock.at
        assert first < second < clock.at

    def test_what_is_nested_shares_the_instant(self, restless: Restless) -> None:
        clock, door = make(restless)
        with door:
            with door:
                inner = clock.at
            assert clock.at == inner

    def test_what_is_published_from_inside_shares_it_too(self, restless: Restless) -> None:
        clock, door = make(restless)
        seen: list[float] = []
        with door:
            at = clock.at
            door.publish(lambda depth: door.publish(lambda _: seen.append(clock.at), depth), 1)
        assert seen == [at]

    @pytest.mark.parametrize("way", ["schedule", "schedule_relative", "schedule_absolute"])
    def test_a_timer_opens_the_door(self, way: str, restless: Restless) -> None:
        clock, door = make(restless)
        seen: list[tuple[bool, bool]] = []

        def ring(scheduler: Any, state: Any = None) -> None:
            seen.append((door.is_open, clock.at == clock.at))
            assert scheduler is clock

        when: dict[str, tuple[Any, ...]] = {
            "schedule": (),
            "schedule_relative": (1.0,),
            "schedule_absolute": (restless.at + 1,),
        }
        getattr(clock, way)(*when[way], ring)
        restless.advance(2)
        assert seen == [(True, True)]
        assert not door.is_open

    def test_a_timer_rings_at_its_own_time(self, restless: Restless) -> None:
        """Counted from the instant in which it was set, in seconds or as a timedelta."""
        clock, door = make(restless)
        rang: list[float] = []
        with door:
            at = clock.at
            clock.schedule_relative(1.5, lambda *_: rang.append(clock.at))
            clock.schedule_relative(dt.timedelta(seconds=2.5), lambda *_: rang.append(clock.at))
        restless.advance(5)
        assert rang == [pytest.approx(at + 1.5, abs=0.001), pytest.approx(at + 2.5, abs=0.001)]

    def test_a_timer_can_be_let_go(self, restless: Restless) -> None:
        clock, _ = make(restless)
        clock.schedule_relative(1.0, too_late).dispose()
        restless.advance(5)

    def test_an_error_shuts_the_door(self, restless: Restless) -> None:
        clock, door = make(restless)
        seen: list[float] = []

        def fail() -> None:
            with door:
                seen.append(clock.at)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert not door.is_open
        assert clock.at > seen[0]


class TestOnALoop:
    """A real one: it goes by the loop's clock, from the wall clock's time at the start."""

    async def test_a_step_of_the_wall_clock_shows_in_no_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        began = time.time()
        clock, _ = on_a_loop()
        first = clock.at
        monkeypatch.setattr(time, "time", lambda: began - 3600)
        second = clock.at
        assert began - 1 < first <= second < began + 60

    async def test_time_stands_still_while_the_door_is_open(self) -> None:
        clock, door = on_a_loop()
        with door:
            at = clock.at
            await asyncio.sleep(0.01)
            assert clock.at == at
        assert clock.at > at

    async def test_a_timer_opens_the_door(self) -> None:
        clock, door = on_a_loop()
        rang = asyncio.Event()
        seen: list[tuple[bool, bool]] = []

        def ring(scheduler: object, state: object = None) -> None:
            seen.append((door.is_open, scheduler is clock))
            if len(seen) == 3:
                rang.set()

        clock.schedule(ring)
        clock.schedule_relative(0.01, ring)
        clock.schedule_absolute(clock.at + 0.02, ring)
        await asyncio.wait_for(rang.wait(), 10)
        assert seen == [(True, True)] * 3

    async def test_a_timer_can_be_let_go(self) -> None:
        clock, _ = on_a_loop()
        for timer in (clock.schedule(too_late), clock.schedule_relative(0.01, too_late)):
            timer.dispose()
        rang = asyncio.Event()
        clock.schedule_relative(0.02, lambda *_: rang.set())
        await asyncio.wait_for(rang.wait(), 10)

    def test_a_burst_has_one_timer(self) -> None:
        """Timers of one duration share one of the loop's."""
        loop = ForeignLoop()
        steps: list[str] = []

        async def main() -> None:
            server = SilentServer()
            session = virtual_session(
                VirtualAdServer(VirtualClock()), client=Client(transport=server), scheduler=loop_scheduler(loop)
            )
            session.preloads.subscribe(lambda step: steps.append(f"{step.name} {step.user_message_id}"))
            before = loop.timers
            for number in range(1000):
                session.add_message(user(f"u{number}", "x"))
            assert loop.timers - before == 1
            await asyncio.sleep(0.05)
            session.destroy()

        loop.run_until_complete(main())
        loop.close()
        assert [step for step in steps if step.startswith("sent")] == ["sent u999"]

    async def test_a_timer_rings_once_though_its_action_lets_it_go(self) -> None:
        clock, _ = on_a_loop()
        rang: list[float] = []

        def ring(*_: object) -> None:
            rang.append(clock.at)
            timer.dispose()

        timer = clock.schedule_relative(0.0, ring)
        await asyncio.sleep(0.02)
        assert len(rang) == 1


def on_a_loop() -> tuple[Clock, Clock]:
    clock = Clock(loop_scheduler(asyncio.get_running_loop()), NoReport())
    return clock, clock


def too_late(*_: object) -> None:
    raise AssertionError("it rang")


class TestSession:
    """All that follows from one thing has its time."""

    def test_a_message(self, session: Session) -> None:
        recording = record(session)
        debugs: list[float] = []
        session.debug_events.subscribe(lambda event: debugs.append(event.at))
        session.add_message(user("u1", "x"))
        assert {type(trace) for trace in recording.traces} == {Added, PreloadStep}
        assert len({trace.at for trace in recording.traces} | set(debugs)) == 1

    def test_a_newer_message(self, session: Session, restless: Restless) -> None:
        """The older one's cancelling, and the word on the reply that waited, are the newer one's doing."""
        recording = record(session)
        session.add_message(user("u1", "x"))
        restless.advance(0.02)
        session.add_message(assistant("a1", "y"))
        before = len(recording.traces)
        session.add_message(user("u2", "x"))
        caused = recording.traces[before:]
        assert {type(trace) for trace in caused} == {Added, PreloadStep, Settled}
        assert [trace.name for trace in caused if isinstance(trace, PreloadStep)] == ["cancelled", "scheduled"]
        assert len({trace.at for trace in caused}) == 1

    def test_an_answer(self, session: Session, restless: Restless) -> None:
        """The step, the link, the event, the funnel's and every subscriber's present."""
        recording = record(session)
        seen: list[float] = []
        session.events.subscribe(lambda event: seen.append(session._outlet.now()))
        session.add_message(user("u1", "x"))
        session.add_message(assistant("a1", "y"))
        restless.advance(0.02)
        before = len(recording.traces)
        restless.advance(1)
        caused = recording.traces[before:]
        assert [type(trace).__name__ for trace in caused] == ["PreloadStep", "Linked", "Filled"]
        assert len({*seen, *(trace.at for trace in caused)}) == 1

    def test_its_duration_is_the_difference_of_two_times(self, session: Session, restless: Restless) -> None:
        steps: dict[str, PreloadStep] = {}
        session.preloads.subscribe(lambda step: steps.update({step.name: step}))
        session.add_message(user("u1", "x"))
        restless.advance(1)
        assert steps["resolved"].duration_s == steps["resolved"].at - steps["sent"].at > 0

    def test_a_failed_attempt(self, restless: Restless) -> None:
        """The pause is counted from the moment at which the step says that it began."""
        server = VirtualAdServer(restless)
        server.plan("/preload", network_error())
        with virtual_session(server) as session:
            steps: list[PreloadStep] = []
            session.preloads.subscribe(steps.append)
            session.add_message(user("u1", "x"))
            restless.advance(5)
        retried = next(step for step in steps if step.name == "retried")
        assert server.preloads[1].at == pytest.approx(retried.at + 1, abs=0.001)

    def test_a_message_from_inside_an_event(self, session: Session, restless: Restless) -> None:
        """It follows from the event, so it happens at the same time."""
        recording = record(session)
        session.events.subscribe(lambda event: session.add_message(assistant("a1", "y")))
        session.add_message(user("u1", "x"))
        restless.advance(1)
        filled = recording.events[0]
        reply = next(trace for trace in recording.traces if isinstance(trace, Added) and trace.role == "assistant")
        link = next(trace for trace in recording.traces if isinstance(trace, Linked))
        assert filled.at == reply.at == link.at

    def test_a_frame_s_message(self, session: Session, restless: Restless) -> None:
        recording = record(session)
        session.add_message(user("u1", "x"))
        restless.advance(1)
        session.add_message(assistant("a1", "y"))
        host = RecordingHost()
        session.render(message_id="a1", element=host)
        before = len(recording.traces)
        host.say("error-iframe", code="inlineAd")
        caused = recording.traces[before:]
        assert [type(trace).__name__ for trace in caused] == ["AdError", "Unmounted"]
        assert len({trace.at for trace in caused}) == 1

    def test_the_end(self, session: Session, restless: Restless) -> None:
        recording = record(session)
        session.add_message(user("u1", "x"))
        restless.advance(1)
        session.add_message(assistant("a1", "y"))
        session.render(message_id="a1", element=RecordingHost())
        session.add_message(user("u2", "x"))
        before = len(recording.traces)
        session.destroy()
        caused = recording.traces[before:]
        assert {type(trace).__name__ for trace in caused} == {"Unmounted", "PreloadStep", "Ended"}
        assert any(isinstance(trace, Unmounted) for trace in caused)
        assert len({trace.at for trace in caused}) == 1

    def test_two_messages_have_two_times(self, session: Session) -> None:
        recording = record(session)
        session.add_message(user("u1", "x"))
        session.add_message(assistant("a1", "y"))
        first, second = (trace.at for trace in recording.traces if isinstance(trace, Added))
        assert first < second

    def test_time_never_goes_back(self, session: Session, restless: Restless) -> None:
        recording = record(session)
        for number in range(5):
            session.add_message(user(f"u{number}", "x"))
            restless.advance(0.004 * number**3)
            session.add_message(assistant(f"a{number}", "y"))
        times = [entry.at for entry in recording.entries]
        assert times == sorted(times)

    def test_what_an_interrupt_left_is_told_with_the_next(self, session: Session, restless: Restless) -> None:
        """Ctrl-C inside a subscriber comes out of the app's call, and time goes on."""
        told: list[str] = []
        interrupting = session.debug_events.subscribe(interrupt)
        session.preloads.subscribe(lambda step: told.append(f"{step.name} {step.user_message_id}"))
        with pytest.raises(KeyboardInterrupt):
            session.add_message(user("u1", "x"))
        interrupting.dispose()
        assert not session._outlet.door.is_open
        assert session._outlet.now() < session._outlet.now()
        session.add_message(assistant("a1", "y"))
        restless.advance(1)
        assert told == ["scheduled u1", "sent u1", "resolved u1"]
        assert session.explain("a1").verdict == "linked"
        assert session.create_ad("a1").iframe_url is not None

    @pytest.mark.parametrize("where", ["events", "preloads", "funnel", "on_event", "host", "pacing"])
    def test_an_interrupt_from_anywhere_costs_a_turn_at_the_most(self, where: str, restless: Restless) -> None:
        armed = True

        def once(*_: object) -> None:
            nonlocal armed
            if armed:
                armed = False
                interrupt()

        @pacing.rule
        def rule(state: None, turn: pacing.Turn) -> tuple[None, pacing.Decision]:
            once()
            return state, pacing.Go("always")

        options: dict[str, Any] = {"pacing": {"pacing": rule}, "on_event": {"on_event": once}}.get(where, {})
        session = virtual_session(VirtualAdServer(restless), **options)
        host = Interrupting(once) if where == "host" else RecordingHost()
        session.render(message_id="a1", element=host)
        if where in ("events", "preloads"):
            getattr(session, where).subscribe(once)
        if where == "funnel":
            session.funnel.subscribe(lambda funnel: once() if funnel.filled else None)
        with pytest.raises(KeyboardInterrupt):
            converse(session, restless, 1)
        assert not session._outlet.door.is_open
        converse(session, restless, 2)
        assert session.explain("a2").verdict == "linked"
        assert session.create_ad("a2").iframe_url is not None
        session.destroy()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class Interrupting(RecordingHost):
    """A page whose loading is interrupted."""

    def __init__(self, once: Callable[[], None]) -> None:
        super().__init__()
        self._once = once

    def load(self, url: str) -> None:
        self._once()
        super().load(url)


def converse(session: Session, clock: VirtualClock, number: int) -> None:
    session.add_message(user(f"u{number}", "x"))
    session.add_message(assistant(f"a{number}", "y"))
    clock.advance(1)
