"""
What a session is to a process: bytes, objects that the collector walks, and the time that opening takes.

What is counted are sessions and nothing of the transport, on either side: connections are let go half a second after
they were last used, and the count begins when the last is gone, so that the pool has no sockets in it. `/init` was
answered before. Bytes are those of `tracemalloc`, objects those of `gc.get_objects()` after a collection.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc
from typing import Any, Final

from measure import BY_HAND, OURS, US, Cell, Measure, Row, cpu, run
from reactivex import Observable
from reactivex.abc import DisposableBase
from reactivex.disposable import Disposable
from sides import TEXT, ByHand, Ours, Pool

import kontext_rx as kx
from kontext_rx.typing import HttpRequest, HttpResponse

CONNECTIONS: Final = {"limit": 64, "keepalive_timeout": 0.5}
TURNS: Final = 15
"""Thirty messages: what a session keeps."""


class Crowd:
    """Many sessions, which speak all at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._untold, self._all_told = pool, 0, asyncio.Event()
        self.sessions: list[Any] = []

    async def open(self, count: int) -> None:
        hear = self._hear  # one for all, as an app would have it
        self.sessions = [self._pool.open(number, hear) for number in range(count)]
        await self._pool.ready(self.sessions)

    async def converse(self, turns: int) -> None:
        for turn in range(turns):
            self._untold = len(self.sessions)
            self._all_told.clear()
            for number, session in enumerate(self.sessions):
                self._pool.user(session, f"u{turn}", f"{TEXT} {number}.{turn}")  # nobody's text is another's object
            await self._all_told.wait()
            for number, session in enumerate(self.sessions):
                self._pool.reply(session, f"a{turn}", f"{TEXT} {number}.{turn}")

    def close(self) -> None:
        for session in self.sessions:
            self._pool.close(session)

    def _hear(self, _: object) -> None:
        self._untold -= 1
        if not self._untold:
            self._all_told.set()


async def _settle() -> None:
    """Until the connections are gone, and what died with them."""
    await asyncio.sleep(1.2)
    gc.collect()


async def _kept(side: type[Pool], server: str, count: int, turns: int) -> dict[str, float]:
    async with side.over(server, **CONNECTIONS) as pool:
        first = Crowd(pool)
        await first.open(1)
        await first.converse(1)
        await _settle()
        crowd = Crowd(pool)
        objects = len(gc.get_objects())
        tracemalloc.start()
        try:
            await crowd.open(count)
            await crowd.converse(turns)
            await _settle()
            kept, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects()) - objects
        finally:
            tracemalloc.stop()
        crowd.close()
        first.close()
    return {"bytes": kept / count, "objects": objects / count}


class _Silence(Observable[HttpResponse]):
    """No answer, at no cost."""

    def subscribe(self, *_: Any, **__: Any) -> DisposableBase:
        return _NOTHING


_NOTHING: Final = Disposable()
_SILENCE: Final = _Silence()


def _silent(_: HttpRequest) -> Observable[HttpResponse]:
    return _SILENCE


async def _opening(pool: Pool, count: int) -> dict[str, float]:
    crowd = Crowd(pool)

    async def open_all() -> None:
        crowd.sessions = [pool.open(number, print) for number in range(count)]
        await asyncio.sleep(0.001)  # what opening has left for the loop's next turn

    spent = await cpu(open_all)
    crowd.close()
    return {"opening": spent / count * US}


async def _opening_ours(server: str, count: int) -> dict[str, float]:
    return await _opening(Ours(server, kx.Client(transport=_silent)), count)


async def _opening_with_init(server: str, count: int) -> dict[str, float]:
    async with Ours.over(server, **CONNECTIONS) as pool:
        crowd = Crowd(pool)
        spent = await cpu(lambda: crowd.open(count))
        crowd.close()
        return {"opening": spent / count * US}


async def _opening_by_hand(server: str, count: int) -> dict[str, float]:
    async with ByHand.over(server) as pool:
        return await _opening(pool, count)


async def _collection(side: type[Pool], server: str, count: int) -> dict[str, float]:
    async with side.over(server, **CONNECTIONS) as pool:
        crowd = Crowd(pool)
        await crowd.open(count)
        await _settle()
        fresh = _collect()
        await crowd.converse(1)
        await _settle()
        spoken = _collect()
        crowd.close()
        return {"fresh": fresh, "spoken": spoken}


def _collect() -> float:
    """Milliseconds of a full collection."""
    took: list[float] = []
    for _ in range(5):
        before = time.process_time()
        gc.collect()
        took.append((time.process_time() - before) * 1e3)
    return statistics.median(took)


def _memory(side: type[Pool], turns: int) -> Measure:
    return lambda bench: run(_kept(side, bench.server.fast, bench.size(1000, 300), turns))


def _collecting(side: type[Pool]) -> Measure:
    return lambda bench: run(_collection(side, bench.server.fast, 10_000))


def _memory_cell(name: str, what: str, turns: int, ratio: float, objects: float) -> Cell:
    return Cell(
        name=name,
        kinds={OURS: _memory(Ours, turns), BY_HAND: _memory(ByHand, turns)},
        rows=[
            Row(what=what, number="bytes", unit="bytes", at_most=ratio),
            Row(what=what, number="objects", unit="objects", over=None, at_most=objects),
            Row(what=what, number="objects", unit="objects", of=BY_HAND, over=None),
        ],
        rounds=1,  # exact: it counts, and measures no time
    )


WITH_INIT: Final = "ours with /init"

CELLS: Final = [
    _memory_cell("memory-fresh", "a session with one subscriber", 0, 1.25, 8),
    _memory_cell("memory-30-messages", "the same after 30 messages", TURNS, 1.15, 20),
    Cell(
        name="opening",
        kinds={
            OURS: lambda bench: run(_opening_ours(bench.server.fast, bench.size(5000, 2000))),
            BY_HAND: lambda bench: run(_opening_by_hand(bench.server.fast, bench.size(5000, 2000))),
            WITH_INIT: lambda bench: run(_opening_with_init(bench.server.fast, bench.size(2000, 1000))),
        },
        rows=[
            Row(what="opening a session", number="opening", unit="us", at_most=3.0),
            Row(what="the same, its /init answered", number="opening", unit="us", of=WITH_INIT),
        ],
    ),
    Cell(
        name="collection",
        kinds={OURS: _collecting(Ours), BY_HAND: _collecting(ByHand)},
        rows=[
            Row(what="full collection, 10,000 fresh sessions", number="fresh", unit="ms", at_most=1.5),
            Row(what="the same after a turn of each", number="spoken", unit="ms", at_most=1.5),
        ],
    ),
]
