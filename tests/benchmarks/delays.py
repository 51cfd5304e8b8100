"""
What a session adds to the time that things take: to the request, and from the answer to the subscriber.

The first is from `add_message` to the request's arrival at the server, the debounce subtracted; the second from the
server's write to the call of the subscriber. Both hold the kernel and aiohttp. The moments of the turns are random, and
in a round the same for every kind; the first turn of each session, which opens connections, does not count.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, Final, NamedTuple

from measure import BY_HAND, NS, OURS, Cell, Measure, Row, percentiles, run
from server import times
from sides import TEXT, ByHand, Ours, Pool

DEBOUNCE_NS: Final = 10_000_000
DEFAULT_LIMIT: Final = 100
"""Connections that aiohttp opens at most, unless told otherwise."""

TOLD: Final = 0.95
"""Share of the turns that must be answered before the next one of their session, for their times to say anything."""

GOALS: Final = {"request_p50": 1.03, "request_p99": 0.95, "event_p50": 1.05, "event_p99": 1.00}


class Noted(NamedTuple):
    """A turn: when its message was added, and when the subscriber was told what. In nanoseconds."""

    sent: int
    heard: int
    told: Any


class Speaker:
    """A session that is spoken to at given times; it notes what it hears."""

    __slots__ = ("_noted", "_pool", "_sent", "_turn", "session")

    def __init__(self, pool: Pool, number: int, noted: list[Noted]) -> None:
        self._pool, self._noted, self._sent, self._turn = pool, noted, 0, 0
        self.session = pool.open(number, self._hear)

    def ask(self) -> None:
        """The next turn: the reply to the one before, and a message of the user's."""
        if self._turn:
            self._pool.reply(self.session, f"a{self._turn}", TEXT)
        self._turn += 1
        self._sent = time.monotonic_ns()
        self._pool.user(self.session, f"u{self._turn}", TEXT)

    def _hear(self, told: Any) -> None:
        self._noted.append(Noted(self._sent, time.monotonic_ns(), told))


class Traffic(NamedTuple):
    """Sessions that speak once in *every_s* seconds each, from a random moment on."""

    sessions: int
    every_s: float
    turns: int
    """Of each session, after the first."""
    seed: int


async def _delays(side: type[Pool], server: str, traffic: Traffic, **connections: Any) -> dict[str, float]:
    noted: list[Noted] = []
    async with side.over(server, **connections) as pool:
        speakers = [Speaker(pool, number, noted) for number in range(traffic.sessions)]
        await pool.ready([one.session for one in speakers])
        chance = random.Random(traffic.seed)
        plan = sorted((chance.uniform(0, traffic.every_s), number) for number in range(traffic.sessions))
        start = asyncio.get_running_loop().time()
        for turn in range(1 + traffic.turns):
            for phase, number in plan:
                await _until(start + turn * traffic.every_s + phase)
                speakers[number].ask()
            if not turn:
                await _until(start + traffic.every_s)
                noted.clear()
        await asyncio.sleep(0.5)  # the last ones are answered
        for one in speakers:
            pool.close(one.session)
        if (told := len(noted) / (traffic.sessions * traffic.turns)) < TOLD:
            raise RuntimeError(f"only {told:.0%} of the turns were told before the next: this machine is too busy")
        stamped = [(one, times(pool.bid_id(one.told))) for one in noted]
    return percentiles("request", [(at.arrived - one.sent - DEBOUNCE_NS) / NS * 1e3 for one, at in stamped]) | (
        percentiles("event", [(one.heard - at.written) / NS * 1e3 for one, at in stamped])
    )


async def _until(at: float) -> None:
    # Also when it is late: the loop has more to do.
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))


def _idle(side: type[Pool]) -> Measure:
    return lambda bench: run(_delays(side, bench.server.fast, Traffic(20, 0.5, bench.size(10, 5), bench.round)))


def _busy(side: type[Pool]) -> Measure:
    return lambda bench: run(_delays(side, bench.server.fast, Traffic(1000, 1.0, bench.size(6, 3), bench.round)))


def _slow(side: type[Pool], **connections: Any) -> Measure:
    return lambda bench: run(
        _delays(side, bench.server.slow, Traffic(400, 1.0, bench.size(8, 5), bench.round), **connections)
    )


def _rows(goals: dict[str, float]) -> list[Row]:
    names = {"request": "add_message to request", "event": "answer to event"}
    return [
        Row(what=f"{what}, {p}", number=f"{number}_{p}", unit="ms", at_most=goals.get(f"{number}_{p}"))
        for number, what in names.items()
        for p in ("p50", "p99")
    ]


CELLS: Final = [
    Cell(name="delays-idle", kinds={OURS: _idle(Ours), BY_HAND: _idle(ByHand)}, rows=_rows({})),
    Cell(name="delays-1000-a-second", kinds={OURS: _busy(Ours), BY_HAND: _busy(ByHand)}, rows=_rows(GOALS)),
    Cell(
        name="delays-slow-server",
        kinds={OURS: _slow(Ours), BY_HAND: _slow(ByHand, limit=DEFAULT_LIMIT)},
        rows=[
            Row(what="400 sessions, 200 ms: to request, p50", number="request_p50", unit="ms"),
            Row(what="400 sessions, 200 ms: to request, p99", number="request_p99", unit="ms", at_most=0.10),
        ],
    ),
]
