"""The axis that turns share: seconds since the user message, each power of ten as wide as the next."""

from __future__ import annotations

from typing import Final

from .axis import stretched
from .layout import Page

__all__ = ["TICKS", "Ticks"]

TICKS: Final = (
    (0.0, "0"),
    (0.01, "10 ms"),
    (0.1, "100 ms"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3600.0, "1 h"),
    (36000.0, "10 h"),
)
"""Seconds and how they are written."""


class Ticks:
    """Seconds since a turn's user message, in *width*: all that *page* has finds room."""

    def __init__(self, page: Page, width: float) -> None:
        added = [turn.added_at for turn in page.turns]
        owned = (item for item in page.items if item.turn >= page.offset and item.kind not in ("end", "dropped"))
        self.longest = max((item.end - added[item.turn - page.offset] for item in owned), default=0.0)
        self.longest = max(self.longest, 1.0)
        self._scale = width / stretched(self.longest)

    def place(self, since_s: float) -> float:
        """Where *since_s* seconds after the user message lie; bids that go long afterwards lie at the end."""
        return stretched(min(since_s, self.longest)) * self._scale

    @property
    def labels(self) -> list[tuple[float, str]]:
        """The ticks that there is room for."""
        return [(at, label) for at, label in TICKS if at <= self.longest]
