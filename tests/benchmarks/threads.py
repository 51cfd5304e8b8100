"""
What it costs to add a message from another thread, which hops to the session's loop.

CPU is that of a call and its effect, over many replies in a row, which ask for nothing; the delay is from the call to
the request's arrival at the server, the debounce subtracted, of one message at a time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from delays import DEBOUNCE_NS
from measure import BY_HAND, NS, OURS, US, Bench, Cell, Measure, Row, cpu, percentiles, run
from server import times
from sides import TEXT, ByHand, Ours, Pool

ON_THE_LOOP: Final = "ours on the loop"


class Listener:
    """A subscriber that another thread can wait for."""

    def __init__(self) -> None:
        self.last: Any = None
        self.heard = threading.Event()

    def hear(self, told: Any) -> None:
        self.last = told
        self.heard.set()


async def _calls(side: type[Pool], server: str, count: int, *, on_the_loop: bool = False) -> dict[str, float]:
    loop, told = asyncio.get_running_loop(), Listener()
    async with side.over(server) as pool:
        session = pool.open(1, told.hear)
        await pool.ready([session])

        def here(call: Callable[..., None], *args: Any) -> None:
            call(*args)

        def there(call: Callable[..., None], *args: Any) -> None:
            pool.from_a_thread(loop, call, *args)

        def add_all() -> None:
            add = here if on_the_loop else there
            for number in range(count):
                add(pool.reply, session, f"a{number}", TEXT)
            add(pool.user, session, "last", TEXT)  # its event says that everything before was taken

        async def work() -> None:
            if on_the_loop:
                add_all()
            else:
                await asyncio.to_thread(add_all)
            await asyncio.to_thread(told.heard.wait)

        spent = await cpu(work)
        pool.close(session)
    return {"cpu": spent / count * US}


async def _delays(side: type[Pool], server: str, turns: int) -> dict[str, float]:
    loop, told, found = asyncio.get_running_loop(), Listener(), list[float]()
    async with side.over(server) as pool:
        session = pool.open(1, told.hear)
        await pool.ready([session])

        def converse() -> None:
            for number in range(turns + 1):
                told.heard.clear()
                sent = time.monotonic_ns()
                pool.from_a_thread(loop, pool.user, session, f"u{number}", TEXT)
                told.heard.wait()
                found.append((times(pool.bid_id(told.last)).arrived - sent - DEBOUNCE_NS) / NS * 1e3)
                pool.from_a_thread(loop, pool.reply, session, f"a{number}", TEXT)

        await asyncio.to_thread(converse)
        pool.close(session)
    return percentiles("request", found[1:])  # the first has opened the connection


def _thread(side: type[Pool]) -> Measure:
    def measured(bench: Bench) -> dict[str, float]:
        calls = run(_calls(side, bench.server.fast, bench.size(20_000, 5000)))
        return calls | run(_delays(side, bench.server.fast, bench.size(200, 100)))

    return measured


CELLS: Final = [
    Cell(
        name="threads",
        kinds={
            OURS: _thread(Ours),
            BY_HAND: _thread(ByHand),
            ON_THE_LOOP: lambda bench: run(_calls(Ours, bench.server.fast, bench.size(20_000, 5000), on_the_loop=True)),
        },
        rows=[
            Row(what="add_message from a thread", number="cpu", unit="us"),
            Row(what="the same, and on the loop", number="cpu", unit="us", over=ON_THE_LOOP),
            Row(what="from a thread to request, p50", number="request_p50", unit="ms"),
            Row(what="from a thread to request, p99", number="request_p99", unit="ms"),
        ],
    )
]
