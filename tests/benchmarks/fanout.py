"""
What an event costs with many subscribers, each to a message of its own: it is for one of them.

The event is the size of an ad, as the ad's frame says it to a host without a screen. Beside it, the way to do it that
does not scale: filters on the stream of all events.
"""

from __future__ import annotations

from typing import Final

from measure import US, Bench, Cell, Measure, Row, cpu, run
from sides import TEXT, Ours

import kontext_rx as kx
from kontext_rx import ops
from kontext_rx.hosts import RecordingHost

COUNTS: Final = (1, 100, 10_000)
FILTERS: Final = "100 filters"


async def _events(server: str, subscribers: int, events: int, *, keyed: bool = True) -> dict[str, float]:
    heard = 0

    def hear(_: kx.AdEvent) -> None:
        nonlocal heard
        heard += 1

    async with Ours.over(server) as pool:
        session = pool.open(1, lambda _: None)
        await pool.ready([session])
        pool.user(session, "u", TEXT)
        pool.reply(session, "a", TEXT)
        await session.outcome("a")
        host = RecordingHost()
        session.render(message_id="a", element=host)
        host.say("init-iframe")
        for message_id in ["a", *(f"other-{number}" for number in range(subscribers - 1))]:
            mine = session.for_message(message_id) if keyed else session.events.pipe(ops.for_message(message_id))
            mine.subscribe(hear)
        heard = 0

        async def say() -> None:
            for number in range(events):
                host.say("resize-iframe", height=100 + number % 7)
                host.calls.clear()

        spent = await cpu(say)
        session.destroy()
    if heard != events:
        raise RuntimeError(f"{events} events, and {heard} were heard")
    return {"cpu": spent / events * US}


def _name(count: int) -> str:
    return f"{count:,} subscribers" if count > 1 else "1 subscriber"


def _with(count: int) -> Measure:
    return lambda bench: run(_events(bench.server.fast, count, bench.size(5000, 2000)))


def _filtering(bench: Bench) -> dict[str, float]:
    return run(_events(bench.server.fast, 100, bench.size(1000, 500), keyed=False))


CELLS: Final = [
    Cell(
        name="fanout",
        kinds={_name(count): _with(count) for count in COUNTS} | {FILTERS: _filtering},
        rows=[
            Row(what="an event to one of 100", number="cpu", unit="us", of=_name(100), over=_name(1), at_most=1.2),
            Row(what="an event to one of 10,000", number="cpu", unit="us", of=_name(10_000), over=_name(1)),
            Row(what="an event through 100 filters", number="cpu", unit="us", of=FILTERS, over=_name(1)),
        ],
    )
]
