"""Lines of a picture: a long conversation is cut where a turn begins, as music is cut where a bar begins."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from .axis import Axis, Pause, Stretch
from .items import Item
from .palette import LANES, Lane
from .turns import TurnTiming

__all__ = ["Line", "Page", "fitted", "lanes_of", "page_of"]


class Page(msgspec.Struct, frozen=True):
    """The part of a conversation that is drawn."""

    turns: tuple[TurnTiming, ...]
    items: tuple[Item, ...]
    offset: int
    """How many turns come before it."""
    total: int
    """How many there are in all."""
    began: float
    """When the conversation did: its seconds are counted from there."""

    @property
    def is_whole(self) -> bool:
        """Whether it has all the turns."""
        return len(self.turns) == self.total

    @property
    def rows(self) -> list[list[Item]]:
        """What a row for each turn shows: all but the message itself, where the row begins, and what is no turn's."""
        rows: list[list[Item]] = [[] for _ in self.turns]
        for item in self.items:
            if item.turn >= self.offset and item.kind not in ("end", "mounted", "user"):
                rows[item.turn - self.offset].append(item)
        return rows

    @property
    def numbers(self) -> str:
        """Which turns it has, in words."""
        if self.is_whole:
            return f"{self.total:,} turn{'' if self.total == 1 else 's'}"
        return f"turns {self.offset + 1:,} to {self.offset + len(self.turns):,} of {self.total:,}"


def page_of(turns: tuple[TurnTiming, ...], items: tuple[Item, ...], first: int, limit: int) -> Page:
    """*limit* turns from the *first*, counted from 1, with what belongs to them."""
    began = items[0].start if items else 0.0
    begin, end = first - 1, first - 1 + limit
    if begin == 0 and end >= len(turns):
        return Page(turns, items, 0, len(turns), began)
    kept = tuple(item for item in items if begin <= item.turn < end or (begin == 0 and item.turn < 0))
    return Page(turns[begin:end], kept, begin, len(turns), began)


class Line(msgspec.Struct, frozen=True):
    """One line of a picture: what happens from *start* to before *end*, and in the last line also then."""

    start: float
    end: float
    items: tuple[Item, ...]
    pauses: tuple[Pause, ...]
    axis: Axis

    def place(self, moment: float) -> float:
        """Where *moment* lies, from the line's beginning; what lies beyond an end lies at that end."""
        return self.axis.place(min(max(moment, self.start), self.end)) - self.axis.place(self.start)

    @property
    def width(self) -> float:
        """From its first moment to its last."""
        return self.place(self.end)


def fitted(page: Page, width: float, stretches: Sequence[Callable[[], Stretch]]) -> tuple[Line, ...]:
    """The lines of *page*, *width* wide at most: as few as can be, by the first of *stretches* that makes so few."""
    moments = [turn.added_at for turn in page.turns]
    return min((_lines(page, Axis(page.items, stretch(), also=moments), width) for stretch in stretches), key=len)


def _lines(page: Page, axis: Axis, width: float) -> tuple[Line, ...]:
    if not axis.moments:
        return ()
    last = axis.moments[-1]
    cuts = _cuts(page.turns)
    items, pauses = deque(page.items), deque(axis.pauses)
    under_way: list[Item] = []  # bars that reach into the next line
    lines: list[Line] = []
    start = axis.moments[0]
    while True:
        reach = axis.reach(start, width)
        end = last if reach >= last else _cut(axis, cuts, start, reach)
        is_last = end >= last
        mine = under_way
        while items and (items[0].start < end or is_last):
            mine.append(items.popleft())
        cut: list[Pause] = []
        while pauses and pauses[0].end <= end:
            cut.append(pauses.popleft())
        lines.append(Line(start, end, tuple(mine), tuple(cut), axis))
        if is_last:
            return tuple(lines)
        under_way = [item for item in mine if item.end > end]
        start = end


def _cuts(turns: Sequence[TurnTiming]) -> tuple[Sequence[float], Sequence[float]]:
    """Where a line may end: best before a turn that cut none short, else before any."""
    together = {turn.by for turn in turns if turn.by is not None}
    every = sorted({turn.added_at for turn in turns})
    return sorted({turn.added_at for turn in turns if turn.user_message_id not in together}), every


def _cut(axis: Axis, cuts: Sequence[Sequence[float]], start: float, reach: float) -> float:
    for moments in cuts:
        index = bisect_right(moments, reach) - 1
        if index >= 0 and moments[index] > start and axis.place(moments[index]) > axis.place(start):
            return moments[index]
    if axis.place(reach) > axis.place(start):
        return reach
    return axis.moments[bisect_right(axis.moments, reach)]  # a single stretch that is wider than a line


def lanes_of(page: Page) -> tuple[Lane, ...]:
    """The lanes that a picture of *page* needs: those of a turn up to its link, and those in which something is."""
    used = {item.lane for item in page.items}
    return tuple(lane for place, lane in enumerate(LANES) if place < 5 or lane in used)
