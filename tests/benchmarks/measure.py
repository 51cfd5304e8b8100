"""How measurements are taken, compared and shown: interleaved, as medians with their spread, beside their goals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from server import Server, started
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


class Spread(msgspec.Struct, frozen=True):
    """A median, and how far the rounds were apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{_short(self.median)} [{_short(self.least)}, {_short(self.most)}]"


# --- measuring ------------------------------------------------------------------------------------------------------


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


# --- comparing ------------------------------------------------------------------------------------------------------

Numbers = dict[str, dict[str, dict[str, list[float]]]]
"""By cell, kind and name: a number for each round."""


class Results(msgspec.Struct):
    """What a run came to."""

    numbers: Numbers
    skipped: dict[str, dict[str, str]]
    """Why a kind of a cell has no numbers."""
    failed: bool = False


def compare(cells: Sequence[Cell], *, rounds: int, quick: bool) -> Results:
    """Measure every kind of every cell in turn, round after round: what the machine does meanwhile hits all alike."""
    results = Results({cell.name: {kind: {} for kind in cell.kinds} for cell in cells}, {})
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
    skipped = results.skipped.setdefault(cell.name, {})
    kinds = list(cell.kinds)
    first = bench.round % len(kinds)  # each is the first in its turn
    for kind in kinds[first:] + kinds[:first]:
        if kind in skipped:
            continue
        print(f"round {bench.round + 1}, {cell.name}, {kind}".ljust(79), end="\r", file=sys.stderr, flush=True)
        try:
            found = cell.kinds[kind](bench)
        except SkippedError as why:
            skipped[kind] = str(why)
        except Exception as error:  # the other cells are still worth their time
            skipped[kind] = f"failed: {type(error).__name__}: {error}"
            results.failed = True
        else:
            for name, value in found.items():
                results.numbers[cell.name][kind].setdefault(name, []).append(value)


async def _warm_up(server: Server) -> dict[str, float]:
    """What is imported late is imported, and the interpreter has specialized what it runs often."""
    for side in (Ours, ByHand):
        async with conversations(side, server.fast, 10) as talks:
            await asyncio.gather(*(talk.converse(20) for talk in talks))
    return {}


# --- showing --------------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row with its numbers."""

    cell: str
    what: str
    unit: str
    of: str
    measured: Spread | None = None
    over: str | None = None
    beside: Spread | None = None
    ratio: Spread | None = None
    at_most: float | None = None
    at_least: float | None = None
    met: bool | None = None
    """Whether the median reaches the goal; None where there is none."""
    skipped: str | None = None


def lines(cells: Sequence[Cell], results: Results) -> list[Line]:
    """The table's."""
    return [_line(cell, row, results) for cell in cells for row in cell.rows]


def _line(cell: Cell, row: Row, results: Results) -> Line:
    facts = {name: getattr(row, name) for name in ("what", "unit", "of", "over", "at_most", "at_least")}
    kinds, skipped = results.numbers[cell.name], results.skipped.get(cell.name, {})
    why = next((skipped[kind] for kind in (row.of, row.over) if kind in skipped), None)
    if why is not None:
        return Line(cell=cell.name, **facts, skipped=why)
    of = kinds[row.of][row.number]
    over = None if row.over is None else kinds[row.over][row.number]
    ratio = None if over is None else Spread.of([one / other for one, other in zip(of, over, strict=True)])
    judged = (ratio or Spread.of(of)).median
    goals = [judged <= row.at_most] if row.at_most is not None else []
    goals += [judged >= row.at_least] if row.at_least is not None else []
    return Line(
        cell=cell.name,
        **facts,
        measured=Spread.of(of),
        beside=None if over is None else Spread.of(over),
        ratio=ratio,
        met=all(goals) if goals else None,
    )


def table(found: Sequence[Line]) -> str:
    """For a terminal: a line a row, a block a cell."""
    heading = ("", "", "measured", "beside", "ratio", "goal", "met")
    texts = [heading, *map(_texts, found)]
    widths = [
        max(map(len, column)) for column in zip(*(text for text in texts if len(text) == len(heading)), strict=True)
    ]
    shown: list[str] = []
    last = None
    for line, text in zip([None, *found], texts, strict=True):
        if line is not None and line.cell != last:
            last = line.cell
            shown.append(f"--- {last}")
        shown.append("  ".join(part.ljust(width) for part, width in zip(text, widths, strict=False)).rstrip())
    return "\n".join(shown)


def _texts(line: Line) -> tuple[str, ...]:
    if line.measured is None:
        return line.what, line.unit, f"skipped: {line.skipped}"
    return (
        line.what,
        line.unit,
        f"{'' if line.of == OURS else line.of + ' '}{line.measured}",
        "" if line.beside is None else f"{line.over} {line.beside}",
        "" if line.ratio is None else str(line.ratio),
        f"<= {line.at_most:g}" if line.at_most is not None else f">= {line.at_least:g}" if line.at_least else "",
        "" if line.met is None else "yes" if line.met else "NO",
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ("aiohttp", "msgspec", "reactivex", "uvloop")
    known = {name: _version(name) for name in packages}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        **known,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def arguments(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every one of these commands has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=rounds)
    return options


def as_json(cells: Sequence[Cell], results: Results) -> str:
    """Everything: the machine, the table, and the number of each round."""
    whole = {"machine": machine(), "table": lines(cells, results), "numbers": results.numbers}
    return json.dumps(msgspec.to_builtins(whole), indent=1)


def show(cells: Sequence[Cell], results: Results, file: Path | None = None) -> int:
    """Print the table, write the JSON; gives the exit status, which is not zero when something could not run."""
    found = lines(cells, results)
    judged = [line for line in found if line.met is not None]
    print(table(found))
    print(f"{sum(line.met is True for line in judged)} of {len(judged)} goals are met")
    if file is not None:
        file.write_text(as_json(cells, results))
    return int(results.failed)
