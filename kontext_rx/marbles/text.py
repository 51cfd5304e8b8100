"""Marbles in text, for terminals and tests."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from .axis import Stretch
from .items import Item
from .layout import Line, Page, fitted, lanes_of
from .palette import LOOKS, Kind, Lane
from .ticks import Ticks
from .words import EMPTY, clean, clock, legend, outcome_of, outcomes, ruler, shortened, summary

__all__ = ["MARGIN", "lanes_text", "turns_text"]

MARGIN: Final = 10
"""Columns before the diagram, for the lanes' names."""

DENSITIES: Final = (4.0, 3.0, 2.0, 1.5)
"""Columns for each weight of the axis, widest first: a debounce is three columns, or one."""


def lanes_text(page: Page, width: int) -> str:
    """A row for each lane, in lines of *width* columns."""
    if not page.items:
        return EMPTY
    began = page.began
    room = width - MARGIN - 1
    lines = fitted(page, room, [lambda density=density: _columns(density) for density in DENSITIES])
    lanes = lanes_of(page)
    blocks = ["\n".join(_drawn(line, lanes, page, began, room)) for line in lines]
    return "\n".join((_head(page, began, width), "", "\n\n".join(blocks), "", _legend(legend(page.items), width)))


def turns_text(page: Page, width: int) -> str:
    """A row for each turn, from its user message on."""
    if not page.turns:
        return EMPTY
    began = page.began
    digits = len(str(page.turns[-1].number))
    names = min(12, max(len(clean(turn.user_message_id)) for turn in page.turns))
    said = 22
    room = width - digits - names - said - 5
    ticks = Ticks(page, room - 1)
    left = " " * (digits + names + 3)
    rows = [(left + _ticked(ticks, room)).rstrip()]
    owned = [sorted(row, key=lambda item: _LAYERS.index(item.lane)) for row in page.rows]
    for place, turn in enumerate(page.turns):
        row = [" "] * room
        for item in owned[place]:
            _draw(
                row, item, round(ticks.place(item.start - turn.added_at)), round(ticks.place(item.end - turn.added_at))
            )
        name = shortened(turn.user_message_id, names)
        rows.append(f"{turn.number:>{digits}} {name}  {''.join(row)}  {outcome_of(turn)}".rstrip())
    drawn = [item for row in owned for item in row]
    return "\n".join((_head(page, began, width), "", *rows, "", _legend(legend(drawn), width)))


def _columns(density: float) -> Stretch:
    return lambda weight: max(1, round(weight * density))


def _head(page: Page, began: float, width: int) -> str:
    counted = ", ".join(f"{count:,} {LOOKS[kind].word}" for kind, count in outcomes(page.turns))
    lines = [" · ".join(filter(None, (page.numbers, f"from {clock(began)}", counted))), summary(page.turns)]
    return "\n".join(textwrap.fill(line, width) for line in lines if line)


def _legend(kinds: Sequence[Kind], width: int) -> str:
    lines, line = list[str](), ""
    for kind in kinds:
        entry = f"{LOOKS[kind].glyph} {LOOKS[kind].word}"
        if line and len(line) + 3 + len(entry) > width:
            lines.append(line)
            line = ""
        line = f"{line}   {entry}" if line else entry
    return "\n".join((*lines, line)).rstrip()


# --- lanes ---


def _drawn(line: Line, lanes: Sequence[Lane], page: Page, began: float, room: int) -> list[str]:
    rows = {lane: [" "] * (room + 1) for lane in lanes}
    width = round(line.width)
    for column in range(width + 1):
        rows["user"][column] = "─"
    for pause in line.pauses:
        middle = (round(line.place(pause.start)) + round(line.place(pause.end))) // 2
        _write(rows["user"], middle, "//", over="─")
    bars = [item for item in line.items if item.is_bar]
    marks = [item for item in line.items if not item.is_bar]
    for item in (*bars, *marks):
        _draw(rows[item.lane], item, round(line.place(item.start)), round(line.place(item.end)), line)
    for item in (*bars, *marks):
        if item.lane != "user" and item.label and item.end <= line.end:
            _beside(rows[item.lane], round(line.place(item.end)) + 1, item.label)
    for column, several in _crowds(line).items():
        rows["user"][column] = str(several) if several < 10 else "+"
    names = [f"{lane:<{MARGIN}}{''.join(rows[lane]).rstrip()}".rstrip() for lane in lanes]
    return [f"{'':<{MARGIN}}{_turn_numbers(line, page, began, room)}".rstrip(), *names]


def _turn_numbers(line: Line, page: Page, began: float, room: int) -> str:
    """Above the first lane: the number and time of each turn, and how long each pause is."""
    row = [" "] * (room + 1)
    groups: list[tuple[int, list[Item]]] = []  # what is too close for labels of its own
    for item in line.items:
        if item.kind == "user":
            column = round(line.place(item.start))
            if groups and column - groups[-1][0] < 3:
                groups[-1][1].append(item)
            else:
                groups.append((column, [item]))
    for (column, items), following in zip(groups, [*(column for column, _ in groups[1:]), room + 1], strict=False):
        numbers = [page.turns[item.turn - page.offset].number for item in items]
        which = f"#{numbers[0]}" if len(items) == 1 else f"#{numbers[0]}-{numbers[-1]}"
        for label in (f"{which} {ruler(items[0].start, began)}", which):
            if column + len(label) < following and _beside(row, column, label, gap=0):
                break
    for pause in line.pauses:
        left, right = round(line.place(pause.start)), round(line.place(pause.end))
        _beside(row, max(left, (left + right - len(pause.label)) // 2 + 1), pause.label, gap=0)
    return "".join(row)


def _crowds(line: Line) -> dict[int, int]:
    """Columns with more than one user message, and how many."""
    crowds: dict[int, int] = {}
    for item in line.items:
        if item.kind == "user":
            column = round(line.place(item.start))
            crowds[column] = crowds.get(column, 0) + 1
    return {column: several for column, several in crowds.items() if several > 1}


def _draw(row: list[str], item: Item, left: int, right: int, line: Line | None = None) -> None:
    look = LOOKS[item.kind]
    if item.is_bar:
        for column in range(left, right):
            if row[column] == " ":  # where one ends and the next begins the end counts
                row[column] = look.body
        starts = right > left and (line is None or item.start >= line.start) and item.lane in ("debounce", "request")
        if starts and row[left] == look.body:
            row[left] = "├"
    if line is None or item.end <= line.end:
        row[right] = look.glyph


def _write(row: list[str], column: int, text: str, over: str) -> None:
    for place, char in enumerate(text, column):
        if place < len(row) and row[place] == over:
            row[place] = char


def _beside(row: list[str], column: int, label: str, *, gap: int = 1) -> bool:
    """*label* at *column*, a *gap* before it and one column after it, if there is room."""
    start = column + gap
    end = start + len(label)
    if end > len(row) or any(char != " " for char in row[max(column - (1 - gap), 0) : end + 1]):
        return False
    row[start:end] = label
    return True


# --- turns ---


_LAYERS: Final = ("link", "user", "debounce", "request", "reply", "render", "view", "click", "video")
"""What is drawn over what in a single row."""


def _ticked(ticks: Ticks, room: int) -> str:
    row = [" "] * (room + 8)
    for at, label in ticks.labels:
        _beside(row, round(ticks.place(at)), label, gap=0)
    return "".join(row)
