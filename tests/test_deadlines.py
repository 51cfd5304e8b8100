"""Timers of one duration on a loop share one of the loop's own."""

import asyncio
import contextvars
from collections.abc import Callable

import pytest

from kontext_rx import Message
from kontext_rx.clock import DURATIONS, Clock, LoopScheduler, loop_scheduler
from kontext_rx.deadlines import SLACK_S, Deadlines
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time is moved by hand, and which tells what it was asked to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.set: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self.set.append(asyncio.TimerHandle(when, callback, args, self, context))
        return self.set[-1]

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Those that are still to ring."""
        return [timer for timer in self.set if not timer.cancelled()]

    def advance(self, to: float) -> None:
        """Let the timers ring until then, each at its time."""
        while due := sorted(timer for timer in self.timers if timer.when() <= to):
            self.now = max(self.now, due[0].when())
            self.set.remove(due[0])
            due[0]._run()
        self.now = to


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture(autouse=True)
def _closed(loop: Loop) -> object:
    yield
    loop.close()


class One:
    """A deadline a second after it was made."""

    def __init__(self, loop: Loop, deadlines: Deadlines, ring: Callable[[], object]) -> None:
        self.when, self.context, self.ring = loop.now + 1, contextvars.copy_context(), ring
        deadlines.add(self)


def test_a_thousand_are_one_timer_of_the_loops(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[int]()
    for number in range(1000):
        One(loop, deadlines, lambda number=number: rang.append(number))
    assert len(loop.timers) == 1
    loop.advance(1)
    assert rang == list(range(1000))
    assert not loop.timers


def test_each_rings_at_its_time(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[float]()
    for at in (0, 0.25, 0.75, 3):
        loop.advance(at)
        One(loop, deadlines, lambda: rang.append(loop.now))
    loop.advance(10)
    assert rang == [1, 1.25, 1.75, 4]


def test_what_is_called_off_does_not_ring_and_the_next_one_does(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[str]()
    first = One(loop, deadlines, lambda: rang.append("first"))
    loop.advance(0.5)
    One(loop, deadlines, lambda: rang.append("second"))
    deadlines.remove(first)
    deadlines.remove(first)  # a second time says nothing more
    loop.advance(1.25)
    assert (rang, len(loop.timers)) == ([], 1)
    loop.advance(1.5)
    assert rang == ["second"]


def test_one_can_call_off_the_next_that_is_due_with_it(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[str]()
    One(loop, deadlines, lambda: deadlines.remove(second))
    second = One(loop, deadlines, lambda: rang.append("second"))
    loop.advance(2)
    assert not rang


def test_one_that_is_added_as_another_rings_has_its_whole_time(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[float]()

    def again() -> None:
        rang.append(loop.now)
        if len(rang) < 3:
            One(loop, deadlines, again)

    One(loop, deadlines, again)
    loop.advance(10)
    assert rang == [1, 2, 3]


def test_one_that_is_added_as_another_rings_puts_off_none_that_wait(loop: Loop) -> None:
    deadlines, rang = Deadlines(loop), list[float]()
    One(loop, deadlines, lambda: One(loop, deadlines, list))
    loop.advance(0.25)
    One(loop, deadlines, lambda: rang.append(loop.now))
    loop.advance(10)
    assert rang == [1.25]


def test_one_that_is_added_by_what_runs_the_loop_from_inside_rings_there(loop: Loop) -> None:
    """As code in a notebook's cell does."""
    deadlines, rang = Deadlines(loop), list[float]()

    def nested() -> None:
        One(loop, deadlines, lambda: rang.append(loop.now))
        loop.advance(5)

    One(loop, deadlines, nested)
    One(loop, deadlines, lambda: rang.append(loop.now))
    loop.advance(1)
    assert rang == [1, 2]


def test_each_rings_in_the_context_of_whoever_set_it(loop: Loop) -> None:
    deadlines, heard = Deadlines(loop), list[str]()
    for name in ("Ann", "Ben"):
        contextvars.copy_context().run(
            lambda name=name: (who.set(name), One(loop, deadlines, lambda: heard.append(who.get())))
        )
    loop.advance(1)
    assert heard == ["Ann", "Ben"]


def test_an_error_is_the_loops_and_the_others_still_ring(loop: Loop) -> None:
    deadlines, rang, errors = Deadlines(loop), list[str](), list[object]()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    error = ZeroDivisionError()

    def fail() -> None:
        raise error

    One(loop, deadlines, fail)
    One(loop, deadlines, lambda: rang.append("second"))
    loop.advance(1)
    assert (errors, rang) == ([error], ["second"])


def test_a_loop_that_rings_a_little_early_is_believed(loop: Loop) -> None:
    """As uvloop does, whose timers count in milliseconds; one that rings much too early waits on."""
    deadlines, rang = Deadlines(loop), list[float]()
    One(loop, deadlines, lambda: rang.append(loop.now))
    for at in (0.5, 1 - SLACK_S / 2):
        loop.now = at
        loop.set.pop()._run()
    assert rang == [1 - SLACK_S / 2]


class NoReport:
    """Whose app never raises."""

    def report(self, error: BaseException, where: str) -> None:
        raise AssertionError(where) from error


class TestOfALoop:
    def test_those_of_one_duration_are_together(self, loop: Loop) -> None:
        scheduler = LoopScheduler(loop)
        assert scheduler.deadlines(0.01) is scheduler.deadlines(0.01)
        assert scheduler.deadlines(0.01) is not scheduler.deadlines(16.0)

    def test_durations_that_nobody_waits_for_are_forgotten(self, loop: Loop) -> None:
        scheduler = LoopScheduler(loop)
        awaited = scheduler.deadlines(0.0)
        One(loop, awaited, list)
        first = scheduler.deadlines(1.0)
        for number in range(2, DURATIONS + 1):
            scheduler.deadlines(float(number))
        assert scheduler.deadlines(0.0) is awaited
        assert scheduler.deadlines(1.0) is not first

    def test_it_goes_by_the_loop_s_own_clock_whichever_that_is(self, loop: Loop) -> None:
        """Libraries that stop the time for tests put another function in its place."""
        assert LoopScheduler(loop).time() == loop.now
        usual = asyncio.new_event_loop()
        usual.time = lambda: 12.5  # type: ignore[method-assign]
        assert LoopScheduler(usual).time() == 12.5
        usual.close()

    def test_what_blocks_the_loop_costs_a_timer_none_of_its_time(self, loop: Loop) -> None:
        """It is set in a callback that was slow: its time begins then, and not when the callback began."""
        clock, rang = Clock(LoopScheduler(loop), NoReport()), list[float]()
        with clock:
            loop.now += 5
            clock.schedule_relative(1.0, lambda *_: rang.append(loop.now))
        loop.advance(10)
        assert rang == [6]

    async def test_a_session_that_is_closed_leaves_no_timer_on_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        session = virtual_session(VirtualAdServer(VirtualClock()), scheduler=loop_scheduler(loop))
        session.add_message(Message.user("u1", "Any tent for two?"))
        assert waiting(loop) == 2  # the debounce, and the timeout of /init
        await session.aclose()
        assert waiting(loop) == 0


def waiting(loop: asyncio.AbstractEventLoop) -> int:
    """How many timers a loop has; it has no public word for them."""
    return sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
