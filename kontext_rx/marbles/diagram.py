"""A conversation as a picture: in text, as SVG, as an Altair chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import msgspec

from kontext_rx.errors import InvalidOptionError

from .items import Item, items_of
from .layout import Page, page_of
from .source import Source, traces_of
from .text import lanes_text, turns_text
from .turns import TurnTiming, turns_of

if TYPE_CHECKING:
    import altair as alt

__all__ = ["Diagram", "View", "marbles"]

View: TypeAlias = Literal["auto", "lanes", "turns"]

MANY_TURNS: Final = 12
"""Turns from which on a row for each is the better picture. Source: ours, by looking."""

LIMITS: Final = {"lanes": 100, "turns": 1000}
"""Turns in one picture unless it is told otherwise. Source: ours; an SVG stays under 3 MB."""

LEAST_WIDTH: Final = 60
"""Columns without which nothing can be read."""


class Diagram(msgspec.Struct, frozen=True):
    """
    What happened in a conversation, to look at. The same happenings give the same pictures, byte for byte.

    There are two views. `lanes` is the marble diagram: a row for each kind of thing, time from left to right. Each
    stretch between two moments gets room by its logarithm and a person's pause is cut and marked, so a debounce of
    10 ms and half a minute of reading go into one picture. `turns` has a row for each turn, all on one logarithmic axis
    that begins at the user message, so hundreds can be compared. `auto` is `lanes` for up to twelve turns.

    A picture has at most *limit* turns from turn *first* on, by default 100 in `lanes` and 1,000 in `turns`, and says
    which of how many.
    """

    turns: tuple[TurnTiming, ...]
    items: tuple[Item, ...]
    """All that there is to draw."""

    def text(self, *, width: int = 100, view: View = "auto", first: int = 1, limit: int | None = None) -> str:
        """
        The picture in characters, in lines of at most *width* columns.

        Raises `InvalidOptionError` for a width under 60, and for a view, a *first* or a *limit* that there is not.
        """
        if isinstance(width, bool) or not isinstance(width, int) or width < LEAST_WIDTH:
            raise InvalidOptionError("width", width, f"give {LEAST_WIDTH} columns or more")
        shown, page = self._page(view, first, limit)
        return lanes_text(page, width) if shown == "lanes" else turns_text(page, width)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Diagram {len(self.turns)} turns>"

    def svg(
        self,
        theme: Literal["auto", "light", "dark"] = "auto",
        *,
        view: View = "auto",
        first: int = 1,
        limit: int | None = None,
    ) -> str:
        """
        The picture as SVG: one element that needs nothing else, with tooltips. `auto` follows the reader's settings.

        Raises `InvalidOptionError` as `text` does.
        """
        from .svg import lanes_svg, turns_svg

        if theme not in ("auto", "light", "dark"):
            raise InvalidOptionError("theme", theme, "give 'auto', 'light' or 'dark'")
        shown, page = self._page(view, first, limit)
        return lanes_svg(page, theme) if shown == "lanes" else turns_svg(page, theme)

    def chart(
        self,
        theme: Literal["auto", "light", "dark"] = "auto",
        *,
        view: View = "auto",
        first: int = 1,
        limit: int | None = None,
    ) -> alt.LayerChart | alt.VConcatChart:
        """
        The picture as an Altair chart: drag and scroll to zoom, point to read.

        Of many turns `lanes` shows a few, with a strip of all of them below to choose from; so it is what `auto` gives,
        for up to 1,000 turns. The theme `auto` is readable on light paper and on dark.

        Raises `InvalidOptionError` as `text` does, and `ImportError` without Altair.
        """
        from .chart import lanes_chart, turns_chart

        if theme not in ("auto", "light", "dark"):
            raise InvalidOptionError("theme", theme, "give 'auto', 'light' or 'dark'")
        shown, page = self._page("lanes" if view == "auto" else view, first, limit or LIMITS["turns"])
        return lanes_chart(page, theme) if shown == "lanes" else turns_chart(page, theme)

    # For notebooks. Not as HTML: where a notebook is not trusted yet, an SVG in HTML is reduced to its words.

    def _repr_svg_(self) -> str:
        # Notebooks make an image of it, which is cut off where its own width is more than the cell's.
        return re.sub(r' width="\d+" height="\d+"', ' width="100%"', self.svg(), count=1)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("..." if cycle else self.text())

    def _page(self, view: View, first: int, limit: int | None) -> tuple[Literal["lanes", "turns"], Page]:
        if view not in ("auto", "lanes", "turns"):
            raise InvalidOptionError("view", view, "give 'auto', 'lanes' or 'turns'")
        for name, value in (("first", first), ("limit", limit)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidOptionError(name, value, "give a number of turns, 1 or more")
        if first > max(len(self.turns), 1):
            raise InvalidOptionError("first", first, f"there are {len(self.turns)} turns")
        shown = view
        if view == "auto":
            count = min(len(self.turns) - first + 1, limit or len(self.turns))
            shown = "turns" if count > MANY_TURNS else "lanes"
        return cast("Any", shown), page_of(self.turns, self.items, first, limit or LIMITS[shown])


def marbles(source: Source) -> Diagram:
    """
    What happened in *source*, as a picture: a session, a recording, or any traces.

        print(marbles(session))
        marbles(session).chart()

    A session remembers the last sixty messages; a recording remembers all. Raises `TypeError` for anything else.
    """
    traces = traces_of(source)
    turns = turns_of(traces)
    return Diagram(turns, items_of(traces, turns))
