"""
What a turn costs: kontext_rx beside a hand-written asyncio session and a bare POST, interleaved in one run.

    python tests/benchmarks/turns.py [--sessions 10,64,1000] [--turns 4000] [--rounds 5] [--json]

The server has a process of its own. CPU is this process's, garbage collection included; a turn is a user message, its
preload, its event and a reply. Medians of the rounds, with the spread in brackets. At 10 sessions the loop mostly
waits, at 64 it never does: what a turn costs there is also how many turns a core can do.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Any, Final

from measure import BARE, BY_HAND, OURS, US, Bench, Cell, Measure, Row, SkippedError, arguments, compare, cpu, run
from sides import Bare, ByHand, Ours, Pool, conversations
from table import as_json, show

ON_UVLOOP: Final = "ours on uvloop"
GOALS: Final = {10: 1.05, 64: 1.00, 1000: 1.00}
OVER_BARE: Final = 1.20
UVLOOP: Final = 0.85


async def _sessions(side: type[Pool], server: str, count: int, turns: int) -> dict[str, float]:
    async with conversations(side, server, count) as talks:
        await asyncio.gather(*(talk.converse(1) for talk in talks))  # the connections are there
        spent = await cpu(lambda: asyncio.gather(*(talk.converse(turns) for talk in talks)))
        return _numbers(spent, count * turns)


async def _bare(server: str, count: int, turns: int) -> dict[str, float]:
    async with Bare.over(server) as bare:
        await asyncio.gather(*(bare.converse(1) for _ in range(count)))
        spent = await cpu(lambda: asyncio.gather(*(bare.converse(turns) for _ in range(count))))
        return _numbers(spent, count * turns)


def _numbers(spent: float, turns: int) -> dict[str, float]:
    return {"cpu": spent / turns * US, "turns": turns / spent}


def _uvloop() -> Callable[[], Any]:
    if importlib.util.find_spec("uvloop") is None:
        raise SkippedError("uvloop is not installed")
    return importlib.import_module("uvloop").new_event_loop


def cell(sessions: int, turns: int | None = None) -> Cell:
    """Turns in so many sessions at once; *turns* over all of them."""

    def each(bench: Bench) -> int:
        return max(3, (turns or bench.size(4000, 2000)) // sessions)

    def of(side: type[Pool]) -> Measure:
        return lambda bench: run(_sessions(side, bench.server.fast, sessions, each(bench)))

    at = f"CPU a turn, {sessions:,} sessions"
    return Cell(
        name=f"turns-{sessions}",
        kinds={
            OURS: of(Ours),
            BY_HAND: of(ByHand),
            BARE: lambda bench: run(_bare(bench.server.fast, sessions, each(bench))),
            ON_UVLOOP: lambda bench: run(_sessions(Ours, bench.server.fast, sessions, each(bench)), _uvloop()),
        },
        rows=[
            Row(what=at, number="cpu", unit="us", at_most=GOALS.get(sessions)),
            Row(what=at, number="cpu", unit="us", over=BARE, at_most=OVER_BARE),
            Row(what=at, number="cpu", unit="us", of=BY_HAND, over=BARE),
            Row(what=at, number="cpu", unit="us", of=ON_UVLOOP, over=OURS, at_most=UVLOOP),
            Row(what="turns a second of a core", number="turns", unit="1/s"),
        ],
    )


CELLS: Final = [cell(sessions) for sessions in GOALS]


def main() -> None:
    options = arguments(__doc__)
    options.add_argument("--sessions", default="10,64,1000")
    options.add_argument("--turns", type=int, default=4000, help="turns of each measurement, over all sessions")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    cells = [cell(int(sessions), given.turns) for sessions in given.sessions.split(",")]
    results = compare(cells, rounds=given.rounds, quick=False)
    if given.json:
        print(as_json(cells, results))
    else:
        raise SystemExit(show(cells, results))


if __name__ == "__main__":
    main()
