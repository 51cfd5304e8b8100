"""What came of measurements: medians and ratios with their spread, beside their goals, for people and as JSON."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from measure import OURS, Cell, Results, Row


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
    rounds, skipped = results.numbers[cell.name], results.skipped[cell.name]
    needed = [row.of] if row.over is None else [row.of, row.over]
    # Only of the rounds in which all went well: a ratio is one of the same round.
    whole = [found for found in zip(*(rounds[kind] for kind in needed), strict=True) if all(found)]
    if not whole:
        why = next((skipped[kind] for kind in needed if kind in skipped), "it failed in every round")
        return Line(cell=cell.name, **facts, skipped=why)
    of, *over = zip(*([numbers[row.number] for numbers in found] for found in whole), strict=True)
    ratio = Spread.of([one / other for one, other in zip(of, over[0], strict=True)]) if over else None
    judged = (ratio or Spread.of(of)).median
    goals = [judged <= row.at_most] if row.at_most is not None else []
    goals += [judged >= row.at_least] if row.at_least is not None else []
    return Line(
        cell=cell.name,
        **facts,
        measured=Spread.of(of),
        beside=Spread.of(over[0]) if over else None,
        ratio=ratio,
        met=all(goals) if goals else None,
    )


def table(found: Sequence[Line]) -> str:
    """For a terminal: a line a row, a block a cell."""
    heading = ("", "", "measured", "beside", "ratio", "goal", "met")
    texts = [heading, *map(_texts, found)]
    whole = [text for text in texts if len(text) == len(heading)]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
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
        _goal(line),
        "" if line.met is None else "yes" if line.met else "NO",
    )


def _goal(line: Line) -> str:
    least, most = line.at_least, line.at_most
    if least is None:
        return "" if most is None else f"<= {most:g}"
    return f"= {most:g}" if least == most else f">= {least:g}"


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


def as_json(cells: Sequence[Cell], results: Results) -> str:
    """Everything: the machine, the table, and the number of each round."""
    whole = {
        "machine": machine(),
        "table": lines(cells, results),
        "numbers": results.numbers,
        "failed": results.failed,
    }
    return msgspec.json.format(msgspec.json.encode(whole)).decode()


def show(cells: Sequence[Cell], results: Results, file: Path | None = None) -> int:
    """Print the table, write the JSON; gives the exit status, which is not zero when something could not run."""
    found = lines(cells, results)
    judged = [line for line in found if line.met is not None]
    print(table(found))
    print(f"{sum(line.met is True for line in judged)} of {len(judged)} goals are met")
    for one in results.failed:
        print(f"failed: {one}")
    if file is not None:
        file.write_text(as_json(cells, results))
    return int(bool(results.failed))
