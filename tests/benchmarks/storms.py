"""
Many messages to one session: a burst, of which one request comes, and a storm, in which each request is overtaken.

In the storm each user message is 12 ms after the one before, against a server that takes 200 ms: each preload is sent
and then cancelled by the next message. CPU for each request that reached the server.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from measure import BY_HAND, OURS, US, Cell, Measure, Row, cpu, run
from processes import Server
from sides import TEXT, ByHand, Ours, Pool

BURST: Final = 10_000
PAUSE_S: Final = 0.012
SESSIONS: Final = 8


async def _burst(side: type[Pool], server: str) -> dict[str, float]:
    before = Server.preloads(server)
    told = asyncio.Event()
    async with side.over(server) as pool:
        session = pool.open(1, lambda _: told.set())
        await pool.ready([session])

        async def burst() -> None:
            for number in range(BURST):
                pool.user(session, f"u{number}", TEXT)
            await told.wait()

        spent = await cpu(burst)
        pool.close(session)
    return {"cpu": spent * 1e3, "requests": Server.preloads(server) - before}


async def _storm(side: type[Pool], server: str, messages: int) -> dict[str, float]:
    before = Server.preloads(server)
    loop = asyncio.get_running_loop()
    async with side.over(server) as pool:
        sessions = [pool.open(number, ignore) for number in range(SESSIONS)]
        await pool.ready(sessions)

        async def storm(session: Any, offset_s: float) -> None:
            start = loop.time() + offset_s
            for number in range(messages):
                await asyncio.sleep(max(0.0, start + number * PAUSE_S - loop.time()))
                pool.user(session, f"u{number}", TEXT)
            await asyncio.sleep(0.5)  # the last is answered

        spent = await cpu(
            lambda: asyncio.gather(*(storm(one, PAUSE_S * number / SESSIONS) for number, one in enumerate(sessions)))
        )
        for session in sessions:
            pool.close(session)
    requests = Server.preloads(server) - before
    if requests < SESSIONS * messages * 0.5:
        raise RuntimeError(f"only {requests} of {SESSIONS * messages} were sent: this machine is too busy for a storm")
    return {"cpu": spent / requests * US, "sent": requests / (SESSIONS * messages)}


def ignore(_: object) -> None:
    """A subscriber."""


def _bursting(side: type[Pool]) -> Measure:
    return lambda bench: run(_burst(side, bench.server.fast))


def _storming(side: type[Pool]) -> Measure:
    return lambda bench: run(_storm(side, bench.server.slow, bench.size(300, 150)))


CELLS: Final = [
    Cell(
        name="burst",
        kinds={OURS: _bursting(Ours), BY_HAND: _bursting(ByHand)},
        rows=[
            Row(what="10,000 user messages at once", number="cpu", unit="ms", at_most=0.60),
            Row(what="requests that come of them", number="requests", unit="", over=None, at_most=1, at_least=1),
        ],
    ),
    Cell(
        name="storm",
        kinds={OURS: _storming(Ours), BY_HAND: _storming(ByHand)},
        rows=[
            Row(what="CPU of an overtaken preload", number="cpu", unit="us", at_most=1.0),
            Row(what="messages whose preload was sent", number="sent", unit="share"),
        ],
    ),
]
