"""Marbles in SVG: one element that needs nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal
from xml.sax.saxutils import escape

from .axis import Pause, Stretch
from .items import Item
from .layout import Line, Page, fitted, lanes_of
from .palette import LOOKS, THEMES, Kind, Lane, Theme
from .shapes import bar, line, mark, num, text
from .ticks import Ticks
from .words import EMPTY, clean, clock, legend, outcome_of, outcomes, ruler, shortened, story, summary

__all__ = ["lanes_svg", "turns_svg"]

WIDTH: Final = 1120.0
"""Pixels, unless it is shown smaller: its height follows. Source: ours, a notebook's cell or a slide."""

EDGE: Final = 28.0
"""Pixels of paper on each side."""

CHAR: Final = 6.3
"""Pixels that a character of a label takes, about, at 11 pixels' height."""

Themed = Literal["auto", "light", "dark"]


def lanes_svg(page: Page, theme: Themed) -> str:
    """A row for each lane, in as many lines as it takes."""
    if not page.items:
        return _empty(theme)
    return _Sheet(page, theme).lanes()


def turns_svg(page: Page, theme: Themed) -> str:
    """A row for each turn, from its user message on."""
    if not page.turns:
        return _empty(theme)
    return _Sheet(page, theme).turns()


# --- lanes ---

LANE: Final = 27.0
"""Pixels from lane to lane."""

NAMES: Final = 84.0
"""Pixels for the lanes' names."""

SCALES: Final = (44.0, 38.0, 33.0, 28.0, 24.0, 21.0, 18.0)
"""Pixels for each weight of the axis, widest first: a debounce is 30 pixels wide, or 12."""


class _Sheet:
    """A picture while it is drawn."""

    def __init__(self, page: Page, theme: Themed) -> None:
        self._page = page
        self._theme: Themed = theme
        self._began = page.began
        seed = repr((theme, page.offset, [(item.kind, item.start, item.message_id) for item in page.items]))
        self._id = f"kxm-{hashlib.blake2b(seed.encode(errors='replace'), digest_size=5).hexdigest()}"
        self._hatch = f"{self._id}-hatch"
        self._drawn: list[str] = []
        self._head()

    def lanes(self) -> str:
        page = self._page
        left, right = EDGE + NAMES, WIDTH - EDGE - 8
        lines = fitted(page, right - left, [lambda scale=scale: _pixels(scale) for scale in SCALES])
        lanes = lanes_of(page)
        top = 96.0
        for one in lines:
            self._line(one, lanes, left, top)
            top += len(lanes) * LANE + 54
        bottom = self._legend(top - 14, {"user", "debounce", "reply", *legend(page.items)})
        return self._document(bottom + 14)

    def _line(self, one: Line, lanes: Sequence[Lane], left: float, top: float) -> None:
        rows = {lane: top + place * LANE for place, lane in enumerate(lanes)}
        foot = top + (len(lanes) - 1) * LANE
        end = left + one.width
        add = self._drawn.append
        starts = {item.start for item in one.items if item.kind == "user"}
        self._drawn += [
            line(left + one.place(at), top, left + one.place(at), foot + 10, "s-line") for at in sorted(starts)
        ]
        for lane, y in rows.items():
            add(text(EDGE, y + 4, lane, "t b" if lane == "user" else "t"))
            add(line(left, y, end, y, "s-line" if lane != "user" else "s-quiet", 1.0))
        for pause in one.pauses:
            self._pause(one, pause, left, top, foot)
        bars = [item for item in one.items if item.is_bar]
        marks = [item for item in one.items if not item.is_bar]
        taken: dict[Lane, list[tuple[float, float]]] = {lane: [] for lane in lanes}
        for item in (*bars, *marks):
            x1, x2 = left + one.place(item.start), left + one.place(item.end)
            self._draw(item, x1, x2, rows[item.lane], 13.0, 5.6)
            taken[item.lane].append((x1 - 6, max(x2, x1) + (14 if item.kind == "error" else 7)))
        for item in (*bars, *marks):
            if item.label and item.kind != "user" and item.end <= one.end:
                self._beside(left + one.place(item.end), rows[item.lane], item, taken[item.lane])
        self._numbers(one, left, top)

    def _pause(self, one: Line, pause: Pause, left: float, top: float, foot: float) -> None:
        middle = left + (one.place(pause.start) + one.place(pause.end)) / 2
        self._drawn.append(
            f'<rect x="{num(middle - 4)}" y="{num(top - 9)}" width="8" height="{num(foot - top + 18)}" class="paper"/>'
        )
        for x in (middle - 4, middle + 4):
            self._drawn.append(line(x - 2.5, top + 6, x + 2.5, top - 6, "s-quiet", 1.2))
        self._drawn.append(text(middle, top - 16, pause.label, "t", "middle"))

    def _numbers(self, one: Line, left: float, top: float) -> None:
        """Above the first lane: which turn begins there, and when. A burst has one label, and a number on its place."""
        places: dict[float, list[Item]] = {}
        for item in one.items:
            if item.kind == "user":
                places.setdefault(one.place(item.start), []).append(item)
        groups: list[tuple[float, list[Item]]] = []
        for place, items in sorted(places.items()):
            if len(items) > 1:
                self._drawn.append(text(left + place, top + 3.2, str(len(items)), "n", "middle"))
            if groups and place - groups[-1][0] < 4 * CHAR:
                groups[-1][1].extend(items)
            else:
                groups.append((place, list(items)))
        for (place, items), following in zip(groups, [*(place for place, _ in groups[1:]), WIDTH], strict=False):
            numbers = [self._page.turns[item.turn - self._page.offset].number for item in items]
            which = f"#{numbers[0]}" if len(numbers) == 1 else f"#{numbers[0]}-{numbers[-1]}"
            when = ruler(items[0].start, self._began)
            shown = f" {when}" if following - place > (len(which) + len(when) + 3) * CHAR else ""
            self._drawn.append(text(left + place - 5, top - 16, f'<tspan class="b">{which}</tspan>{shown}', "t"))

    def _beside(self, x: float, y: float, item: Item, taken: list[tuple[float, float]]) -> None:
        start = x + (16 if item.kind == "error" else 9)
        end = start + len(item.label) * CHAR
        if end < WIDTH - 4 and not any(start < right and left < end for left, right in taken):
            taken.append((start, end))
            self._drawn.append(text(start, y + 4, escape(clean(item.label)), "t over"))

    # --- turns ---

    def turns(self) -> str:
        page = self._page
        count = len(page.turns)
        row = min(22.0, max(5.0, round(1500 / count, 1)))
        roomy = row >= 12
        names = max(len(clean(turn.user_message_id)) for turn in page.turns)
        left, right = (
            EDGE + (56.0 + min(names, 16) * CHAR if roomy else 44.0),
            WIDTH - EDGE - (150.0 if roomy else 10.0),
        )
        ticks = Ticks(page, right - left)
        top, foot = 112.0, 112.0 + row * count
        self._ticks(ticks, left, top - row / 2 - 4, foot - row / 2 + 4)
        owned = page.rows
        for place, turn in enumerate(page.turns):
            y = top + place * row
            if roomy:
                self._drawn.append(text(EDGE + 26, y + 4, str(turn.number), "t b", "end"))
                name = escape(shortened(turn.user_message_id, 16).rstrip())
                self._drawn.append(text(EDGE + 36, y + 4, name, "t"))
                self._drawn.append(text(right + 16, y + 4, outcome_of(turn), "t"))
            elif place == 0 or turn.number % 10 == 0:
                self._drawn.append(text(left - 10, y + 4, str(turn.number), "t", "end"))
            if turn.number % 10 == 1 and place and not roomy:
                self._drawn.append(line(left, y - row / 2, right, y - row / 2, "s-line", 0.6))
            ordered = sorted(owned[place], key=lambda item: not item.is_bar)
            for item in ordered:
                x1 = left + ticks.place(item.start - turn.added_at)
                x2 = left + ticks.place(item.end - turn.added_at)
                self._draw(item, x1, x2, y, min(row * 0.72, 12.0), min(row * 0.36, 4.6))
        bottom = self._legend(foot + 34, {"debounce", *(item.kind for row in owned for item in row)})
        return self._document(bottom + 14)

    def _ticks(self, ticks: Ticks, left: float, top: float, foot: float) -> None:
        for at, label in ticks.labels:
            x = left + ticks.place(at)
            self._drawn.append(line(x, top, x, foot, "s-line"))
            self._drawn.append(text(x, top - 7, label, "t", "middle"))
            if foot - top > 500:
                self._drawn.append(text(x, foot + 14, label, "t", "middle"))

    # --- both ---

    def _draw(self, item: Item, x1: float, x2: float, y: float, height: float, size: float) -> None:
        if not item.is_bar:
            shape = mark(item.kind, x1, y, size)
        elif item.end > item.start or item.lane in ("debounce", "request"):  # a request without a length is still one
            shape = bar(item.kind, x1, x2, y, height, self._hatch)
        else:
            return
        turn = self._page.turns[item.turn - self._page.offset] if item.turn >= self._page.offset else None
        self._drawn.append(f"<g><title>{escape(story(item, turn, self._began))}</title>{shape}</g>")

    def _head(self) -> None:
        page = self._page
        self._drawn.append(text(EDGE, 36, escape(page.numbers[0].upper() + page.numbers[1:]), "h"))
        self._drawn.append(
            text(EDGE, 56, " · ".join(filter(None, (f"from {clock(self._began)}", summary(page.turns)))), "t")
        )
        x = WIDTH - EDGE
        for kind, count in reversed(outcomes(page.turns)):
            label = f"{count:,} {LOOKS[kind].word}"
            x -= len(label) * CHAR + 4
            self._drawn.append(text(x, 35, label, "t"))
            x -= 26
            self._drawn.append(bar(kind, x, x + (10 if kind == "error" else 16), 31, 10, self._hatch))
            x -= 16

    def _legend(self, y: float, kinds: set[Kind]) -> float:
        """What *kinds* look like, from *y* down, and where it ends. Outcomes stand in the head."""
        kinds = kinds - {kind for kind, _ in outcomes(self._page.turns)}
        x = EDGE
        for kind in sorted(kinds, key=list(LOOKS).index):
            word = LOOKS[kind].word
            wide = 34 + len(word) * CHAR
            if x + wide > WIDTH - EDGE:
                x, y = EDGE, y + 22
            if LOOKS[kind].body:
                self._drawn.append(bar(kind, x, x + 16, y, 10, self._hatch))
            else:
                self._drawn.append(mark(kind, x + 8, y, 5.0))
            self._drawn.append(text(x + 24, y + 4, word, "t"))
            x += wide + 10
        return y + 12

    def _document(self, height: float) -> str:
        page = self._page
        counted = ", ".join(f"{count:,} {LOOKS[kind].word}" for kind, count in outcomes(page.turns))
        description = ". ".join(filter(None, (f"From {clock(self._began)}", counted, summary(page.turns))))
        return _svg(self._id, self._theme, height, f"Timing of {page.numbers}", description, self._drawn, self._hatch)


def _pixels(scale: float) -> Stretch:
    return lambda weight: max(3.0, round(weight * scale, 2))


# --- the document ---

FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def _empty(theme: Themed) -> str:
    drawn = [text(EDGE, 36, "No turns", "h"), text(EDGE, 58, EMPTY.capitalize(), "t")]
    return _svg("kxm-empty", theme, 84, "Timing of no turns", EMPTY.capitalize(), drawn, "kxm-empty-hatch")


def _svg(
    name: str, theme: Themed, height: float, title: str, description: str, drawn: Sequence[str], hatch: str
) -> str:
    paper = f'<rect width="{num(WIDTH)}" height="{num(height)}" rx="8" class="paper"/>'
    pattern = (
        f'<defs><pattern id="{hatch}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line x1="0" y1="0" x2="0" y2="5" class="s-cancelled" stroke-width="3"/></pattern></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {num(WIDTH)} {num(height)}" width="{num(WIDTH)}"'
        f' height="{num(height)}" class="kxm-{theme}" role="img" aria-labelledby="{name}-title {name}-desc"'
        ' style="max-width:100%;height:auto">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
        f"<style>{''.join(_styles(theme))}</style>{pattern}{paper}{''.join(drawn)}</svg>"
    )


def _styles(theme: Themed) -> Iterator[str]:
    """Rules that hold inside pictures of this theme alone: a notebook has many on one page."""
    within = f".kxm-{theme}"
    rules = {
        "text": f"font:11px {FONT};font-variant-numeric:tabular-nums",
        ".h": "font-size:19px;font-weight:650",
        ".b": "font-weight:650",
        ".n": "font-size:9px;font-weight:700",
        ".dots": "stroke-dasharray:2 3",
        ".over": "paint-order:stroke;stroke-width:5",
    }
    yield from _rules(within, rules)
    yield from _rules(within, _colours(THEMES["dark" if theme == "dark" else "light"]))
    if theme == "auto":
        yield "@media (prefers-color-scheme:dark){"
        yield from _rules(within, _colours(THEMES["dark"]))
        yield "}"


def _rules(within: str, rules: Mapping[str, str]) -> Iterator[str]:
    return (f"{within} {selector}{{{rule}}}" for selector, rule in rules.items())


def _colours(theme: Theme) -> dict[str, str]:
    ink, quiet = theme.colours["ink"], theme.colours["text"]
    return {
        **{f".f-{name}": f"fill:{colour}" for name, colour in theme.colours.items()},
        **{f".s-{name}": f"stroke:{colour}" for name, colour in theme.colours.items()},
        ".s-line": f"stroke:{theme.line}",
        ".over": f"stroke:{theme.paper}",
        ".paper": f"fill:{theme.paper}",
        ".n": f"fill:{theme.paper}",
        ".t": f"fill:{quiet}",
        ".h": f"fill:{ink}",
        ".b": f"fill:{ink}",
    }
