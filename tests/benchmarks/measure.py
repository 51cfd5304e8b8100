"""How things are measured: in several ways, in turn, round after round."""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from processes import Server, started
from sides import ByHand, Ours, conversations

OURS: Final = "ours"
BY_HAND: Final = "hand-written"
BARE: Final = "bare"

NS: Final = 1e9
US: Final = 1e6


class Bench(NamedTuple):
    """What a measurement is given."""

    server: Server
    quick: bool
    round: int

    def size(self, whole: int, quick: int) -> int:
        """How much to measure."""
        return quick if self.quick else whole


Measure = Callable[[Bench], dict[str, float]]
"""One measurement of one kind: its numbers by name."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table: a number of one kind, as a ratio to another kind's where there is one, and the goal."""

    what: str
    number: str
    unit: str
    of: str = OURS
    over: str | None = BY_HAND
    at_most: float | None = None
    """The goal, for the ratio where there is one, else for the number."""
    at_least: float | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is measured, in several ways."""

    name: str
    kinds: Mapping[str, Measure]
    rows: Sequence[Row]
    rounds: int | None = None
    """How often; as often as everything when None."""


class SkippedError(Exception):
    """It cannot be measured here: a few words say why."""


def run(work: Coroutine[Any, Any, dict[str, float]], loop: Callable[[], Any] | None = None) -> dict[str, float]:
    """Run *work* on a loop of its own, which *loop* makes."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)


async def cpu(work: Callable[[], Awaitable[Any]]) -> float:
    """Seconds of this process's CPU, all threads and garbage collections included."""
    gc.collect()
    before = time.process_time()
    await work()
    return time.process_time() - before


def percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """The 50th and the 99th."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"{name}_p50": cuts[49], f"{name}_p99": cuts[98]}


class Results(msgspec.Struct):
    """What a run came to, by cell and kind."""

    numbers: dict[str, dict[str, list[dict[str, float]]]]
    """Of each round; empty for a round that failed."""
    skipped: dict[str, dict[str, str]]
    """Why a kind has no numbers."""
    failed: list[str] = []
    """A sentence for each measurement that failed."""


def compare(cells: Sequence[Cell], *, rounds: int, quick: bool) -> Results:
    """Measure every kind of every cell in turn, round after round: what the machine does meanwhile hits all alike."""
    results = Results(
        numbers={cell.name: {kind: [] for kind in cell.kinds} for cell in cells},
        skipped={cell.name: {} for cell in cells},
    )
    rounds_of = {cell.name: cell.rounds or rounds for cell in cells}
    with started() as server:
        run(_warm_up(server))
        for number in range(max(rounds_of.values(), default=0)):
            for cell in cells:
                if number < rounds_of[cell.name]:
                    _round(cell, Bench(server, quick, number), results)
    print(" " * 79, end="\r", file=sys.stderr)
    return results


def _round(cell: Cell, bench: Bench, results: Results) -> None:
    skipped, kinds = results.skipped[cell.name], list(cell.kinds)
    first = bench.round % len(kinds)  # each is the first in its turn
    for kind in kinds[first:] + kinds[:first]:
        where = f"round {bench.round + 1}, {cell.name}, {kind}"
        print(where.ljust(79), end="\r", file=sys.stderr, flush=True)
        found: dict[str, float] = {}
        try:
            if kind not in skipped:
                found = cell.kinds[kind](bench)
        except SkippedError as why:
            skipped[kind] = str(why)
        except Exception as error:  # the rest is still worth its time
            results.failed.append(f"{where}: {type(error).__name__}: {error}")
        results.numbers[cell.name][kind].append(found)


async def _warm_up(server: Server) -> dict[str, float]:
    """What is imported late is imported, and the interpreter has specialized what it runs often."""
    for side in (Ours, ByHand):
        async with conversations(side, server.fast, 10) as talks:
            await asyncio.gather(*(talk.converse(20) for talk in talks))
    return {}


def arguments(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every one of these commands has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=rounds)
    return options
