"""The time axis: a debounce of 10 ms and a pause of half a minute in one picture."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from kontext_rx.preload import DEBOUNCE_S

from .items import Item, rounded, span

__all__ = ["Axis", "Pause", "Stretch", "stretched"]

PAUSE_S: Final = 2.0
"""Seconds without a debounce or a request after which time is cut. Source: ours, a person who reads or types."""

PAUSE_WEIGHT: Final = 2.4
"""How wide a cut is drawn: a little less than 100 ms. Source: ours."""

SAME_S: Final = 0.0005
"""Moments this close are drawn as one. Source: ours, half of the least that the picture tells."""

Stretch = Callable[[float], float]
"""The width of a weight."""


def stretched(span_s: float) -> float:
    """
    How much room *span_s* seconds deserve: in proportion up to a debounce or so, then ever less.

    Ten milliseconds are 0.7, a hundred 2.4, a second 4.6, ten seconds 6.9.
    """
    return math.log1p(max(span_s, 0.0) / DEBOUNCE_S)


class Pause(msgspec.Struct, frozen=True):
    """A piece of time that was cut out, between two moments."""

    start: float
    end: float

    @property
    def label(self) -> str:
        """How long it is, in few characters."""
        return rounded(span(self.start, self.end))


class Axis:
    """
    Where moments lie. Between two neighbours lies their distance, `stretched`; a pause is cut to one width.

    *wide* makes a width of a weight: characters, pixels.
    """

    __slots__ = ("_moments", "_places", "pauses")

    def __init__(self, items: Iterable[Item], wide: Stretch, *, also: Sequence[float] = ()) -> None:
        items = tuple(items)
        moments = sorted({*also, *(item.start for item in items), *(item.end for item in items)})
        busy = _joined((item.start, item.end) for item in items if item.lane in ("debounce", "request"))
        begins = [start for start, _ in busy]
        self._moments = moments
        self._places = [0.0] * len(moments)
        self.pauses: list[Pause] = []
        for index, (start, end) in enumerate(pairwise(moments), 1):
            before = bisect_right(begins, start) - 1
            idle = before < 0 or busy[before][1] <= start
            if idle and end - start > PAUSE_S:
                self.pauses.append(Pause(start, end))
                width = wide(PAUSE_WEIGHT)
            else:
                width = 0.0 if span(start, end) < SAME_S else wide(stretched(end - start))
            self._places[index] = self._places[index - 1] + width

    @property
    def moments(self) -> Sequence[float]:
        """The moments that it knows, in order."""
        return self._moments

    @property
    def width(self) -> float:
        """From the first moment to the last."""
        return self._places[-1] if self._places else 0.0

    def place(self, moment: float) -> float:
        """Where one of its moments lies, from 0."""
        return self._places[bisect_left(self._moments, moment)]

    def reach(self, start: float, width: float) -> float:
        """The last moment that lies at most *width* after *start*."""
        return self._moments[bisect_right(self._places, self.place(start) + width) - 1]


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same time, in pieces that do not touch."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
