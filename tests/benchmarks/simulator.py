"""
Conversations in virtual time, of 16 turns each, per second of CPU: the simulator's two engines, and RxPY by itself.

RxPY's is no session: `debounce` and `switch_map` to an answer after 0.3 s, on its own `VirtualTimeScheduler`.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Final, Literal

import reactivex as rx
import reactivex.operators as rxops
from measure import Bench, Cell, Measure, Row, SkippedError
from reactivex.scheduler import VirtualTimeScheduler

from kontext_rx import pacing

TURNS: Final = 16
PURE: Final = "pure engine"
SESSION: Final = "session engine"
RXPY: Final = "RxPY's operators"


def _simulated(engine: Literal["pure", "session"], conversations: int) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("numpy", "polars")):
        raise SkippedError("numpy or polars is not installed")
    from kontext_rx.simulate import Line, Talk, simulate

    roles = ("user", "assistant")
    lines = tuple(Line(f"m{place}", roles[place % 2], "What do you think?") for place in range(2 * TURNS))
    talks = [Talk(f"c{number}", lines) for number in range(conversations)]
    simulate(talks, {"every third": pacing.every(3)}, engine=engine)


def _rxpy(conversations: int) -> None:
    for _ in range(conversations):
        if (answered := _converse()) != TURNS:
            raise RuntimeError(f"{answered} of {TURNS} turns were answered")


def _converse() -> int:
    clock, users, heard = VirtualTimeScheduler(), rx.Subject[int](), list[int]()
    users.pipe(
        rxops.debounce(0.010, scheduler=clock),
        rxops.switch_map(lambda turn: rx.timer(0.3, scheduler=clock).pipe(rxops.map(lambda _: turn))),
    ).subscribe(heard.append, scheduler=clock)
    for turn in range(TURNS):
        clock.schedule_relative(20.0 * turn, lambda _, turn: users.on_next(turn or 0), turn)
    clock.advance_to(20.0 * TURNS)
    return len(heard)


def _per_second(work: Callable[[int], None], whole: int, quick: int) -> Measure:
    def measured(bench: Bench) -> dict[str, float]:
        count = bench.size(whole, quick)
        work(1)  # what is imported late
        before = time.process_time()
        work(count)
        done = count / (time.process_time() - before)
        return {"conversations": done, "turns": done * TURNS}

    return measured


CELLS: Final = [
    Cell(
        name="simulator",
        kinds={
            PURE: _per_second(lambda count: _simulated("pure", count), 20_000, 5000),
            SESSION: _per_second(lambda count: _simulated("session", count), 500, 200),
            RXPY: _per_second(_rxpy, 500, 200),
        },
        rows=[
            Row(
                what="conversations of 16 turns",
                number="conversations",
                unit="1/s",
                of=SESSION,
                over=None,
                at_least=1000,
            ),
            Row(what="the same, and RxPY alone", number="conversations", unit="1/s", of=SESSION, over=RXPY),
            Row(what="turns", number="turns", unit="1/s", of=PURE, over=None),
        ],
    )
]
