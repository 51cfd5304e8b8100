"""The session engine's clock: whole microseconds, timers in the order in which they were set."""

import datetime as dt

from hypothesis import example, given
from hypothesis import strategies as st

from kontext_rx.simulate.clock import SimulatedClock
from kontext_rx.simulate.timeline import NEVER

START = 1_772_439_300_000_000
"""2026-03-02, 8:15 in UTC, in epoch microseconds."""


def ring_all(clock: SimulatedClock) -> None:
    while clock.due != NEVER:
        clock.ring()


@given(st.integers(0, 2**53))
@example(START + 1)
def test_its_seconds_are_those_of_its_datetime(us: int) -> None:
    """To the last bit: a session that reads the one and a rule that reads the other never disagree."""
    clock = SimulatedClock(us)
    assert clock.at == clock.to_seconds(clock.now)


def test_timers_ring_in_the_order_of_their_times_and_at_one_instant_as_they_were_set() -> None:
    clock = SimulatedClock(START)
    rung: list[tuple[str, int]] = []

    def note(_: object, name: str | None = None) -> None:
        rung.append((str(name), clock.us - START))

    clock.schedule_relative(0.02, note, "relative")
    clock.schedule_relative(dt.timedelta(milliseconds=10), note, "timedelta")
    clock.schedule_absolute(clock.now + dt.timedelta(milliseconds=10), note, "absolute")
    clock.schedule(note, "now")
    clock.schedule_relative(-1.0, note, "past")
    clock.start(10_000, note, "micros")
    ring_all(clock)
    assert rung == [
        ("now", 0), ("past", 0), ("timedelta", 10_000), ("absolute", 10_000), ("micros", 10_000), ("relative", 20_000),
    ]  # fmt: skip


def test_a_timer_that_is_disposed_does_not_ring_and_moves_no_time() -> None:
    clock = SimulatedClock(START)
    rung: list[str] = []
    clock.schedule_relative(1.0, lambda _, __=None: rung.append("disposed")).dispose()
    assert clock.due == NEVER
    clock.schedule_relative(2.0, lambda _, __=None: rung.append("kept"))
    assert clock.due == START + 2_000_000
    ring_all(clock)
    assert rung == ["kept"]
    assert clock.us == START + 2_000_000
